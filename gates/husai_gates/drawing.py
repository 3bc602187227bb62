"""Drawings of frontiers and scaling, as PNG; like the plots of benchmarks, nothing is decided by them."""

from __future__ import annotations

from husai_gates.canvas import CHANCE, MARKERS, PALETTE, canvas, png, powers, reach, reaches, ticks_at, words
from husai_gates.frontier import Frontier, Place
from husai_gates.scaling import Scaling

DODGE = 0.05  # octaves between the series of one width, so that no interval hides another

_REMARKS = {"front": "", "dominated": " (dominated)", "not resolved": " (not resolved)"}


def draw_frontier(frontier: Frontier, confidence: float) -> bytes:
    """Cost against quality with both intervals; the front is a line, and what is off it is hollow."""
    figure, axes = canvas(8.6, 4.6)
    axis = axes[0, 0]
    architectures = sorted({_architecture(point.place) for point in frontier.points})
    key = []
    for number, point in enumerate(frontier.points, 1):
        place, family = point.place, architectures.index(_architecture(point.place))
        colour = PALETTE[family % len(PALETTE)]
        drawn = axis.errorbar(
            [place.cost.mean],
            [place.quality.mean],
            xerr=reach(place.cost),
            yerr=reach(place.quality),
            fmt=MARKERS[family % len(MARKERS)],
            color=colour,
            markerfacecolor=colour if point.standing == "front" else "white",
            markersize=6.5,
            elinewidth=1.2,
            capsize=2.5,
            alpha=0.5 if point.standing == "dominated" else 1.0,
            zorder=3,
        )
        marker = drawn.lines[0]
        marker.set_label(f"{number}  {place.condition.name.partition('.')[2]}{_REMARKS[point.standing]}")
        key.append(marker)
        offset = (6, 5) if number % 2 else (6, -11)
        at = (place.cost.mean, place.quality.mean)
        axis.annotate(str(number), at, xytext=offset, textcoords="offset points", fontsize=8, color=colour)
    front = frontier.front
    x, y = [p.cost.mean for p in front], [p.quality.mean for p in front]
    key += axis.step(x, y, where="post", color="#9a9a9a", linewidth=1, zorder=1, label="the front of the means")
    figure.legend(handles=key, loc="outside right upper", fontsize=7, frameon=False)
    costs = [p.place.cost.mean for p in frontier.points]
    if min(costs) > 0 and max(costs) > 8 * min(costs):
        ticks_at(axis, powers(min(costs), max(costs)))
    axis.margins(x=0.08, y=0.1)
    axis.set_xlabel(words(front[0].cost), fontsize=8)
    axis.set_ylabel(words(front[0].quality), fontsize=8)
    axis.set_title(f"Frontier at {frontier.site}: mean and {confidence:.0%} interval over seeds", fontsize=10)
    return png(figure)


def draw_scaling(metric: str, scalings: list[Scaling], confidence: float) -> bytes:
    """A metric against width: a panel per site and kin, a line per number of tokens."""
    figure, axes = canvas(4.2 * len(scalings) + 0.6, 3.9, columns=len(scalings), sharey=True)
    tokens = sorted({rows for scaling in scalings for rows in scaling.series})
    several = len({scaling.kin for scaling in scalings}) > 1
    for axis, scaling in zip(axes.flat, scalings, strict=True):
        for rows, sizes in scaling.series.items():
            colour = _shade(tokens.index(rows), len(tokens))
            beside = 2 ** (DODGE * (tokens.index(rows) - (len(tokens) - 1) / 2))
            x = [size.d_sae * beside for size in sizes]
            y = [size.value.mean for size in sizes]
            error = reaches([size.value for size in sizes])
            axis.errorbar(x, y, yerr=error, fmt="o-", color=colour, markersize=4, capsize=2.5, label=f"{rows:,} rows")
        chances = sorted({(s.d_sae, s.value.chance) for s in scaling.sizes if s.value.chance is not None})
        if chances:
            axis.plot(*zip(*chances, strict=True), ":", color=CHANCE, label="chance")
        ticks_at(axis, sorted({size.d_sae for size in scaling.sizes}))
        axis.set_xlabel("d_sae", fontsize=8)
        axis.set_title(f"{scaling.site}: {scaling.kin}" if several else scaling.site, fontsize=9)
    first = axes[0, 0]
    first.set_ylabel(words(scalings[0].sizes[0].value), fontsize=8)
    first.legend(fontsize=7, frameon=False)
    figure.suptitle(
        f"{metric} by width and length of training: mean and {confidence:.0%} interval over seeds", fontsize=10
    )
    return png(figure)


def _architecture(place: Place) -> str:
    return str(place.condition.subjects[0].architecture["name"])


def _shade(number: int, of: int) -> str:
    """Darker for longer training."""
    share = number / max(of - 1, 1)
    light, dark = (0x8F, 0xC7, 0xB1), (0x06, 0x3D, 0x2C)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(light, dark, strict=True))
