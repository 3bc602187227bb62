"""The page of a report about one document of evidence: every number with what a reader must know of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from husai_core.evidence import Evidence, RecordedMeasurement
from husai_gates.audit import AuditReport
from husai_gates.condition import Condition
from husai_gates.interval import TooFewUnits, interval, mean, seeds_of
from husai_gates.plain_text import number
from husai_gates.reporters.markdown import safe, table

_BOTH = "interval over seeds and parts"
_HEAD = ("metric", "setting", "condition", "mean", "interval", "seeds", "chance", "unit", "better")


def evidence_page(
    path: str, evidence: Evidence, report: AuditReport, confidence: float, pictures: Sequence[str]
) -> Iterator[str]:
    """What was measured, its pictures, and what its dictionaries have beyond their controls."""
    yield f"# {safe(evidence.benchmark.name)} at {safe(evidence.site)}"
    yield ""
    yield from _measured(path, evidence, report, confidence)
    for picture in pictures:
        yield from (f"![{safe(picture)}](../{picture})", "")
    if report.controls:
        from husai_gates import contrasts

        yield from contrasts.differences(evidence, report, confidence)


def _measured(path: str, evidence: Evidence, report: AuditReport, confidence: float) -> Iterator[str]:
    data = ", ".join(f"{source.name} ({source.rows} rows)" for source in evidence.data) or "of no digest"
    yield f"Version {safe(evidence.benchmark.version)}; data {safe(data)}; from {safe(path)}."
    if evidence.texts:
        yield f"Texts: {safe(', '.join(f'{source.name} ({source.rows})' for source in evidence.texts))}."
    yield from _elsewhere(evidence)
    yield ""
    if evidence.outcome.status != "completed":
        yield f"{safe(evidence.outcome.status)}: {safe(evidence.outcome.reason)}"
        yield ""
        return
    in_parts = any(len(m.parts()) > 1 for m in evidence.measurements)
    found = [_row(m, report.conditions.get(m.condition), confidence, in_parts) for m in evidence.measurements]
    rows = sorted(found, key=lambda row: [str(cell) for cell in row[:3]])
    yield f"Intervals are two-sided at {100 * confidence:g} %; the unit of replication is the seed."
    if in_parts:
        yield (
            "Where a seed was observed in several parts, such as documents, the interval over seeds is about these "
            "very parts; the one over seeds and parts is about others like them, too, and no rule is judged by it."
        )
    yield ""
    yield from table([*_HEAD[:5], _BOTH, *_HEAD[5:]] if in_parts else _HEAD, rows)
    yield ""
    if defects := {m.card.name: m.card.defect for m in evidence.measurements if m.card.defect}:
        yield "Known to be wrong, shown as they were written, and judged by no rule:"
        yield ""
        yield from (f"- {safe(name)}: {safe(defect)}" for name, defect in sorted(defects.items()))
        yield ""


def _elsewhere(evidence: Evidence) -> Iterator[str]:
    """Who measured, where that was not HUSAI."""
    if (external := evidence.external) is None:
        return
    who = {"official": "Official: measured here by", "imported": "Imported: measured elsewhere by"}
    yield ""
    many = ", ".join(external.files) if len(external.files) < 4 else f"{len(external.files)} files of its own"
    yield f"{who[external.kind]} {safe(external.tool)} {safe(external.version)}, in {safe(many)}."
    if external.unverified:
        yield ""
        yield "Not verified here, or to be known:"
        yield ""
        yield from (f"- {safe(statement)}" for statement in external.unverified)


def _row(measurement: RecordedMeasurement, condition: Condition | None, confidence: float, in_parts: bool) -> list[Any]:
    values = measurement.by_unit()
    try:
        bounds = interval(values, confidence)
        shown = f"{number(bounds.low)} to {number(bounds.high)}"
        if condition and condition.one_unit:
            shown = "none: every seed has the same one"
    except TooFewUnits as error:
        shown = f"none: {error}"
    except (ValueError, ArithmeticError):
        shown = "none: the units are incomplete"
    card = measurement.card
    return [
        card.name,
        ", ".join(f"{key} = {value}" for key, value in sorted({**measurement.setting, **measurement.scale}.items())),
        measurement.condition,
        number(mean([values[unit] for unit in sorted(values)])),
        shown,
        *([_over_parts(measurement, condition, confidence)] if in_parts else []),
        len(seeds_of(values)),
        "unknown" if measurement.chance is None else number(measurement.chance),
        card.unit,
        card.direction,
    ]


def _over_parts(measurement: RecordedMeasurement, condition: Condition | None, confidence: float) -> str:
    from husai_gates.crossed import crossed_interval

    if len(measurement.parts()) < 2:
        return ""
    if condition and condition.one_unit:
        return "none: every seed has the same one"
    try:
        found = crossed_interval(measurement.by_part(), confidence)
    except TooFewUnits as error:
        return f"none: {error}"
    except (ValueError, ArithmeticError):
        return "none: the parts are incomplete"
    return f"{number(found.low)} to {number(found.high)}"
