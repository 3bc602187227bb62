"""The judge: every rule of a policy on every condition it talks about, and the decision that follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from husai_core.bundle import Snapshot
from husai_core.errors import ExitCode, did_you_mean
from husai_gates import last_release
from husai_gates.audit import AuditReport
from husai_gates.cannot_judge import CannotJudge
from husai_gates.code_state import check_code
from husai_gates.condition import Condition
from husai_gates.decision import WORST_FIRST, Cell, Decision, PolicyName, Row
from husai_gates.finding import Finding, guarded
from husai_gates.last_release import LastRelease, older, started
from husai_gates.multiplicity import corrected
from husai_gates.policy import CHANCE, LAST_RELEASE, Policy, Rule, Who
from husai_gates.preregistration import check_preregistration
from husai_gates.requirement import requirement
from husai_gates.rules import RULES
from husai_gates.select import MOST_NAMES, comparators, targets
from husai_gates.waivers import FORM, Waivers, waived


@dataclass(frozen=True)
class Case:
    """What the rules are judged on: an audited bundle, when its run began, and the last release, if one was given."""

    report: AuditReport
    started: datetime | None
    last: LastRelease | None


_FIXED = {CHANCE: CHANCE, LAST_RELEASE: last_release.NAME}


def judge(
    report: AuditReport,
    policy: Policy,
    snapshot: Snapshot,
    last: LastRelease | None = None,
    waivers: Waivers | None = None,
) -> Decision:
    """The decision on an audited bundle. The same bundles and policy always give the same bytes."""
    findings = {*report.findings, *guarded(lambda: check_preregistration(policy, snapshot.files))}
    rows = _rows(Case(report, started(snapshot), last), policy)
    given = None
    if waivers:
        rows, about_waivers, record = waived(rows, policy, waivers, report.conditions)
        findings |= set(about_waivers)
        given = {"digest": waivers.digest, "at": f"{waivers.at:{FORM}}", "given": list(record)}
    findings |= set(_policy_mistakes(rows))
    if report.intact:
        findings |= set(guarded(lambda: check_code(policy, snapshot)))
    if not rows:
        findings.add(Finding("GATE-VACUOUS", "policy", "$.rule", "the policy has no rules", "add rules to it"))
    elif report.intact and not report.evidence:  # of a bundle that cannot be believed, nobody knows what it has
        findings.add(Finding("GATE-VACUOUS", "evidence", "$", "the bundle has no evidence", "run the study"))
    return Decision(
        policy=PolicyName(policy.name, policy.version, policy.digest, policy.purpose, policy.confidence),
        content_digest=report.content_digest,
        assurance=report.assurance,
        rows=rows,
        findings=tuple(sorted(findings)),
        baseline=last.report.content_digest if last else None,
        waivers=given,
    )


def _rows(case: Case, policy: Policy) -> tuple[Row, ...]:
    """The rows, worked out once: the audit has judged the bundle already where it compared its decision."""
    for judged, last, rows in case.report.judged:
        if judged == policy and last is case.last:
            return rows
    rows = corrected(policy, tuple(_row(rule, case) for rule in policy.rules))
    case.report.judged.append((policy, case.last, rows))
    return rows


def _policy_mistakes(rows: tuple[Row, ...]) -> Iterator[Finding]:
    for row in rows:
        for cell in row.cells:
            if cell.code.startswith("POL-"):
                yield Finding(cell.code, "policy", f"$.rule.{row.rule}", cell.says, cell.next_step)


def _row(rule: Rule, case: Case) -> Row:
    """A rule judged on every cell; the row says what its worst cell says."""
    report = case.report
    cells: tuple[Cell, ...] = ()
    if not report.intact:
        worst = _unbelievable(report)
    else:
        try:
            cells = tuple(sorted(cells_of(rule, case), key=lambda cell: cell.condition))
            worst = min(cells, key=lambda c: WORST_FIRST.index(c.status), default=_nobody(rule, report))
        except Exception as error:
            worst = _broken("", error)
    says = worst.says if len(cells) <= 1 else _among(worst, cells)
    return Row(
        rule=rule.id,
        question=rule.question,
        reason=rule.reason,
        kind=rule.kind,
        asks=requirement(rule),
        status=worst.status,
        code=worst.code,
        says=says,
        next_step=worst.next_step,
        cells=cells,
    )


def cells_of(rule: Rule, case: Case) -> Iterator[Cell]:
    """A rule on every condition it talks about, and on every one that each is compared with."""
    conditions = case.report.conditions
    for target in targets(rule, conditions):
        if isinstance(target, str):
            step = _absent(rule.subject, case.report, "make the control")
            yield Cell(target, None, "missing", "EV-ABSENT", f"there is no {rule.subject} here", step)
        elif isinstance(rule.against, Who):
            others = comparators(rule.against, target, conditions)
            for other in others:
                yield _cell(rule, target, other, case)
            if not others:
                says = f"'{target.name}' has no {rule.against} to be compared with"
                yield Cell(target.name, None, "missing", "BASE-ABSENT", says, _absent(rule.against, case.report))
        else:
            yield _cell(rule, target, None, case)


def _cell(rule: Rule, target: Condition, other: Condition | None, case: Case) -> Cell:
    report = there = case.report
    against = other.name if other else _FIXED.get(str(rule.against))
    try:
        _refuse_explored(target, report)
        if rule.against == LAST_RELEASE:
            other = older(rule, target, report, case.started, case.last)
            there = case.last.report if case.last else report
        cell = RULES[rule.kind](rule, target, other, report, there)
        if rule.against == LAST_RELEASE:
            cell = dataclasses.replace(cell, against=against)
    except CannotJudge as stop:
        cell = Cell(target.name, against, stop.status, stop.code, stop.says, stop.next_step)
    except Exception as error:
        return _broken(target.name, error, against)
    declaration = report.declaration(target.base)
    return dataclasses.replace(cell, says=f"{cell.says}; {declaration}") if declaration else cell


def _refuse_explored(target: Condition, report: AuditReport) -> None:
    """The best of many is no result: a point of a search is judged after it was trained again."""
    base = report.conditions.get(target.base)
    if base and base.role == "explored":
        says = f"'{base.name}' is a point of a search; what was measured there took part in the choice"
        if base.subjects[0].unverified:
            says = f"'{base.name}' stands in the file of another dictionary, so it is shown and never judged"
            raise CannotJudge("inconclusive", "EV-EXPLORED", says, "import a file that is about it alone")
        raise CannotJudge("inconclusive", "EV-EXPLORED", says, "judge the condition that the search confirms")


def _among(worst: Cell, cells: tuple[Cell, ...]) -> str:
    passed = sum(cell.status == "pass" for cell in cells)
    name = f"{worst.condition} against {worst.against}" if worst.against else worst.condition
    return f"{passed} of {len(cells)} hold; {name}: {worst.says}"


def _absent(who: Who, report: AuditReport, otherwise: str = "add it to the study and run it") -> str:
    """What to do about somebody who is not there: by a name that nobody here has, it may be misspelt."""
    if who.by == "control":
        known = {name for _, name in report.controls}
    else:
        known = {
            condition.name if who.by == "condition" else condition.role for condition in report.conditions.values()
        }
    if who.name in known or not known:
        return otherwise
    return f"{did_you_mean(who.name, known, MOST_NAMES, 'the bundle has')}; or {otherwise}"


def _nobody(rule: Rule, report: AuditReport) -> Cell:
    says = f"the bundle has no condition that is {rule.subject}" + (f" at '{rule.site}'" if rule.site else "")
    return Cell("", None, "missing", "EV-ABSENT", says, _absent(rule.subject, report))


def _unbelievable(report: AuditReport) -> Cell:
    invalid = [f for f in report.findings if f.severity == ExitCode.INVALID]
    if invalid:
        says = f"the bundle cannot be believed: {invalid[0].code} {invalid[0].file}"
        return Cell("", None, "invalid", invalid[0].code, says, "see the findings")
    return Cell("", None, "error", "GATE-ERROR", "the bundle could not be checked", "see the findings")


def _broken(condition: str, error: Exception, against: str | None = None) -> Cell:
    says = f"judging this rule broke: {type(error).__name__}: {error}"
    return Cell(condition, against, "error", "GATE-ERROR", says, "report this as a bug of husai, with the bundle")
