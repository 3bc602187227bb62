"""Strictness: whether a policy asks for less than another one did, rule by rule and number by number.

What cannot be shown to be at least as strict counts as weakened: a rule that asks another question is one question
gone, even if the new one is harder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from husai_gates.finding import Finding
from husai_gates.plain_text import number
from husai_gates.policy import PARTS, SEEDS, Policy, Rule

_ASKED = (
    "kind", "benchmark", "metric", "setting", "site", "subject", "against", "older", "quantities", "paired", "share",
    "source",
)  # fmt: skip
"""What makes a rule the question that it is."""

_AT_LEAST_AS_LARGE = ("confidence", "min_units")
_KIND_OF_MARGIN = {
    "superiority": "less", "pareto": "less", "non_inferiority": "more", "equivalence": "more", "regression": "more",
}  # fmt: skip
"""Of which change of the margin a rule asks less."""


_ABOUT = {
    SEEDS: "seeds alone",
    PARTS: "other seeds and other parts",
    "parts": "these dictionaries on other parts",
    "shared_parts": "these dictionaries on the parts that both sides have",
}


def weakened(old: Policy, new: Policy) -> Iterator[Finding]:
    """A finding for everything in which the new policy may let through what the old one stopped."""
    if old.preregistered and not new.preregistered:
        yield _finding("$.preregistered", "the policy need no longer lie in the bundle before the run")
    if new.waiver_days > old.waiver_days:
        yield _finding("$.waiver_days", f"waivers lasted {old.waiver_days} days, and now {new.waiver_days}")
    rules = {rule.id: rule for rule in new.rules}
    for rule in old.rules:
        if rule.id in rules:
            yield from _rule(rule, rules[rule.id])
        else:
            yield _finding(f"$.rule.{rule.id}", "the rule is gone")
    families = {family.name: family for family in new.families}
    for family in old.families:
        found = families.get(family.name)
        if found and found.error > family.error:
            says = f"the error of the family was {number(family.error)}, is {number(found.error)}"
            yield _finding(f"$.family.{family.name}", says)
        for gone in {r.id for r in old.members(family.name)} - {r.id for r in new.members(family.name)}:
            says = f"'{gone}' is no longer judged together with the family '{family.name}'"
            yield _finding(f"$.rule.{gone}.family", says)


def _rule(old: Rule, new: Rule) -> Iterator[Finding]:
    place = f"$.rule.{old.id}"
    for key in _ASKED:
        one, other = getattr(old, key), getattr(new, key)
        if one != other:
            yield _finding(f"{place}.{key}", f"asked about {_words(one)}, asks about {_words(other)}")
    for key in _AT_LEAST_AS_LARGE:
        if getattr(new, key) < getattr(old, key):
            yield _finding(f"{place}.{key}", f"was {number(getattr(old, key))}, is {number(getattr(new, key))}")
    for key, asks in vars(old.bounds).items():
        yield from _bound(f"{place}.{key}", key, asks, getattr(new.bounds, key))
    worse = _KIND_OF_MARGIN.get(old.kind)
    if (worse == "less" and new.margin < old.margin) or (worse == "more" and new.margin > old.margin):
        yield _finding(f"{place}.margin", f"was {number(old.margin)}, is {number(new.margin)}")
    if old.units != new.units and not (old.units == SEEDS and new.units == PARTS):
        yield _finding(f"{place}.units", f"the claim was about {_ABOUT[old.units]}, and is about {_ABOUT[new.units]}")
    if old.exact and not new.exact:
        yield _finding(f"{place}.exact", "an exact p-value was asked for, and is not")
    if new.waivable and not old.waivable:
        yield _finding(f"{place}.waivable", "the rule could not be waived, and now can")
    lists = old.comparable is not None and new.comparable is not None
    if new.comparable != old.comparable and not (lists and set(old.comparable or ()) <= set(new.comparable or ())):
        says = f"compared only what is alike in {_words(old.comparable)}, now in {_words(new.comparable)}"
        yield _finding(f"{place}.comparable", says)
    for key, value in new.tolerance.items():
        if value > old.tolerance.get(key, 0.0):
            says = f"was {number(old.tolerance.get(key, 0.0))}, is {number(value)}"
            yield _finding(f"{place}.tolerance.{key}", says)
    if old.max_age_days is not None and (new.max_age_days is None or new.max_age_days > old.max_age_days):
        yield _finding(f"{place}.max_age_days", f"was {number(old.max_age_days)}, is {_words(new.max_age_days)}")


def _bound(place: str, key: str, old: float | None, new: float | None) -> Iterator[Finding]:
    if old is None:
        return
    if new is None:
        yield _finding(place, f"was {number(old)}, is gone")
    elif (new < old) if key.endswith("at_least") else (new > old):
        yield _finding(place, f"was {number(old)}, is {number(new)}")


def _words(value: Any) -> str:
    if value is None or value == () or value == {}:
        return "nothing said"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {one}" for key, one in sorted(value.items()))
    if isinstance(value, tuple):
        return ", ".join(map(_words, value))
    if isinstance(value, bool | str):
        return str(value)
    return number(value) if isinstance(value, int | float) else str(value)


def _finding(path: str, rule: str) -> Finding:
    step = "put it back, or have the change approved by who owns the policy, apart from the result it judges"
    return Finding("POL-WEAKENED", "policy", path, rule, step)
