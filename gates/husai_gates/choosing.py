"""Choosing: from audited bundles and a policy to the document that says what was compared and what was chosen."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import husai_core
from husai_core.errors import ExitCode, UsageError, did_you_mean
from husai_gates.audit import AuditReport
from husai_gates.candidates import (
    Candidate,
    Measured,
    Objective,
    candidates_of,
    judged,
    measured,
    objectives_of,
    refuse_incomparable,
    unjudged,
)
from husai_gates.cannot_judge import CannotJudge
from husai_gates.contest import Contest, rounded
from husai_gates.interval import Interval
from husai_gates.policy import Policy

CHOICE_SCHEMA = "husai:choice/v2"
MOST = 256  # conditions; each is held against every other


def make_choice(
    reports: Sequence[AuditReport],
    policy: Policy,
    weights: Mapping[str, float] | None = None,
    roles: Collection[str] = ("candidate",),
    site: str | None = None,
) -> dict[str, Any]:
    """The document. It depends on what the bundles hold alone: not on their order, nor on what is given twice."""
    sites = {name for report in reports for name in report.sites}
    if site is not None and site not in sites:
        raise UsageError("--site", f"no bundle has a site '{site}'", did_you_mean(site, sites))
    candidates = candidates_of(reports, roles, site)
    if len(candidates) > MOST:
        raise UsageError("husai select", f"{len(candidates)} conditions, the limit is {MOST}", "compare fewer")
    objectives = objectives_of(policy, candidates)
    if not objectives:
        says = "no rule asks candidates for more or less of a metric, so nothing could be better in its sense"
        raise UsageError(f"policy {policy.name}", says, "choose by a policy with thresholds on metrics")
    weighed = _weights(objectives, weights or {}, policy)
    found, left_out = measured(candidates, objectives)
    try:
        refuse_incomparable(found, objectives)
    except CannotJudge as stop:
        says = f"{stop.says}, so they are not compared"
        raise UsageError(stop.code, says, f"{stop.next_step}; or leave one out, by --site or by bundle") from None
    document: dict[str, Any] = {
        "schema": CHOICE_SCHEMA,
        "husai": husai_core.__version__,
        "policy": {"name": policy.name, "version": policy.version, "digest": policy.digest},
        "roles": sorted(set(roles)),
        "bundles": sorted({report.content_digest for report in reports}),
        "objectives": [_objective(o, w) for o, w in zip(objectives, weighed, strict=True)],
        "compared": [_compared(one) for one in judged(found, policy)],
        "left_out": [{**_who(left.candidate), "code": left.code, "reason": left.reason} for left in left_out],
        "unjudged": unjudged(policy),
    }
    contest = Contest.from_json(document)
    return {**document, "result": contest.result(), "sensitivity": contest.sensitivity()}


def exit_code(document: Mapping[str, Any]) -> ExitCode:
    """0 where something was chosen, 2 where everything fails a rule, 5 where nothing could be compared."""
    if not document["compared"]:
        return ExitCode.NOTHING_EVALUATED
    return ExitCode.NOT_RELEASED if document["result"]["chosen"] is None else ExitCode.RELEASED


def _weights(objectives: Sequence[Objective], given: Mapping[str, float], policy: Policy) -> list[float]:
    """One per objective; a metric that is wanted at several settings has its weight at each."""
    metrics = {objective.quantity.metric for objective in objectives}
    for metric, weight in given.items():
        if metric not in metrics:
            says = f"the policy '{policy.name}' does not ask for more or less of '{metric}'"
            raise UsageError("--weight", says, did_you_mean(metric, metrics))
        if not (math.isfinite(weight) and weight >= 0):
            raise UsageError("--weight", f"{metric} = {weight}", "a weight is a number, 0 or more")
    found = [rounded(given.get(objective.quantity.metric, 1.0)) for objective in objectives]
    if not any(found):
        raise UsageError("--weight", "every metric has the weight 0", "give one of them a weight")
    return found


def _objective(objective: Objective, weight: float) -> dict[str, Any]:
    quantity = objective.quantity
    return {
        "benchmark": quantity.benchmark,
        "metric": quantity.metric,
        "setting": dict(quantity.setting),
        "direction": objective.direction,
        "weight": weight,
        "rules": [rule.id for rule in objective.rules],
    }


def _who(candidate: Candidate) -> dict[str, Any]:
    return {
        "label": candidate.label,
        "condition": candidate.condition.name,
        "bundle": candidate.report.content_digest,
    }


def _compared(one: Measured) -> dict[str, Any]:
    condition = one.candidate.condition
    first = condition.subjects[0]
    return {
        **_who(one.candidate),
        "site": {"name": first.site, "digest": first.site_digest},
        "architecture": {key: first.architecture[key] for key in ("name", "settings")},
        "dims": {"d_sae": first.dims["d_sae"]},
        "budget": {key: value for key, value in first.budget.items() if key != "source"},
        "seeds": [subject.seed for subject in condition.subjects],
        "weights": one.candidate.weights,
        "earlier_seeds": one.candidate.report.seeds_before(condition.name),
        "chosen_from": one.candidate.report.compared_for(condition.name),
        "intervals": [_interval(interval) for interval in one.intervals],
        "fails": list(one.fails),
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        "estimate": rounded(interval.estimate),
        "low": rounded(interval.low),
        "high": rounded(interval.high),
        "confidence": rounded(interval.confidence),
        "n": interval.n,
        "method": interval.method,
    }
