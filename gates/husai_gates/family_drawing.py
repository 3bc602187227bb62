"""Drawings of families: lines along a setting of numbers, bars along one of words, both with intervals over seeds."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from husai_core.evidence import RecordedMeasurement
from husai_gates.canvas import CHANCE, MARKERS, PALETTE, canvas, png, reaches, words
from husai_gates.condition import Condition
from husai_gates.families import Family
from husai_gates.summary import Summary, summary

MUTED = ("#8a8a8a", "#c59b6d", "#6fa8a8", "#b08bbd", "#a3b56b", "#d08a8a", "#7d8fc0", "#c7b04a", "#5f5f5f", "#9ecae1")
OPAQUE = {False: 0.9, True: 0.55}  # bars of dictionaries, and of controls
NAMED = 3  # metrics that a title names
MOST_PANELS = 12
COLUMNS, MORE_COLUMNS = 3, 4  # the latter where there are more panels than two rows of the former hold
LABEL = 30  # characters of a word on an axis before it goes on in the next line
DODGE = 0.02  # between the series of a panel, as a share of the way to the next place
WIDE = 8.0  # where the largest of some numbers above zero is so many times the smallest, their axis is logarithmic


@dataclass(frozen=True)
class Series:
    """One condition in one panel: what it is called, how it is drawn, and its values along the axis."""

    label: str
    colour: str
    marker: str
    control: bool
    values: Mapping[Any, Summary]


@dataclass(frozen=True)
class Panel:
    """One set of axes."""

    title: str
    series: tuple[Series, ...]


def draw_family(family: Family, title: str, conditions: Mapping[str, Condition], confidence: float) -> list[bytes]:
    """For each setting all dictionaries together, and each beside its controls unless that takes too many panels.

    There are as many pictures as the panels need.
    """
    panels = _panels(family, conditions, confidence)
    pages = [panels[at : at + MOST_PANELS] for at in range(0, len(panels), MOST_PANELS)]
    names = ", ".join(family.metrics) if len(family.metrics) <= NAMED else f"{len(family.metrics)} metrics"
    whole = f"{title}: {names} along {family.axis}, mean and {confidence:.0%} interval"
    titles = [f"{whole} ({number} of {len(pages)})" if len(pages) > 1 else whole for number in range(1, len(pages) + 1)]
    return [_page(family, name, page) for name, page in zip(titles, pages, strict=True)]


def _page(family: Family, title: str, panels: Sequence[Panel]) -> bytes:
    columns = min(COLUMNS if len(panels) <= 2 * COLUMNS else MORE_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    alike = len(family.panels) == 1  # several settings or metrics may have several scales
    size = _size(family, panels, rows, columns)
    figure, axes = canvas(*size, rows, columns, sharex=alike or family.numeric, sharey=True)
    for axis, panel in zip(axes.flat, panels, strict=False):
        draw = _lines if family.numeric else _bars
        draw(axis, panel, family)
        axis.set_title("\n".join(textwrap.wrap(panel.title, 48)), fontsize=8)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_axis_off()
    for axis in list(axes.flat)[max(len(panels) - columns, 0) : len(panels)]:  # those that have no panel below them
        axis.tick_params(labelbottom=True)
        if family.numeric:
            axis.set_xlabel(family.axis, fontsize=7)
    for place, (axis, panel) in enumerate(zip(axes.flat, panels, strict=False)):
        label = "\n".join(textwrap.wrap(words(next(iter(panel.series[0].values.values()))), 40))
        if family.numeric and place % columns == 0:
            axis.set_ylabel(label, fontsize=7)
        elif not family.numeric and (not alike or place >= len(panels) - columns):
            axis.set_xlabel(label, fontsize=7)
    _legend(figure, panels, family.numeric)
    figure.suptitle("\n".join(textwrap.wrap(title, 30 * (columns + 1))), fontsize=9)
    return png(figure)


def _panels(family: Family, conditions: Mapping[str, Condition], confidence: float) -> list[Panel]:
    measured = {m.condition for ms in family.panels.values() for m in ms}
    here = [c for name, c in conditions.items() if name in measured]
    trained = [c for c in here if c.control is None] or here
    in_full = len(trained) == 1 or len(family.panels) * len(trained) <= MOST_PANELS
    found = []
    for title, members in family.panels.items():
        look = _Look(family, members, here, trained, confidence)
        if len(trained) > 1 and (together := look.of(trained)):
            found.append(Panel(title or "all dictionaries", together))
        for base in trained if in_full else ():
            series = look.of([base, *(c for c in here if c.control and c.control.of == base.name)])
            if len(series) > 1 or (series and len(trained) == 1):
                found.append(Panel(", ".join(filter(None, (title, _short(base)))), series))
    return found


class _Look:
    """The same condition, and the control of the same name, look the same in every panel."""

    def __init__(
        self,
        family: Family,
        members: Sequence[RecordedMeasurement],
        here: Sequence[Condition],
        trained: Sequence[Condition],
        confidence: float,
    ) -> None:
        self.members, self.family, self.confidence = members, family, confidence
        self.trained = [c.name for c in trained]
        self.controls = sorted({c.control.name for c in here if c.control})

    def of(self, chosen: Sequence[Condition]) -> tuple[Series, ...]:
        return tuple(series for condition in chosen if (series := self._one(condition)).values)

    def _one(self, condition: Condition) -> Series:
        mine = [m for m in self.members if m.condition == condition.name]
        values = {m.setting[self.family.axis]: summary(m, self.confidence) for m in mine}
        if condition.control and condition.name not in self.trained:
            place = self.controls.index(condition.control.name)
            return Series(
                condition.control.name, MUTED[place % len(MUTED)], MARKERS[place % len(MARKERS)], True, values
            )
        place = self.trained.index(condition.name)
        marker = MARKERS[(place + place // len(PALETTE)) % len(MARKERS)]
        return Series(_short(condition), PALETTE[place % len(PALETTE)], marker, False, values)


def _short(condition: Condition) -> str:
    """Its name without the site, which the title has."""
    return condition.name.removeprefix(f"{condition.site}.")


def _size(family: Family, panels: Sequence[Panel], rows: int, columns: int) -> tuple[float, float]:
    if family.numeric:
        return 3.3 * columns + 2.0, 2.5 * rows + 0.5
    bars = max(len(panel.series) for panel in panels)
    return 2.9 * columns + 3.6, (len(family.values) * (0.13 * bars + 0.2) + 0.6) * rows + 0.6


def _lines(axis: Any, panel: Panel, family: Family) -> None:
    """A little apart, so that no interval hides another."""
    ticks = [float(value) for value in family.values if value is not None]
    logarithmic = min(ticks) > 0 and max(ticks) >= WIDE * min(ticks)
    if logarithmic:
        axis.set_xscale("log")
    for place, series in enumerate(panel.series):
        x = sorted(series.values)
        beside = DODGE * (place - (len(panel.series) - 1) / 2)
        axis.errorbar(
            [k * (1 + 1.2 * beside) if logarithmic else k + beside * _step(ticks) for k in x],
            [series.values[k].mean for k in x],
            yerr=reaches([series.values[k] for k in x]),
            color=series.colour,
            linestyle="--" if series.control else "-",
            linewidth=0.9 if series.control else 1.4,
            marker=series.marker,
            markersize=2.8 if series.control else 3.8,
            elinewidth=0.8,
            capsize=2,
            alpha=0.85,
            zorder=2 if series.control else 3,
        )
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    if (chance := _chance(panel)) is not None:
        axis.axhline(chance, color=CHANCE, linestyle=":", linewidth=1.0)


def _step(ticks: Sequence[float]) -> float:
    """The least distance of two places on the axis."""
    return min(after - before for before, after in pairwise(ticks))


def _bars(axis: Any, panel: Panel, family: Family) -> None:
    chance, count = _chance(panel), len(panel.series)
    thick = 0.8 / count
    for place, series in enumerate(panel.series):
        known = [(at, series.values[value]) for at, value in enumerate(family.values) if value in series.values]
        axis.barh(
            [at + (place - (count - 1) / 2) * thick for at, _ in known],
            [value.mean - (chance or 0.0) for _, value in known],
            height=0.86 * thick,
            left=chance or 0.0,
            xerr=reaches([value for _, value in known]),
            color=series.colour,
            alpha=OPAQUE[series.control],
            error_kw={"elinewidth": 0.9, "ecolor": "#222222", "capsize": 1.5},
        )
    axis.set_yticks(
        range(len(family.values)),
        ["\n".join(textwrap.wrap(str(value), LABEL, break_on_hyphens=False)) for value in family.values],
        fontsize=7,
    )
    axis.set_ylim(len(family.values) - 0.5, -0.5)
    axis.axvline(chance or 0.0, color=CHANCE if chance is not None else "#444444", linewidth=0.8)
    axis.grid(axis="y", visible=False)


def _chance(panel: Panel) -> float | None:
    """The level that all of them share, if they do."""
    levels = {value.chance for series in panel.series for value in series.values.values()}
    return levels.pop() if len(levels) == 1 else None


def _legend(figure: Any, panels: Sequence[Panel], numeric: bool) -> None:
    from matplotlib.lines import Line2D

    looks = {(s.label, s.control): s for panel in panels for s in panel.series}
    ordered = sorted(looks.values(), key=lambda s: s.control)  # stable: dictionaries as they come, then controls
    key: list[Any] = [_key(series, numeric) for series in ordered]
    if any(_chance(panel) is not None for panel in panels):
        key.append(Line2D([], [], color=CHANCE, linestyle=":", label="chance"))
    figure.legend(handles=key, loc="outside right upper", fontsize=7, frameon=False)


def _key(series: Series, numeric: bool) -> Any:
    """What stands for one condition in the legend."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if not numeric:
        return Patch(color=series.colour, alpha=OPAQUE[series.control], label=series.label)
    style = "--" if series.control else "-"
    return Line2D([], [], color=series.colour, marker=series.marker, linestyle=style, markersize=4, label=series.label)
