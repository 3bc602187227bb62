"""A contest: the condition that several bounds at once speak for, and how surely whatever weights they are given.

Every bound is the end of an interval that is against its condition. A condition that fails a rule cannot be chosen, so
the contenders are those that fail none and are dominated by no other such. Among them each bound is put between 0, the
worst contender, and 1, the best, and the largest weighted mean is chosen. Of equal ones the digest of the weights
decides: it means nothing, and nobody can name a condition so that it wins. Numbers are taken as the decimals they are
written as and computed without rounding: the unit of a metric, the order of conditions, what is dominated, and the
machine change nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from operator import mul
from typing import Any

from husai_gates.dominance import dominates

DRAWS = 4096
STREAM = "sha256 of 'husai:choice/v1 N', N from 0, in words of 32 bits: spacings of sorted words"
"""Weights that are uniform over all weights with one sum, drawn in whole numbers, so that no machine draws others."""

_WORD_BYTES = 4
_WORD = 2 ** (8 * _WORD_BYTES)


@dataclass(frozen=True)
class Entrant:
    """A condition by its label: its bounds, one per objective and turned so that more is better, and its standing.

    `lot` decides between equal ones.
    """

    label: str
    bounds: tuple[Fraction, ...]
    fails: bool
    lot: str


@dataclass(frozen=True)
class Contest:
    """The entrants by label, and one weight per objective."""

    weights: tuple[Fraction, ...]
    entrants: tuple[Entrant, ...]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Contest:
        """The contest that a choice document states; nothing that it says to follow from it is looked at."""
        ends = [("low", 1) if o["direction"] == "higher" else ("high", -1) for o in document["objectives"]]
        entrants = [
            Entrant(
                compared["label"],
                tuple(sign * exact(found[end]) for (end, sign), found in zip(ends, compared["intervals"], strict=True)),
                bool(compared["fails"]),
                min(compared["weights"]),
            )
            for compared in document["compared"]
        ]
        weights = tuple(exact(objective["weight"]) for objective in document["objectives"])
        return cls(weights, tuple(sorted(entrants, key=lambda e: e.label)))

    @cached_property
    def front(self) -> list[Entrant]:
        """The entrants that none dominates, whatever rules they fail."""
        return _undominated(self.entrants)

    @cached_property
    def contenders(self) -> list[Entrant]:
        """Those that may be chosen, by lot: they fail no rule, and nothing that fails none dominates them."""
        able = _undominated([e for e in self.entrants if not e.fails])
        return sorted(able, key=lambda e: (e.lot, e.label))

    @property
    def scores(self) -> dict[str, Fraction]:
        """Of every contender, between 0 and 1, in the order of the lot."""
        total = sum(self.weights, Fraction(0))
        weighed = [
            sum((w * value for w, value in zip(self.weights, of, strict=True)), Fraction(0)) for of in self._normal
        ]
        return {e.label: score / total for e, score in zip(self.contenders, weighed, strict=True)}

    @property
    def chosen(self) -> str | None:
        """The contender of the highest score, of equal ones by lot. None where every entrant fails."""
        return self._chosen(self.weights) if self.contenders else None

    def result(self) -> dict[str, Any]:
        """Who stands where, and who is chosen, as the document says it."""
        scores = self.scores
        ranked = sorted(scores, key=lambda label: -scores[label])  # of equal ones by lot, as they come
        return {
            "front": [e.label for e in self.front],
            "dominated": [
                {"label": e.label, "by": next(f.label for f in self.front if dominates(f.bounds, e.bounds))}
                for e in self.entrants
                if e not in self.front
            ],
            "contenders": [{"label": label, "score": rounded(scores[label])} for label in ranked],
            "chosen": self.chosen,
            "equal": [label for label in ranked[1:] if scores[label] == scores[ranked[0]]],
        }

    def sensitivity(self) -> dict[str, Any] | None:
        """How the choice depends on the weights; of no choice there is nothing to say."""
        if not self.contenders:
            return None
        return {
            "without": [
                {"objective": index, "chosen": contest.chosen}
                for index in range(len(self.weights))
                if (contest := self._without(index))
            ],
            "weights": {"stream": STREAM, "draws": DRAWS, "chosen": self._shares()},
            "nearest": self._nearest(),
        }

    @cached_property
    def _normal(self) -> list[list[Fraction]]:
        """Every bound of every contender between the worst, 0, and the best, 1; where all are equal, 1."""
        columns = []
        for column in zip(*(e.bounds for e in self.contenders), strict=True):
            low, high = min(column), max(column)
            columns.append([Fraction(1) if low == high else (value - low) / (high - low) for value in column])
        return [list(row) for row in zip(*columns, strict=True)]

    @cached_property
    def _scale(self) -> int:
        return math.lcm(*(value.denominator for row in self._normal for value in row))

    @cached_property
    def _standings(self) -> list[list[int]]:
        """The same in whole numbers, `_scale` times as large."""
        return [[int(value * self._scale) for value in row] for row in self._normal]

    def _chosen(self, weights: Sequence[Fraction] | Sequence[int]) -> str:
        scores = [sum(map(mul, weights, of)) for of in self._standings]
        return self.contenders[scores.index(max(scores))].label

    def _without(self, index: int) -> Contest | None:
        """The same contest without one of its objectives, if anything is left to weigh."""
        weights = self.weights[:index] + self.weights[index + 1 :]
        if not any(weights):
            return None
        entrants = [dataclasses.replace(e, bounds=e.bounds[:index] + e.bounds[index + 1 :]) for e in self.entrants]
        return Contest(weights, tuple(entrants))

    def _shares(self) -> list[dict[str, Any]]:
        """In how many of the drawn weights each contender is chosen."""
        counts = dict.fromkeys((e.label for e in self.contenders), 0)
        for weights in drawn(len(self.weights), DRAWS):
            counts[self._chosen(weights)] += 1
        return [{"label": label, "of_draws": count} for label, count in sorted(counts.items())]

    def _nearest(self) -> dict[str, Any] | None:
        """The weight that need change least, alone, for another contender to draw level; None where none can."""
        labels = [e.label for e in self.contenders]
        mine = self._standings[labels.index(self._chosen(self.weights))]
        found = []
        for lot, theirs in enumerate(self._standings):
            behind = sum(w * (a - b) for w, a, b in zip(self.weights, mine, theirs, strict=True))
            for index, (weight, a, b) in enumerate(zip(self.weights, mine, theirs, strict=True)):
                others = (*self.weights[:index], *self.weights[index + 1 :])
                if a != b and (to := weight - Fraction(behind) / (a - b)) >= 0 and any((to, *others)):
                    found.append((abs(to - weight), index, lot, weight, to))
        if not found:
            return None
        _, index, lot, weight, to = min(found)
        return {"objective": index, "from": rounded(weight), "to": rounded(to), "chosen": labels[lot]}


def _undominated(entrants: Sequence[Entrant]) -> list[Entrant]:
    return [e for e in entrants if not any(dominates(other.bounds, e.bounds) for other in entrants)]


def drawn(many: int, draws: int) -> Iterator[list[int]]:
    """So many vectors of weights, each uniform over all that have its sum."""
    words = _words()
    for _ in range(draws):
        cuts = [0, *sorted(itertools.islice(words, many - 1)), _WORD]
        yield [after - before for before, after in itertools.pairwise(cuts)]


def _words() -> Iterator[int]:
    for counter in itertools.count():
        block = hashlib.sha256(f"husai:choice/v1 {counter}".encode()).digest()
        for start in range(0, len(block), _WORD_BYTES):
            yield int.from_bytes(block[start : start + _WORD_BYTES], "big")


def exact(value: float) -> Fraction:
    """The decimal that a number is written as."""
    return Fraction(repr(value))


def rounded(value: Fraction | float) -> float:
    """Ten significant digits, as everywhere in a document."""
    return float(f"{float(value):.10g}")
