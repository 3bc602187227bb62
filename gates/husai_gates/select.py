"""Selection: which conditions a rule talks about, what each is compared with, and where it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from husai_core.errors import did_you_mean
from husai_core.evidence import Evidence, RecordedMeasurement, Scalar
from husai_gates.audit import AuditReport
from husai_gates.audit.imported import IMPORTED
from husai_gates.cannot_judge import CannotJudge
from husai_gates.condition import Condition
from husai_gates.policy import MEASURED_HERE, Rule, Who

MOST_NAMES = 6  # that the next step after a name that nobody has lists


@dataclass(frozen=True)
class Located:
    """A measurement, with the evidence it stands in and the condition it is of."""

    path: str
    evidence: Evidence
    measurement: RecordedMeasurement
    condition: Condition


def targets(rule: Rule, conditions: Mapping[str, Condition]) -> list[Condition | str]:
    """The conditions a rule is judged on. A control that a candidate lacks is a string: it is missing."""
    here = [c for c in conditions.values() if rule.site is None or c.site == rule.site]
    who = rule.subject
    if who.by == "role":
        return [c for c in here if c.role == who.name]
    if who.by == "condition":
        return [c for c in here if c.name == who.name]
    found: list[Condition | str] = []
    for candidate in (c for c in here if c.role == "candidate"):
        found += _controls(candidate.name, who.name, conditions) or [f"{candidate.name}.{who.name}"]
    return found


def comparators(who: Who, target: Condition, conditions: Mapping[str, Condition]) -> list[Condition]:
    """What a condition is compared with: controls of its base; one by name; baselines at its site, else anywhere."""
    if who.by == "condition":
        return [c for c in conditions.values() if c.name == who.name != target.name]
    if who.by == "control":
        return [c for c in _controls(target.base, who.name, conditions) if c.name != target.name]
    baselines = [c for c in conditions.values() if c.role == who.name and c.name != target.name]
    return [c for c in baselines if c.site == target.site] or baselines


def _controls(base: str, name: str, conditions: Mapping[str, Condition]) -> list[Condition]:
    found = conditions.get(f"{base}.{name}")  # the audit holds every control to this name
    return [found] if found and found.control and (found.control.of, found.control.name) == (base, name) else []


def documents(rule: Rule, condition: Condition, report: AuditReport) -> dict[str, Evidence]:
    """The evidence of a rule's benchmark at the site of a condition; what failed or was skipped has no answer."""
    benchmark = rule.benchmark
    found = report.documents.get((benchmark, condition.site), {})
    for path, evidence in found.items():
        outcome = evidence.outcome
        if not _is_of(evidence, condition):
            continue
        if outcome.status == "failed":
            raise CannotJudge("error", "EV-FAILED", f"{benchmark} failed: {outcome.reason}", outcome.next_step)
        if outcome.status == "skipped":
            says = f"{benchmark} was skipped: {outcome.reason}"
            raise CannotJudge("missing", "EV-SKIPPED", says, outcome.next_step or f"see {path}")
    if not found:
        known = sorted({evidence.benchmark.name for evidence in report.evidence.values()})
        says = f"there is no evidence of the benchmark '{benchmark}' at the site '{condition.site}'"
        raise CannotJudge("missing", "EV-ABSENT", says, did_you_mean(benchmark, known, head="the bundle has"))
    return _of_source(rule, found)


def _is_of(evidence: Evidence, condition: Condition) -> bool:
    """Whether a document is about a condition; what was imported has a document of its own for every one."""
    return evidence.source != IMPORTED or any(subject.name in evidence.subjects for subject in condition.subjects)


def _of_source(rule: Rule, found: Mapping[str, Evidence]) -> dict[str, Evidence]:
    """Those measured by whom the rule asks for; what somebody else measured counts only where a rule says so."""
    accepted = (rule.source,) if rule.source else MEASURED_HERE
    kept = {path: evidence for path, evidence in found.items() if evidence.source in accepted}
    if not kept:
        sources = ", ".join(sorted({evidence.source for evidence in found.values()}))
        says = f"the evidence of {rule.benchmark} is {sources}, the rule asks for {' or '.join(accepted)}"
        raise CannotJudge("missing", "EV-SOURCE", says, "run the benchmark in the way that the rule asks for")
    return kept


def locate(rule: Rule, condition: Condition, report: AuditReport) -> Located:
    """The measurement of a rule's metric and setting on a condition. Without `setting`, `{}` is meant."""
    measured = [
        Located(path, evidence, measurement, condition)
        for path, evidence in documents(rule, condition, report).items()
        for measurement in report.measurements.get((path, condition.name, rule.metric or ""), ())
    ]
    found = [one for one in measured if _same(one.measurement.setting, rule.setting)]
    if len(found) > 1:
        says = f"'{rule.metric}' of '{condition.name}' was measured {len(found)} times at one setting"
        raise CannotJudge("invalid", "EV-DUP-MEASUREMENT", says, "keep one of them")
    if found:
        _refuse_defect(found[0])
        return found[0]
    settings = [one.measurement.setting for one in measured]
    says = f"{rule.benchmark} has no '{rule.metric}' of '{condition.name}'"
    if settings:
        listing = ", ".join(sorted(str(dict(sorted(s.items()))) for s in settings))
        raise CannotJudge("missing", "EV-ABSENT", f"{says} at setting {dict(rule.setting)}", f"measured at: {listing}")
    raise CannotJudge("missing", "EV-ABSENT", says, _elsewhere(rule, condition, report))


def _elsewhere(rule: Rule, condition: Condition, report: AuditReport) -> str:
    """What to do about a metric that a condition lacks: measure it, unless this evidence has it of nobody."""
    paths = report.documents.get((rule.benchmark, condition.site), {})
    metrics = {metric for path, _, metric in report.measurements if path in paths}
    here = {metric for path, name, metric in report.measurements if path in paths and name == condition.name}
    if not here or rule.metric in metrics:
        return "run the benchmark on this condition"
    known = did_you_mean(rule.metric or "", here, MOST_NAMES, f"{rule.benchmark} measured here")
    return f"{known}; or run it with the plugin of that metric"


def _refuse_defect(located: Located) -> None:
    """A number that is known to be wrong is shown, and decides nothing."""
    card = located.measurement.card
    if card.defect:
        says = f"'{card.name}' is known to be wrong: {card.defect}"
        raise CannotJudge("error", "POL-DEFECT", says, "judge the quantity that stands beside it and is right")


def _same(one: Mapping[str, Scalar], other: Mapping[str, Scalar]) -> bool:
    """Whether two settings are equal; `true` is not 1 here."""
    return dict(one) == dict(other) and all(isinstance(one[k], bool) == isinstance(other[k], bool) for k in one)
