"""Contrasts: every measurement of a dictionary minus the same of each of its controls, and which of them tell
known-good from known-bad.

Nothing is measured for them: a control is a condition in the same evidence, so what it shares with its dictionary seed
by seed goes out of the difference, and any rule of a policy can ask for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from husai_core.errors import UsageError, did_you_mean
from husai_core.evidence import Evidence, RecordedMeasurement
from husai_gates.audit import AuditReport
from husai_gates.audit.setting import setting_order, setting_words
from husai_gates.cannot_judge import CannotJudge
from husai_gates.condition import Condition
from husai_gates.interval import Interval
from husai_gates.observe import Observed, estimate, pair
from husai_gates.policy import Bounds, Rule, Who
from husai_gates.reporters.markdown import safe, table
from husai_gates.separation import separate

GOOD, BAD = ("oracle",), ("degraded", "random_decoder")  # controls that are good, or bad, whatever was trained
ITSELF = "trained"
ALIKE = "alike"


@dataclass(frozen=True)
class Contrast:
    """A measurement of one dictionary minus the same of one control: the interval, or the code that says why not."""

    asked: Rule
    base: Condition
    control: str
    difference: Interval | None
    code: str
    constant: bool = False  # no seed differs from another
    nothing: bool = False  # both sides are the same on every seed

    def __str__(self) -> str:
        if self.difference is None:
            return _none(self.code)
        found = self.difference
        if self.constant:
            return f"{0 if self.nothing else found.estimate:.4g}, the same for every seed"
        return f"{found.estimate:.4g} ({found.low:.4g} to {found.high:.4g})"


def asked(report: AuditReport, confidence: float) -> Iterator[tuple[Rule, Evidence, RecordedMeasurement, Condition]]:
    """Every measurement of a trained dictionary that has a control, as the question that a rule would ask."""
    for _, evidence in sorted(report.evidence.items(), key=lambda item: (item[1].benchmark.name, item[0])):
        for rule, measurement, base in _asked_of(evidence, report, confidence):
            yield rule, evidence, measurement, base


def _asked_of(
    evidence: Evidence, report: AuditReport, confidence: float
) -> Iterator[tuple[Rule, RecordedMeasurement, Condition]]:
    bases = {of for of, _ in report.controls}
    order = sorted(evidence.measurements, key=lambda m: (m.card.name, setting_order(m.setting), m.condition))
    for measurement in order:
        base = report.conditions.get(measurement.condition)
        if base and base.name in bases and base.role in ("candidate", "baseline"):
            yield _question(evidence, measurement, confidence), measurement, base


def _question(evidence: Evidence, measurement: RecordedMeasurement, confidence: float) -> Rule:
    return Rule(
        id="",
        question="",
        reason="",
        kind="superiority",
        benchmark=evidence.benchmark.name,
        metric=measurement.card.name,
        setting=measurement.setting,
        site=evidence.site,
        subject=Who("condition", measurement.condition),
        confidence=confidence,
        min_units=2,
        bounds=Bounds(),
        against=None,
        margin=0.0,
    )


def contrast(rule: Rule, base: Condition, control: str, report: AuditReport) -> Contrast:
    """The difference of a dictionary to its control of that name, in the metric's own unit and sign."""
    if (base.name, control) not in report.controls:
        return Contrast(rule, base, control, None, "BASE-ABSENT")
    try:
        one, other = pair(rule, base, report.controls[base.name, control], report)
        raw = Observed(one.located, {unit: value - other.values[unit] for unit, value in one.values.items()})
        return Contrast(rule, base, control, estimate(rule, raw), "", raw.constant, raw.nothing)
    except CannotJudge as stop:
        return Contrast(rule, base, control, None, stop.code)


def controls_at(report: AuditReport, site: str) -> list[str]:
    """The names of the controls of trained dictionaries at a site."""
    return sorted({name for (_, name), condition in report.controls.items() if condition.site == site})


def differences(evidence: Evidence, report: AuditReport, confidence: float) -> Iterator[str]:
    """The lines of a page of the report: what its dictionaries have beyond their controls, a column per control."""
    controls, rows = controls_at(report, evidence.site), []
    for rule, measurement, base in _asked_of(evidence, report, confidence):
        row = [measurement.card.name, setting_words(rule.setting), base.name, measurement.card.direction]
        rows.append([*row, *(contrast(rule, base, control, report) for control in controls)])
    if not rows:
        return
    yield "## Differences to controls"
    yield ""
    yield safe(
        f"The dictionary minus its control, paired by seed, in the unit of the metric, with the two-sided "
        f"{100 * confidence:g} % interval over seeds.{_of_its_own(report, evidence.site)}"
    )
    yield ""
    yield from table(["metric", "setting", "dictionary", "better", *map(safe, controls)], rows)
    yield ""


def _of_its_own(report: AuditReport, site: str) -> str:
    """What a reader must know of controls that belong to another network."""
    here = (item for item in report.controls.items() if item[1].site == site)
    if names := sorted({name for (_, name), c in here if c.control and c.control.activations}):
        return (
            f" {', '.join(names)}: measured on activations of another network, so what has the scale of activations "
            "does not compare."
        )
    return ""


def instruments(report: AuditReport, confidence: float) -> Iterator[str]:
    """The lines of the report: which measurements tell known-good from known-bad, by their own noise."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for rule, evidence, measurement, base in asked(report, confidence):
        if measurement.card.direction == "neither":
            continue
        key = (evidence.benchmark.name, measurement.card.name, setting_words(rule.setting), base.name)
        for good in (ITSELF, *GOOD):
            for bad in BAD:
                cell = _separation(rule, base, good, bad, report)
                if cell is not None:
                    found.setdefault(key, {})[f"{good} over {bad}"] = cell
    columns = [f"{good} over {bad}" for good in (ITSELF, *GOOD) for bad in BAD]
    columns = [column for column in columns if any(column in cells for cells in found.values())]
    if not columns:
        return
    yield "# Which instruments tell good from bad"
    yield ""
    yield safe(
        "How many times its own noise over seeds a measurement puts known-good above known-bad: the lower bound of the "
        f"gain, paired by seed, divided by the upper bound of the larger standard deviation over seeds, at "
        f"{100 * confidence:g} %. Below 1 it does not tell them apart; where both are 'alike' it sees no difference at "
        "all, and 'no noise' is where seeds do not differ. A policy asks for it with a rule of the kind 'qualified'."
    )
    yield ""
    head = ["benchmark", "metric", "setting", "dictionary", *columns]
    yield from table(head, [[*key, *(cells.get(c, "not measured") for c in columns)] for key, cells in found.items()])
    yield ""


def _separation(rule: Rule, base: Condition, good: str, bad: str, report: AuditReport) -> str | None:
    """The separation, or the code that says why there is none; None where the study has no such subjects."""
    better = base if good == ITSELF else report.controls.get((base.name, good))
    worse = report.controls.get((base.name, bad))
    if better is None or worse is None:
        return None
    try:
        found = separate(rule, *pair(rule, better, worse, report))
        return ALIKE if found.gains.nothing else f"{found.in_noise.low:.4g}"
    except CannotJudge as stop:
        return _none(stop.code)


def _none(code: str) -> str:
    """Why there is no number, in the width of a cell."""
    known = {"EV-ABSENT": "not measured", "BASE-ABSENT": "not measured", "EV-ZERO-WIDTH": "no noise"}
    known |= {"CMP-SCALE": "another scale"}
    return known.get(code, f"none: {code}")


def listing(report: AuditReport, control: str, confidence: float) -> list[Contrast]:
    """Every contrast to the controls of one name, for whoever prints them."""
    names = sorted({name for _, name in report.controls})
    if control not in names:
        raise UsageError("--against", f"the bundle has no control '{control}'", did_you_mean(control, names))
    return [
        contrast(rule, base, control, report)
        for rule, _, _, base in asked(report, confidence)
        if (base.name, control) in report.controls
    ]
