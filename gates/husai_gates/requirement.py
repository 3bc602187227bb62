"""A requirement: what a rule asks for, in words, numbers included."""

from __future__ import annotations

from husai_gates.plain_text import number
from husai_gates.policy import Rule


def requirement(rule: Rule) -> str:
    """What must hold for the rule to pass on a condition."""
    if rule.kind == "present":
        return f"completed evidence of {rule.benchmark} for {rule.subject}, on every planned seed"
    confidence = rule.confidence if rule.kind != "equivalence" else 2 * rule.confidence - 1
    how = f"two-sided {100 * confidence:.6g} % interval, {rule.min_units} seeds or more"
    return f"{rule.metric} of {rule.subject}: {_relation(rule)} ({how})"


def _relation(rule: Rule) -> str:
    margin = number(rule.margin)
    match rule.kind:
        case "superiority":
            return f"better than {rule.against} by more than {margin}"
        case "non_inferiority":
            return f"worse than {rule.against} by less than {margin}"
        case "equivalence":
            return f"within {margin} of {rule.against}"
        case "qualified":
            return (
                f"better than {rule.against} by at least {number(rule.bounds.at_least or 0.0)} times its reseed noise"
            )
    bounds = rule.bounds
    stated = (
        ("lower bound at least", bounds.at_least),
        ("upper bound at most", bounds.at_most),
        ("every unit at least", bounds.worst_at_least),
        ("every unit at most", bounds.worst_at_most),
    )
    return " and ".join(f"{words} {number(value)}" for words, value in stated if value is not None)
