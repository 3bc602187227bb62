"""Plots of a bundle: per benchmark, every metric by condition with its units, interval and chance level."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from husai_core.evidence import Evidence, RecordedMeasurement
from husai_gates.audit import audit_unsealed
from husai_gates.audit.layout import stem
from husai_gates.drawing import draw_frontier, draw_scaling
from husai_gates.drops import draw_drops
from husai_gates.frontier import frontiers
from husai_gates.interval import TooFewUnits, interval, mean
from husai_gates.scaling import Scaling, scalings

COLOURS = {"candidate": "#0b6e4f", "baseline": "#2f5d9b", "explored": "#b07d2b", "control": "#8a8a8a"}
CONFIDENCE = 0.95
COLUMNS = 3
MOST_PANELS = 90


def make_plots(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """A picture of every completed benchmark, of drops, and of each frontier and scaling that the study asks for.

    The same evidence gives the same picture. A benchmark with more panels than anyone would look at has none of its
    own; its numbers are in the report.
    """
    report = audit_unsealed(files)
    roles = {subject.condition: subject.role for subject in report.subjects.values()}
    pictures = {
        f"plots/{stem(path)}.png": _figure(evidence, roles)
        for path, evidence in report.evidence.items()
        if 0 < len(_panels(evidence)) <= MOST_PANELS
    }
    for path, evidence in report.evidence.items():
        if drawn := draw_drops(evidence, roles, CONFIDENCE):
            pictures[f"plots/drops.{stem(path)}.png"] = drawn
    for frontier in frontiers(report, CONFIDENCE):
        if frontier.points:
            path = f"plots/frontier.{frontier.site}.{frontier.cost}.{frontier.quality}.png"
            pictures[path] = draw_frontier(frontier, CONFIDENCE)
    by_metric: dict[str, list[Scaling]] = {}
    for scaling in scalings(report, CONFIDENCE):
        by_metric.setdefault(scaling.metric, []).append(scaling)
    return pictures | {
        f"plots/scaling.{metric}.png": draw_scaling(metric, found, CONFIDENCE) for metric, found in by_metric.items()
    }


def _figure(evidence: Evidence, roles: Mapping[str, str]) -> bytes:
    # Not pyplot: no window system is asked for and no figure is kept alive behind our back.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(evidence)
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    conditions = sorted({m.condition for m in evidence.measurements}, key=lambda c: (_rank(roles.get(c)), c))
    height = 0.28 * len(conditions) + 1.2
    figure = Figure(figsize=(3.4 * columns + 2.2, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axis, (title, measurements) in zip(axes.flat, sorted(panels.items()), strict=False):
        _panel(axis, title, measurements, conditions, roles)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_axis_off()
    figure.suptitle(
        f"{evidence.benchmark.name} at {evidence.site}: every unit, mean and {CONFIDENCE:.0%} interval over seeds",
        fontsize=10,
    )
    raw = io.BytesIO()
    figure.savefig(raw, format="png", dpi=110, metadata={"Software": None})
    return raw.getvalue()


def _panels(evidence: Evidence) -> dict[str, list[RecordedMeasurement]]:
    """Measurements by metric and setting."""
    found: dict[str, list[RecordedMeasurement]] = {}
    for measurement in evidence.measurements:
        setting = ", ".join(f"{key}={value}" for key, value in sorted(measurement.setting.items()))
        found.setdefault(f"{measurement.card.name} {setting}".strip(), []).append(measurement)
    return found


def _panel(
    axis: Any,
    title: str,
    measurements: list[RecordedMeasurement],
    conditions: list[str],
    roles: Mapping[str, str],
) -> None:
    for measurement in measurements:
        place = conditions.index(measurement.condition)
        colour = COLOURS.get(roles.get(measurement.condition, "control"), COLOURS["control"])
        values = measurement.by_unit()
        axis.plot(list(values.values()), [place] * len(values), ".", color=colour, alpha=0.35, markersize=4)
        _interval(axis, place, values, colour)
        if measurement.chance is not None:
            axis.plot([measurement.chance] * 2, [place - 0.4, place + 0.4], ":", color="#c0392b", linewidth=1.2)
    axis.set_yticks(range(len(conditions)), conditions, fontsize=7)
    axis.set_ylim(len(conditions) - 0.5, -0.5)
    axis.tick_params(axis="x", labelsize=7)
    axis.set_title(title, fontsize=9)
    unit = measurements[0].card.unit
    chance = any(m.chance is not None for m in measurements)
    axis.set_xlabel(f"{unit} (dotted: chance)" if chance else unit, fontsize=7)
    axis.grid(axis="x", alpha=0.25)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def _interval(axis: Any, place: int, values: Mapping[tuple[int, ...], float], colour: str) -> None:
    try:
        bounds = interval(values, CONFIDENCE)
    except (TooFewUnits, ValueError):
        axis.plot([mean(list(values.values()))], [place], "D", color=colour, markersize=3)
        return
    axis.plot([bounds.low, bounds.high], [place, place], "-", color=colour, linewidth=1.6)
    axis.plot([bounds.estimate], [place], "D", color=colour, markersize=4)


def _rank(role: str | None) -> int:
    return list(COLOURS).index(str(role)) if role in COLOURS else len(COLOURS)
