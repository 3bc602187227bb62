"""A requirement: what a rule asks for, in words, numbers included."""

from __future__ import annotations

from collections.abc import Iterator

from husai_gates.plain_text import number
from husai_gates.policy import OF_THESE, PARTS, SHARED_PARTS, Rule, Who


def requirement(rule: Rule) -> str:
    """What must hold for the rule to pass on a condition."""
    if rule.kind == "present":
        return f"completed evidence of {rule.benchmark} for {rule.subject}, on every planned seed"
    what = " or ".join(q.metric for q in rule.quantities) or rule.metric
    return f"{what} of {rule.subject}: {_relation(rule)} ({', '.join(_how(rule))})"


def _how(rule: Rule) -> Iterator[str]:
    """How it is judged: confidence, seeds, and whatever the rule says beyond that."""
    confidence = rule.confidence if rule.kind != "equivalence" else 2 * rule.confidence - 1
    of_all = ", less for each of several metrics" if rule.quantities else ""
    yield f"two-sided {100 * confidence:.6g} % interval{of_all}"
    yield f"{rule.min_units} {'parts' if rule.units in OF_THESE else 'seeds'} or more"
    if rule.units == PARTS:
        yield "over seeds and parts"
    if rule.units in OF_THESE:
        yield "of these very dictionaries" + (", on the parts that both have" if rule.units == SHARED_PARTS else "")
    if rule.source:
        yield f"measured by: {rule.source}"
    if rule.exact:
        yield f"exact p at most {number(rule.error)}"
    if rule.paired is not None:
        yield "paired by seed" if rule.paired else "not paired"
    if rule.comparable is not None:
        yield f"comparable in {', '.join(rule.comparable) or 'nothing but the metric'}"
    if rule.tolerance:
        yield f"tolerance {', '.join(f'{key} {number(value)}' for key, value in sorted(rule.tolerance.items()))}"
    if rule.max_age_days is not None:
        yield f"a release of the last {number(rule.max_age_days)} days"
    if rule.family is not None:
        yield f"by Holm's correction in the family '{rule.family}'"


def _relation(rule: Rule) -> str:
    margin, bounds = number(rule.margin), rule.bounds
    against = rule.against if isinstance(rule.against, Who) else str(rule.against).replace("_", " ")
    match rule.kind:
        case "superiority":
            return f"better than {against} by more than {margin}"
        case "non_inferiority":
            return f"worse than {against} by less than {margin}"
        case "equivalence":
            return f"within {margin} of {against}"
        case "regression":
            older = f"condition '{rule.older}' of the last release" if rule.older else "in the last release"
            return f"worse than {older} by less than {margin}"
        case "pareto":
            return f"better than {against}, so that it does not dominate"
        case "range":
            return f"interval between {number(bounds.at_least or 0.0)} and {number(bounds.at_most or 0.0)}"
        case "proportion":
            side, value = ("at least", bounds.at_least) if bounds.at_least is not None else ("at most", bounds.at_most)
            return f"{side} {number(value or 0.0)} in a share of seeds above {number(rule.share or 0.0)}"
        case "qualified":
            return f"better than {against} by at least {number(bounds.at_least or 0.0)} times its reseed noise"
    stated = (
        ("lower bound at least", bounds.at_least),
        ("upper bound at most", bounds.at_most),
        ("every unit at least", bounds.worst_at_least),
        ("every unit at most", bounds.worst_at_most),
    )
    return " and ".join(f"{words} {number(value)}" for words, value in stated if value is not None)
