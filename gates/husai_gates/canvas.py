"""The canvas of every picture: size, colours, axes and bytes; matplotlib is imported when one is made."""

from __future__ import annotations

import io
import math
from typing import Any

from husai_gates.summary import Summary

PALETTE = ("#0b6e4f", "#2f5d9b", "#b2452d", "#7a4fa3", "#b07d2b", "#4a4a4a", "#1b8a9a", "#a03070")
MARKERS = "osD^vP*X"
CHANCE = "#c0392b"
GRID = 0.25
DPI = 110


def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **shared: Any) -> tuple[Any, Any]:
    """A figure and its axes as a (rows, columns) array. Not pyplot: no window system is asked for, nothing is kept."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **shared)
    for axis in axes.flat:
        plain(axis)
    return figure, axes


def plain(axis: Any) -> None:
    """Small numbers, a faint grid, and no frame above and to the right."""
    axis.tick_params(labelsize=7)
    axis.grid(alpha=GRID)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def png(figure: Any) -> bytes:
    """The same figure gives the same bytes."""
    raw = io.BytesIO()
    figure.savefig(raw, format="png", dpi=DPI, metadata={"Software": None})
    return raw.getvalue()


def ticks_at(axis: Any, values: list[float]) -> None:
    """A logarithmic axis with these ticks and no others."""
    axis.set_xscale("log", base=2)
    axis.set_xticks(values, [f"{value:g}" for value in values])
    axis.minorticks_off()


def reach(value: Summary) -> list[list[float]] | None:
    """How far the interval reaches down and up from the mean."""
    return value.bounds and [[value.mean - value.bounds[0]], [value.bounds[1] - value.mean]]


def reaches(values: list[Summary]) -> list[list[float]]:
    """The same of several values; one without an interval reaches nowhere."""
    each = [reach(value) or [[0.0], [0.0]] for value in values]
    return [[r[0][0] for r in each], [r[1][0] for r in each]]


def words(value: Summary) -> str:
    """The label of an axis."""
    better = "" if value.card.direction == "neither" else f"; better: {value.card.direction}"
    return f"{value.card.name} ({value.card.unit}{better})"


def powers(low: float, high: float) -> list[float]:
    """The powers of two around a range."""
    return [2.0**n for n in range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)]
