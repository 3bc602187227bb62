"""Drawings of frontiers and scaling, as PNG; like the plots of benchmarks, nothing is decided by them."""

from __future__ import annotations

import io
import math
from typing import Any

from husai_gates.frontier import Frontier, Place
from husai_gates.scaling import Scaling
from husai_gates.summary import Summary

PALETTE = ("#0b6e4f", "#2f5d9b", "#b2452d", "#7a4fa3", "#b07d2b", "#4a4a4a", "#1b8a9a", "#a03070")
MARKERS = "osD^vP*X"
DODGE = 0.05  # octaves between the series of one width, so that no interval hides another

_REMARKS = {"front": "", "dominated": " (dominated)", "not resolved": " (not resolved)"}


def draw_frontier(frontier: Frontier, confidence: float) -> bytes:
    """Cost against quality with both intervals; the front is a line, and what is off it is hollow."""
    figure, axis = figure_of(8.6, 4.6)
    architectures = sorted({_architecture(point.place) for point in frontier.points})
    key = []
    for number, point in enumerate(frontier.points, 1):
        place, family = point.place, architectures.index(_architecture(point.place))
        colour = PALETTE[family % len(PALETTE)]
        drawn = axis.errorbar(
            [place.cost.mean],
            [place.quality.mean],
            xerr=_reach(place.cost),
            yerr=_reach(place.quality),
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
        powers = [2.0**n for n in range(math.floor(math.log2(min(costs))), math.ceil(math.log2(max(costs))) + 1)]
        _ticks_at(axis, powers)
    axis.margins(x=0.08, y=0.1)
    axis.set_xlabel(_words(front[0].cost), fontsize=8)
    axis.set_ylabel(_words(front[0].quality), fontsize=8)
    axis.set_title(f"Frontier at {frontier.site}: mean and {confidence:.0%} interval over seeds", fontsize=10)
    return png_of(figure)


def draw_scaling(metric: str, scalings: list[Scaling], confidence: float) -> bytes:
    """A metric against width: a panel per site and kin, a line per number of tokens."""
    figure, axes = figure_of(4.2 * len(scalings) + 0.6, 3.9, columns=len(scalings))
    tokens = sorted({rows for scaling in scalings for rows in scaling.series})
    several = len({scaling.kin for scaling in scalings}) > 1
    for axis, scaling in zip(axes if len(scalings) > 1 else [axes], scalings, strict=True):
        for rows, sizes in scaling.series.items():
            colour = _shade(tokens.index(rows), len(tokens))
            beside = 2 ** (DODGE * (tokens.index(rows) - (len(tokens) - 1) / 2))
            x = [size.d_sae * beside for size in sizes]
            y = [size.value.mean for size in sizes]
            reach = [_reach(size.value) or [[0.0], [0.0]] for size in sizes]
            error = [[r[0][0] for r in reach], [r[1][0] for r in reach]]
            axis.errorbar(x, y, yerr=error, fmt="o-", color=colour, markersize=4, capsize=2.5, label=f"{rows:,} rows")
        chances = sorted({(s.d_sae, s.value.chance) for s in scaling.sizes if s.value.chance is not None})
        if chances:
            axis.plot(*zip(*chances, strict=True), ":", color="#c0392b", label="chance")
        _ticks_at(axis, sorted({size.d_sae for size in scaling.sizes}))
        axis.set_xlabel("d_sae", fontsize=8)
        axis.set_title(f"{scaling.site}: {scaling.kin}" if several else scaling.site, fontsize=9)
    first = axes[0] if len(scalings) > 1 else axes
    first.set_ylabel(_words(scalings[0].sizes[0].value), fontsize=8)
    first.legend(fontsize=7, frameon=False)
    figure.suptitle(
        f"{metric} by width and length of training: mean and {confidence:.0%} interval over seeds", fontsize=10
    )
    return png_of(figure)


def figure_of(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    """A figure with panels side by side, and these; the panel itself where it is one."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, columns, sharey=True)
    for axis in axes if columns > 1 else [axes]:
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.25)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    return figure, axes


def png_of(figure: Any) -> bytes:
    """The file, the same for the same figure."""
    raw = io.BytesIO()
    figure.savefig(raw, format="png", dpi=110, metadata={"Software": None})
    return raw.getvalue()


def _ticks_at(axis: Any, values: list[float]) -> None:
    """A logarithmic axis with these ticks and no others."""
    axis.set_xscale("log", base=2)
    axis.set_xticks(values, [f"{value:g}" for value in values])
    axis.minorticks_off()


def _reach(value: Summary) -> list[list[float]] | None:
    """How far the interval reaches down and up from the mean."""
    return value.bounds and [[value.mean - value.bounds[0]], [value.bounds[1] - value.mean]]


def _words(value: Summary) -> str:
    better = "" if value.card.direction == "neither" else f"; better: {value.card.direction}"
    return f"{value.card.name} ({value.card.unit}{better})"


def _architecture(place: Place) -> str:
    return str(place.condition.subjects[0].architecture["name"])


def _shade(number: int, of: int) -> str:
    """Darker for longer training."""
    share = number / max(of - 1, 1)
    light, dark = (0x8F, 0xC7, 0xB1), (0x06, 0x3D, 0x2C)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(light, dark, strict=True))
