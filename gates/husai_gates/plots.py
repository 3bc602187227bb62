"""Plots of a bundle: per benchmark, every metric by condition with its units, interval and chance level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from husai_core.evidence import Evidence, RecordedMeasurement
from husai_gates.audit import AuditReport, audit_unsealed
from husai_gates.audit.layout import stem
from husai_gates.audit.setting import setting_words
from husai_gates.canvas import canvas, png
from husai_gates.drawing import draw_frontier, draw_scaling
from husai_gates.drops import METRIC, draw_drops
from husai_gates.families import families
from husai_gates.family_drawing import draw_family
from husai_gates.frontier import frontiers
from husai_gates.interval import TooFewUnits, interval, mean
from husai_gates.pair_drawing import draw_pairs
from husai_gates.scaling import Scaling, scalings

COLOURS = {"candidate": "#0b6e4f", "baseline": "#2f5d9b", "explored": "#b07d2b", "control": "#8a8a8a"}
CONFIDENCE = 0.95
COLUMNS = 3
MOST_PANELS = 90


def make_plots(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Pictures of every completed benchmark, of drops, and of each frontier and scaling that the study asks for.

    The same evidence gives the same picture.
    """
    report = audit_unsealed(files)
    roles = {subject.condition: subject.role for subject in report.subjects.values()}
    pictures: dict[str, bytes] = {}
    for path, evidence in report.evidence.items():
        pictures |= _of_evidence(stem(path), evidence, report, roles)
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


def _of_evidence(
    name: str, evidence: Evidence, report: AuditReport, roles: Mapping[str, str]
) -> Iterator[tuple[str, bytes]]:
    """What stands alone, in one picture; drops, each family and each matrix of pairs in pictures of their own.

    What stands alone with more panels than anyone would look at is not drawn; its numbers are in the report. So are
    numbers that are known to be wrong, which a picture could not say.
    """
    title = f"{evidence.benchmark.name} at {evidence.site}"
    if drawn := draw_drops(evidence, roles, CONFIDENCE):
        yield f"plots/drops.{name}.png", drawn
    sound = [m for m in evidence.measurements if not m.card.defect]
    along, alone = families([m for m in sound if m.card.name != METRIC or not drawn])
    if 0 < len({(m.card.name, setting_words(m.setting)) for m in alone}) <= MOST_PANELS:
        yield f"plots/{name}.png", _figure(title, alone, roles)
    for family in along:
        about = ".".join((*(family.metrics if len(family.metrics) == 1 else ()), *family.settings))
        for number, page in enumerate(draw_family(family, title, report.conditions, CONFIDENCE), 1):
            yield f"plots/{name}.{about}{f'.{number}' if number > 1 else ''}.png", page
    for metric in sorted({m.card.name for m in alone}):
        pairs = [m for m in alone if m.card.name == metric and not m.setting]
        if pairs and all(len(unit) == 2 for m in pairs for unit in m.by_unit()):
            yield f"plots/{name}.{metric}.pairs.png", draw_pairs(pairs, title, report.conditions)


def _figure(title: str, measurements: Sequence[RecordedMeasurement], roles: Mapping[str, str]) -> bytes:
    panels: dict[str, list[RecordedMeasurement]] = {}
    for measurement in measurements:
        panels.setdefault(f"{measurement.card.name} {setting_words(measurement.setting)}".strip(), []).append(
            measurement
        )
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    conditions = sorted({m.condition for m in measurements}, key=lambda c: (_rank(roles.get(c)), c))
    height = 0.28 * len(conditions) + 1.2
    figure, axes = canvas(3.4 * columns + 2.2, height * rows, rows, columns, sharey=True)
    for axis, (name, found) in zip(axes.flat, sorted(panels.items()), strict=False):
        _panel(axis, name, found, conditions, roles)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_axis_off()
    figure.suptitle(f"{title}: every unit, mean and {CONFIDENCE:.0%} interval over seeds", fontsize=10)
    return png(figure)


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
    axis.grid(axis="y", visible=False)
    axis.spines["left"].set_visible(False)


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
