"""Comparisons: whether the evidence shows what a sentence says of two numbers, beyond noise or in name only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from husai_core.errors import UsageError
from husai_gates.cannot_judge import CannotJudge
from husai_gates.claims.ledger import Claim, Comparison
from husai_gates.claims.reading import Reading, paired, require_confirmed, subtract
from husai_gates.claims.verdict import Status
from husai_gates.interval import Interval
from husai_gates.observe import Observed, estimate
from husai_gates.plain_text import number

# What a sentence says, and the relations that a claim may state for it.
_WORDS: Mapping[str, tuple[str, ...]] = {
    r"better than|outperforms?|superior to|beats?": ("better than",),
    r"worse than|inferior to": ("worse than",),
    r"(?:higher|greater|larger|more) than|exceeds?": ("higher than", "at least", "better than", "worse than"),
    r"(?:lower|less|smaller|fewer) than": ("lower than", "at most", "better than", "worse than"),
    r"(?:faster|slower|cheaper|quicker) than": ("higher than", "lower than", "better than", "worse than"),
    r"(?:the same|as (?:good|high|low)) as|equal to|equals": ("same as",),
}
_NOT = r"(?<!\btimes )(?<!\bno )(?<!\bnot )(?<!\bnever )(?<!\bnot any )"


def unstated(claim: Claim) -> str | None:
    """The words of a phrase that compare, where the claim states no such comparison."""
    kinds = {number.kind for number in claim.numbers.values()}
    if claim.phrase is None or kinds <= {"decision", "document"}:
        return None  # without a measurement, the comparison is one that a rule of the decision makes
    stated = {comparison.relation for comparison in claim.comparisons}
    for words, relations in _WORDS.items():
        found = re.search(rf"{_NOT}\b(?:{words})\b", claim.phrase.words, re.IGNORECASE)
        if found and not stated.intersection(relations):
            return found[0]
    return None


@dataclass(frozen=True)
class _Sides:
    """A number, and the number or the bound that it is held against."""

    one: Reading
    other: Reading | None
    bound: float

    @classmethod
    def of(cls, claim: Claim, comparison: Comparison, readings: Mapping[str, Reading]) -> _Sides:
        for name in (comparison.number, *([comparison.than] if isinstance(comparison.than, str) else [])):
            require_confirmed(readings[name])
        one = readings[comparison.number]
        if isinstance(comparison.than, float):
            return cls(one, None, comparison.than)
        other = readings[comparison.than]
        # The chance level of the very same measurement is a bound, and no second measurement.
        if claim.numbers[comparison.than].statistic == "chance" and one.beside == other.beside:
            return cls(one, None, other.number)
        return cls(one, other, 0.0)

    @cached_property
    def difference(self) -> float:
        """The first minus what it is held against; both must have been measured alike."""
        return subtract(self.one, self.other).number if self.other else self.one.number - self.bound

    def observed(self) -> Observed:
        """The difference unit by unit."""
        if self.other is None:
            observed = self.one.observed()
            return Observed(observed.located, {unit: v - self.bound for unit, v in observed.values.items()})
        if self.one.own and self.other.own and not self.one.summary and not self.other.summary:
            return paired(self.one.own, self.other.own)
        says = f"{self.one.says} and {self.other.says} have no common interval"
        raise CannotJudge("inconclusive", "EV-UNITS", says, "'nominal = true' claims no more than the two numbers")

    def interval(self, confidence: float) -> Interval:
        """The interval of the difference over seeds."""
        observed = self.observed()
        rule = self.one.measured.rule if self.one.measured else None
        assert rule is not None
        return estimate(rule, observed, confidence)

    def __str__(self) -> str:
        held = f"{self.other.says} is {number(self.other.number)}" if self.other else f"the bound is {self.bound:g}"
        return f"{self.one.says} is {number(self.one.number)}, {held}"


def compare(claim: Claim, comparison: Comparison, readings: Mapping[str, Reading]) -> tuple[Status, str, str]:
    """Status, words and next step. What cannot be compared is raised as CannotJudge."""
    sides = _Sides.of(claim, comparison, readings)
    difference = sides.difference
    if comparison.relation == "same as":
        return _same(comparison, sides)
    sign = _sign(claim, comparison, sides)
    if not _holds(sign * difference, comparison):
        turned = f"; {sides.one.better} is better" if "er than" in comparison.relation and sides.one.better else ""
        return "contradicted", f"not {comparison.relation}: {sides}{turned}", "correct the sentence"
    if comparison.nominal:
        return "supported", f"{comparison.relation}, nominally (noise is not considered): {sides}", ""
    found = sides.interval(comparison.confidence)
    if not _holds(found.low if sign > 0 else -found.high, comparison):
        says = f"{comparison.relation} only nominally, noise covers it: {sides}; {_words(found)}"
        return (
            "unsupported",
            says,
            "more seeds, or say that it is not resolved; 'nominal = true' claims the means alone",
        )
    observed = sides.observed()
    if observed.card.continuous and observed.flat:
        says = f"every unit says the same, so nothing shows the spread: {sides}"
        return "unsupported", says, "check that the seeds are different runs"
    return "supported", f"{comparison.relation}, beyond noise: {sides}; {_words(found)}", ""


def _holds(gain: float, comparison: Comparison) -> bool:
    """Whether a gain is on the side that the sentence says, by the margin if there is one."""
    return gain >= comparison.margin if comparison.relation.startswith("at ") else gain > comparison.margin


def _same(comparison: Comparison, sides: _Sides) -> tuple[Status, str, str]:
    """Two one-sided tests, each at error 1 - confidence: the interval of 2 confidence - 1 lies inside the margin."""
    margin = number(comparison.margin)
    if abs(sides.difference) > comparison.margin:
        return "contradicted", f"further apart than {margin}: {sides}", "correct the sentence"
    if comparison.nominal:
        return "supported", f"within {margin}, nominally (noise is not considered): {sides}", ""
    found = sides.interval(2 * comparison.confidence - 1)
    if -comparison.margin < found.low and found.high < comparison.margin:
        return "supported", f"within {margin}, beyond noise: {sides}; {_words(found)}", ""
    return "unsupported", f"not shown to be within {margin}: {sides}; {_words(found)}", "more seeds, or a wider margin"


def _sign(claim: Claim, comparison: Comparison, sides: _Sides) -> int:
    """Which way the difference must go; the metric's card says which side is better, never the claim."""
    if comparison.relation in ("higher than", "at least"):
        return 1
    if comparison.relation in ("lower than", "at most"):
        return -1
    better = sides.one.better
    if better is None:
        place = claim.numbers[comparison.number].place
        raise UsageError(
            place, "nothing says which side is better", "set better = 'higher' or 'lower', or compare by size"
        )
    if better == "neither":
        says = f"{sides.one.says} has no better side"
        raise CannotJudge("error", "POL-DIRECTION", says, "compare by size: 'higher than' or 'lower than'")
    return 1 if (better == "higher") == (comparison.relation == "better than") else -1


def _words(found: Interval) -> str:
    bounds = f"{number(found.low)} to {number(found.high)}"
    return f"difference {number(found.estimate)}, {100 * found.confidence:g} % interval {bounds} from {found.n} seeds"
