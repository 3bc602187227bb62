"""Candidates: the conditions of several bundles that one may be chosen from, measured as the judge measures them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from husai_core import strict_json
from husai_gates.audit import AuditReport
from husai_gates.audit.setting import setting_key
from husai_gates.cannot_judge import CannotJudge
from husai_gates.comparable import require_comparable
from husai_gates.condition import Condition
from husai_gates.decision import RELEASING
from husai_gates.interval import Interval
from husai_gates.judge import Case, cells_of
from husai_gates.observe import estimate, observe
from husai_gates.policy import ALWAYS, LAST_RELEASE, Policy, Quantity, Rule, Who
from husai_gates.rules.verdict import flatness
from husai_gates.select import Located, locate

ONE_SIDED = ("threshold", "proportion", "superiority", "non_inferiority", "regression", "pareto")
CANDIDATES = Who("role", "candidate")
_LABEL_DIGITS = 12


@dataclass(frozen=True)
class Objective:
    """A metric that the policy wants more of, or less; `rules` ask for it, each with its confidence and units."""

    quantity: Quantity
    rules: tuple[Rule, ...]
    direction: str | None = None

    @property
    def order(self) -> tuple[str, str, str]:
        return self.quantity.benchmark, self.quantity.metric, setting_key(self.quantity.setting)


@dataclass(frozen=True)
class Candidate:
    """A condition in its bundle."""

    label: str
    condition: Condition
    report: AuditReport

    @property
    def weights(self) -> list[str]:
        return sorted({subject.weights for subject in self.condition.subjects if subject.weights is not None})

    @property
    def kind(self) -> str:
        """What it is besides its seeds; a second condition of the same kind would be more seeds of this one."""
        first = self.condition.subjects[0]
        budget = {key: value for key, value in first.budget.items() if key != "source"}
        who = {"pretrained": self.weights} if first.pretrained else {}
        what = {"architecture": dict(first.architecture), "dims": dict(first.dims), "budget": budget, **who}
        return strict_json.encode({"site": first.site_digest, **what}).decode()


@dataclass(frozen=True)
class LeftOut:
    """A condition that was looked at and not compared, and why."""

    candidate: Candidate
    code: str
    reason: str


@dataclass(frozen=True)
class Measured:
    """A candidate with one interval per objective, where it was measured, and the rules it does not meet."""

    candidate: Candidate
    intervals: tuple[Interval, ...]
    located: tuple[Located, ...]
    fails: tuple[Mapping[str, str], ...] = field(default=())


def candidates_of(reports: Iterable[AuditReport], roles: Collection[str], site: str | None) -> list[Candidate]:
    """The conditions of these roles, whatever the order of the bundles; one that is given twice is one."""
    by_digest = {report.content_digest: report for report in reports}
    found = [
        (condition, report)
        for report in by_digest.values()
        for condition in report.conditions.values()
        if condition.role in roles and site in (None, condition.site)
    ]
    found.sort(key=lambda item: (item[0].name, item[1].content_digest))
    names = [condition.name for condition, _ in found]
    return [Candidate(_label(c.name, r, names.count(c.name) > 1), c, r) for c, r in found]


def _label(name: str, report: AuditReport, shared: bool) -> str:
    digits = report.content_digest.partition(":")[2][:_LABEL_DIGITS]
    return f"{name}@{digits}" if shared else name


def objectives_of(policy: Policy, candidates: Sequence[Candidate]) -> list[Objective]:
    """What the policy's one-sided rules about candidates want; a metric without a better side is wanted by none."""
    found: dict[tuple[str, str, str], Objective] = {}
    sites = {None, *(candidate.condition.site for candidate in candidates)}
    for rule in policy.rules:
        if rule.kind not in ONE_SIDED or rule.subject != CANDIDATES or rule.metric is None or rule.site not in sites:
            continue
        for quantity in rule.quantities or (Quantity(rule.benchmark, rule.metric, rule.setting),):
            own = dataclasses.replace(
                rule, benchmark=quantity.benchmark, metric=quantity.metric, setting=quantity.setting
            )
            first = Objective(quantity, (own,))
            known = found.setdefault(first.order, first)
            if known is not first:
                found[first.order] = dataclasses.replace(known, rules=(*known.rules, own))
    directed = [dataclasses.replace(o, direction=_direction(o, candidates)) for _, o in sorted(found.items())]
    return [objective for objective in directed if objective.direction != "neither"]


def _direction(objective: Objective, candidates: Sequence[Candidate]) -> str | None:
    """The better side by the metric's card; None where nobody measured it."""
    for candidate in candidates:
        try:
            return locate(objective.rules[0], candidate.condition, candidate.report).measurement.card.direction
        except CannotJudge:
            continue
    return None


def measured(candidates: Sequence[Candidate], objectives: Sequence[Objective]) -> tuple[list[Measured], list[LeftOut]]:
    """The candidates with an interval for every objective, each dictionary once; and the others, with the reason."""
    found: list[Measured] = []
    left_out: list[LeftOut] = []
    for candidate in candidates:
        if any(subject.weights is None for subject in candidate.condition.subjects):
            says = "no digest of its weights is known, so nobody can tell it from another candidate"
            left_out.append(LeftOut(candidate, "EV-UNVERIFIED", says))
            continue
        try:
            pairs = [_bound(objective, candidate) for objective in objectives]
        except CannotJudge as stop:
            left_out.append(LeftOut(candidate, stop.code, stop.says))
        else:
            found.append(Measured(candidate, tuple(i for i, _ in pairs), tuple(where for _, where in pairs)))
    once, repeated = _each_once(found)
    return once, sorted([*left_out, *repeated], key=lambda left: left.candidate.label)


def _bound(objective: Objective, candidate: Candidate) -> tuple[Interval, Located]:
    """The interval of an objective; of those that several rules ask for, the one that is most against it."""
    found = []
    for rule in objective.rules:
        observed = observe(rule, candidate.condition, candidate.report)
        interval = estimate(rule, observed)
        if flat := flatness(rule, observed):
            raise CannotJudge(flat[0], flat[1], flat[2], flat[3])
        found.append((interval, observed.located))
    if objective.direction == "lower":
        return max(found, key=lambda item: item[0].high)
    return min(found, key=lambda item: item[0].low)


def _each_once(found: Sequence[Measured]) -> tuple[list[Measured], list[LeftOut]]:
    """One dictionary counts once, under whatever names; of a condition in two bundles, the one with more seeds."""
    kept: list[Measured] = []
    left_out: list[LeftOut] = []
    for one in sorted(found, key=lambda m: (-len(m.candidate.condition.seeds), m.candidate.label)):
        reasons = (_repeats(one.candidate, other.candidate) for other in kept)
        if reason := next((r for r in reasons if r), None):
            left_out.append(LeftOut(one.candidate, "EV-DUP-UNIT", reason))
        else:
            kept.append(one)
    return sorted(kept, key=lambda m: m.candidate.label), left_out


def _repeats(one: Candidate, other: Candidate) -> str | None:
    names = f"'{one.label}' and '{other.label}'"
    if shared := sorted(set(one.weights) & set(other.weights)):
        return f"{names} share the weights {shared[0][:19]}..., which count once"
    if one.kind == other.kind:
        return f"{names} are one architecture, settings and budget, so to choose between them is to choose seeds"
    return None


def refuse_incomparable(found: Sequence[Measured], objectives: Sequence[Objective]) -> None:
    """Stop at the first key in which two of them differ that must not. Budget and width only if a rule names them."""
    for index, objective in enumerate(objectives):
        for rule in objective.rules:
            asked = (key for key in rule.comparable or () if key not in ALWAYS)
            strict = dataclasses.replace(rule, comparable=(*ALWAYS, *asked))
            for one, other in itertools.combinations(found, 2) if rule.tolerance else _with_first(found):
                here, there = one.located[index], other.located[index]
                require_comparable(strict, here, there, one.candidate.report, other.candidate.report)


def _with_first(found: Sequence[Measured]) -> Iterator[tuple[Measured, Measured]]:
    """Enough where equality is asked for."""
    return ((found[0], other) for other in found[1:])


def judged(found: Sequence[Measured], policy: Policy) -> list[Measured]:
    """The same, each with the rules of the policy that it would not meet by itself."""
    return [dataclasses.replace(one, fails=tuple(_fails(one.candidate, policy))) for one in found]


def unjudged(policy: Policy) -> list[str]:
    """Rules that say nothing of a candidate here: about other conditions, or about the last release."""
    return [rule.id for rule in policy.rules if rule.against == LAST_RELEASE or not _about_candidates(rule)]


def _about_candidates(rule: Rule) -> bool:
    return rule.subject == CANDIDATES or rule.subject.by == "control"


def _fails(candidate: Candidate, policy: Policy) -> Iterator[dict[str, Any]]:
    """Rules about candidates or their controls that do not hold for this condition or its control."""
    name, role = candidate.condition.name, candidate.condition.role
    case = Case(candidate.report, None, None)
    for rule in policy.rules:
        itself = role != "candidate" and rule.against == Who("role", role)
        if itself or rule.against == LAST_RELEASE or not _about_candidates(rule):
            continue
        if rule.site not in (None, candidate.condition.site):
            continue
        here = f"{name}.{rule.subject.name}" if rule.subject.by == "control" else name
        cells = list(cells_of(dataclasses.replace(rule, subject=Who("condition", here)), case))
        bad = [cell for cell in cells if cell.status not in RELEASING]
        if not cells:
            yield {"rule": rule.id, "status": "missing", "code": "EV-ABSENT"}
        elif bad:
            yield {"rule": rule.id, "status": bad[0].status, "code": bad[0].code}
