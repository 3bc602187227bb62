"""Threshold: the confidence bound, and every single unit where asked, is on the right side of a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from husai_gates.audit import AuditReport
from husai_gates.condition import Condition
from husai_gates.decision import Cell
from husai_gates.interval import Interval, Unit
from husai_gates.observe import Observed, estimate, observe, require_direction
from husai_gates.plain_text import number
from husai_gates.policy import Bounds, Rule
from husai_gates.rules.verdict import verdict
from husai_gates.strength import Strength, above, below, detectable


def judge(rule: Rule, target: Condition, against: Condition | None, report: AuditReport, there: AuditReport) -> Cell:
    """Lower bound >= at_least, upper bound <= at_most, and the same for the worst unit."""
    observed = observe(rule, target, report)
    bounds = rule.bounds
    floor = bounds.at_least is not None or bounds.worst_at_least is not None
    ceiling = bounds.at_most is not None or bounds.worst_at_most is not None
    if floor:
        require_direction(observed, rule, "lower", "a floor asks for the bad side")
    if ceiling:
        require_direction(observed, rule, "higher", "a ceiling asks for the bad side")
    interval = estimate(rule, observed)
    lowest, highest = _extreme(observed, min), _extreme(observed, max)
    problem = _bound_problem(bounds, interval) or _unit_problem(bounds, lowest, highest)
    worst = lowest if floor else highest
    strength = _strength(rule, interval)
    more = "; ".join(_worst_words(bounds, lowest, highest))
    return verdict(rule, observed, interval, problem, worst=worst, more=more, strength=strength)


def _worst_words(bounds: Bounds, lowest: tuple[Unit, float], highest: tuple[Unit, float]) -> Iterator[str]:
    """The worst unit of a rule that asks something of it."""
    if bounds.worst_at_least is not None:
        yield f"lowest {number(lowest[1])} (seed {_seeds(lowest[0])})"
    if bounds.worst_at_most is not None:
        yield f"highest {number(highest[1])} (seed {_seeds(highest[0])})"


def _strength(rule: Rule, interval: Interval) -> Strength:
    """Of the bounds; what is asked of the worst unit is no claim about others, and has no p-value."""
    bounds = rule.bounds
    p_values = [above(interval, bounds.at_least)] if bounds.at_least is not None else []
    p_values += [below(interval, bounds.at_most)] if bounds.at_most is not None else []
    if not p_values:
        return Strength()
    return Strength(max(p_values), detectable=detectable(interval, rule.error, both=len(p_values) > 1))


def _extreme(observed: Observed, choose: Callable[[Iterable[float]], float]) -> tuple[Unit, float]:
    value = choose(observed.values.values())
    return min(unit for unit, v in observed.values.items() if v == value), value


def _bound_problem(bounds: Bounds, interval: Interval) -> str | None:
    if bounds.at_least is not None and not interval.low >= bounds.at_least:
        return f"the lower bound {number(interval.low)} is not at least {number(bounds.at_least)}"
    if bounds.at_most is not None and not interval.high <= bounds.at_most:
        return f"the upper bound {number(interval.high)} is not at most {number(bounds.at_most)}"
    return None


def _unit_problem(bounds: Bounds, lowest: tuple[Unit, float], highest: tuple[Unit, float]) -> str | None:
    if bounds.worst_at_least is not None and not lowest[1] >= bounds.worst_at_least:
        return f"seed {_seeds(lowest[0])} has {number(lowest[1])}, not at least {number(bounds.worst_at_least)}"
    if bounds.worst_at_most is not None and not highest[1] <= bounds.worst_at_most:
        return f"seed {_seeds(highest[0])} has {number(highest[1])}, not at most {number(bounds.worst_at_most)}"
    return None


def _seeds(unit: Unit) -> str:
    return " and ".join(map(str, unit))
