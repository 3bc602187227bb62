"""Drawings of pairs: how alike every two seeds are, as one matrix for each condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from husai_core.evidence import RecordedMeasurement
from husai_gates.canvas import canvas, png
from husai_gates.condition import Condition
from husai_gates.interval import seeds_of

ANNOTATED = 6  # seeds up to which every cell says its number
SIDE = 1.35  # inches of one matrix


def draw_pairs(members: Sequence[RecordedMeasurement], title: str, conditions: Mapping[str, Condition]) -> bytes:
    """A row for each dictionary, a column for it and for each control; one scale for all of them."""
    grid = _grid(members, conditions)
    columns = sorted({column for _, column in grid}, key=lambda column: (column != "", column))
    rows = sorted({row for row, _ in grid})
    values = [value for m in members for value in m.by_unit().values()]
    low, high = min(values), max(values)
    figure, axes = canvas(SIDE * len(columns) + 1.3, SIDE * len(rows) + 0.9, len(rows), len(columns))
    image = None
    for row, base in zip(axes, rows, strict=True):
        for axis, column in zip(row, columns, strict=True):
            axis.grid(visible=False)
            found = grid.get((base, column))
            if found is None:
                axis.set_axis_off()
                continue
            pairs = found.by_unit()
            seeds = seeds_of(pairs)
            image = axis.imshow(_matrix(pairs, seeds), vmin=low, vmax=high, cmap="viridis")
            _annotate(axis, pairs, seeds, (low + high) / 2)
            axis.set_xticks(range(len(seeds)), seeds, fontsize=5)
            axis.set_yticks(range(len(seeds)), seeds, fontsize=5)
            axis.tick_params(length=0)
            for side in axis.spines.values():
                side.set_visible(False)
    for axis, column in zip(axes[0], columns, strict=True):
        axis.set_title(column or "trained", fontsize=7)
        axis.title.set_visible(True)
    for row, base in zip(axes, rows, strict=True):
        row[0].set_ylabel(base, fontsize=7)
    if image is not None:
        bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
        bar.ax.tick_params(labelsize=6)
        bar.set_label(members[0].card.unit, fontsize=7)
    figure.suptitle(f"{title}: {members[0].card.name} of every two seeds", fontsize=9)
    return png(figure)


def _grid(
    members: Sequence[RecordedMeasurement], conditions: Mapping[str, Condition]
) -> dict[tuple[str, str], RecordedMeasurement]:
    """The measurements by dictionary and control; what was trained stands under the empty name."""
    found = {}
    for m in members:
        condition = conditions[m.condition]
        base = condition.base.removeprefix(f"{condition.site}.")
        found[base, condition.control.name if condition.control else ""] = m
    return found


def _matrix(pairs: Mapping[tuple[int, ...], float], seeds: Sequence[int]) -> list[list[float]]:
    """Symmetric; a seed is not compared with itself, so the diagonal is empty."""
    nothing = float("nan")
    return [[pairs.get((min(a, b), max(a, b)), nothing) if a != b else nothing for b in seeds] for a in seeds]


def _annotate(axis: object, pairs: Mapping[tuple[int, ...], float], seeds: Sequence[int], middle: float) -> None:
    if len(seeds) > ANNOTATED:
        return
    for (one, other), value in pairs.items():
        for x, y in ((seeds.index(one), seeds.index(other)), (seeds.index(other), seeds.index(one))):
            colour = "white" if value < middle else "black"
            axis.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=4.5, color=colour)  # type: ignore[attr-defined]
