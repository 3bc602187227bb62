"""Needs: what would satisfy each rule of a policy, said without a bundle, and what no bundle could satisfy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from husai_core.errors import did_you_mean
from husai_gates.finding import Finding
from husai_gates.policy import CHANCE, LAST_RELEASE, OF_THESE, PARTS, Policy, Quantity, Rule, Who
from husai_gates.requirement import requirement
from husai_schemas import metric_cards

Card = Mapping[str, Any]
_MOST_NAMES = 3  # that are listed beside a name that nobody has


def needs(policy: Policy) -> str:
    """Every rule: what it asks, why, and what a study must hold so that it can be answered."""
    lines = [f"policy {policy.name} {policy.version}: {policy.purpose}", ""]
    for rule in policy.rules:
        lines += [
            rule.id,
            f"  asks      {rule.question}",
            f"  because   {rule.reason}",
            f"  holds if  {requirement(rule)}",
        ]
        lines += [f"  needs     {line}" for line in _needed(rule)]
        lines += [f"  may be    waived for up to {policy.waiver_days} days"] if rule.waivable else []
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _needed(rule: Rule) -> Iterator[str]:
    names = dict.fromkeys([rule.benchmark, *(q.benchmark for q in rule.quantities)])
    where = f" at the site '{rule.site}'" if rule.site else " at every site with such a dictionary"
    yield f"[[benchmark]] {', '.join(names)}{where}"
    for quantity in _quantities(rule):
        if quantity.setting:
            said = ", ".join(f"{key} = {value}" for key, value in sorted(quantity.setting.items()))
            yield f"{quantity.metric} measured at {said}"
    if rule.units in OF_THESE:
        yield f"{rule.subject}, observed in {rule.min_units} parts or more: documents, data sets, letters"
    else:
        yield f"{rule.subject}, trained with {rule.min_units} seeds or more"
    if rule.units == PARTS:
        yield "observations by document or data set, the same ones for every seed"
    if isinstance(rule.against, Who):
        of = {"control": f"[[control]] {rule.against.name}", "role": f"an [[sae]] with role '{rule.against.name}'"}
        yield of.get(rule.against.by, f"the condition '{rule.against.name}'") + ", measured on the same rows"
    elif rule.against == CHANCE:
        yield "a metric that states its chance level"
    elif rule.against == LAST_RELEASE:
        yield "the bundle of the last release, given as --baseline"


def impossible(policy: Policy) -> Iterator[Finding]:
    """What no bundle could satisfy: metrics asked for their bad side, and bounds beyond what a metric can be.

    A policy without a rule is satisfied by none either, for it evaluates nothing.
    Metrics that this version of HUSAI does not ship are not judged: a plugin may bring them.
    """
    cards = _cards()
    if not policy.rules:
        yield Finding("GATE-VACUOUS", "policy", "$.rule", "the policy has no rules", "add rules to it")
    for index, rule in enumerate(policy.rules):
        for quantity in _quantities(rule):
            if quantity.metric in cards:
                yield from _against_card(rule, quantity.metric, cards[quantity.metric], f"$.rule[{index}]")


def unknown_names(policy: Policy, known: Mapping[str, Collection[str]]) -> Iterator[tuple[str, str, str]]:
    """Names that nobody here has, as place, rule and next step; others may, so a caller says how grave that is.

    `known` has the installed names of "benchmark", "control" and "metric"; the metrics that HUSAI ships count as well.
    What was imported is called as its program called it, so it is not looked up.
    """
    every = {**known, "metric": {*known["metric"], *_cards()}}
    for index, rule in enumerate(policy.rules):
        for kind, name in dict.fromkeys(_names(rule)):
            if name not in every[kind]:
                says = f"{rule.id}: nobody here has a {kind} '{name}', so a plugin must bring it"
                yield f"$.rule[{index}]", says, did_you_mean(name, every[kind], _MOST_NAMES)


def _names(rule: Rule) -> Iterator[tuple[str, str]]:
    """What a rule calls by name, each with its kind."""
    if rule.source != "imported":
        yield "benchmark", rule.benchmark
    for quantity in _quantities(rule):
        if rule.source != "imported":
            yield "benchmark", quantity.benchmark
        yield "metric", quantity.metric
    for who in (rule.subject, rule.against):
        if isinstance(who, Who) and who.by == "control":
            yield "control", who.name


def _cards() -> Mapping[str, Card]:
    """The card of the newest version of every metric that husai ships."""
    return {name: versions[max(versions, key=int)] for name, versions in metric_cards().items()}


def _quantities(rule: Rule) -> tuple[Quantity, ...]:
    if rule.quantities or rule.metric is None:
        return rule.quantities
    return (Quantity(rule.benchmark, rule.metric, rule.setting),)


def _against_card(rule: Rule, metric: str, card: Card, place: str) -> Iterator[Finding]:
    direction = card["direction"]
    bounds = rule.bounds
    if rule.kind == "threshold":
        for key in ("at_least", "worst_at_least") if direction == "lower" else ("at_most", "worst_at_most"):
            if direction != "neither" and getattr(bounds, key) is not None:
                says = f"{metric} is better when {direction}, and {key} asks for its bad side"
                yield Finding("POL-DIRECTION", "policy", f"{place}.{key}", says, "turn the bound round")
    if rule.kind in ("superiority", "non_inferiority", "regression", "pareto") and direction == "neither":
        says = f"{metric} has no better side, so nothing can be better or worse in it"
        yield Finding("POL-DIRECTION", "policy", place, says, "use equivalence or range")
    if rule.kind not in ("threshold", "range"):
        return
    low, high = card["bounds"]
    for key in ("at_least", "worst_at_least"):
        value = getattr(bounds, key)
        if value is not None and high is not None and value > high:
            says = f"{metric} is at most {high}, so it is never at least {value}"
            yield Finding("POL-IMPOSSIBLE", "policy", f"{place}.{key}", says, "correct the number")
    for key in ("at_most", "worst_at_most"):
        value = getattr(bounds, key)
        if value is not None and low is not None and value < low:
            says = f"{metric} is at least {low}, so it is never at most {value}"
            yield Finding("POL-IMPOSSIBLE", "policy", f"{place}.{key}", says, "correct the number")
