"""The choice of a search, from the evidence alone: every point scored by a bound, and the best that may be chosen.

A score is conservative: the end of the interval that is against the point, minus the end of its control's interval that
is against it too. Points are compared by ten significant digits; of equal ones the first in the study wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from husai_core import strict_json
from husai_core.evidence import Evidence, RecordedMeasurement
from husai_core.metric import MetricCard
from husai_core.search import Constraint, Quantity
from husai_gates.audit.plan import PlannedSearch
from husai_gates.audit.setting import setting_key
from husai_gates.interval import Interval, TooFewUnits, Unit, interval, is_flat, seeds_of

SELECTION_SCHEMA = "husai:selection/v1"

Values = Mapping[Unit, float]


class _Unscored(Exception):
    """Why a quantity of a point has no interval: a finding code."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True)
class Met:
    """One constraint on one point: the bounds it was judged on, and why it is not met, if it is not."""

    low: float | None
    high: float | None
    code: str  # RULE-HOLDS, RULE-FAILED, or why there is no interval

    def to_json(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "code": self.code}


@dataclass(frozen=True)
class ScoredPoint:
    """A point of the search: its score and bounds, or the code that says why it has none."""

    condition: str
    values: Mapping[str, Any]
    code: str
    score: float | None
    bounds: tuple[float, float] | None
    control: tuple[float, float] | None
    constraints: tuple[Met, ...]

    @property
    def eligible(self) -> bool:
        return self.score is not None and all(met.code == "RULE-HOLDS" for met in self.constraints)

    def to_json(self) -> dict[str, Any]:
        return {
            "condition": self.condition,
            "values": dict(self.values),
            "code": self.code,
            "score": self.score,
            "interval": _pair(self.bounds),
            "control_interval": _pair(self.control),
            "constraints": [met.to_json() for met in self.constraints],
            "eligible": self.eligible,
        }


@dataclass(frozen=True)
class Choice:
    """What a search found at a site."""

    planned: PlannedSearch
    direction: str | None
    points: tuple[ScoredPoint, ...]

    @property
    def ranked(self) -> list[ScoredPoint]:
        """The points that may be chosen, best first; of equal ones in the order of the study."""
        return sorted((p for p in self.points if p.eligible), key=lambda p: -(p.score or 0.0))

    @property
    def chosen(self) -> str | None:
        return self.ranked[0].condition if self.ranked else None

    @property
    def seeds_before(self) -> list[int]:
        """The seeds that it chose on."""
        return sorted(self.planned.search.seeds)

    def declaration(self) -> str:
        """One line for whoever reads a number of the confirmed condition."""
        search = self.planned.search
        return (
            f"chosen as {self.chosen} from {len(self.points)} on seeds {_listed(search.seeds)}, "
            f"confirmed on the fresh seeds {_listed(sorted(self.planned.seeds))}"
        )

    def to_json(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """The selection document; it holds no prose, so that whoever makes it from the same evidence gets its bytes."""
        search, ranked = self.planned.search, self.ranked
        paths = sorted({f"evidence/{q.benchmark}.{self.planned.name}.json" for q in search.quantities})
        return {
            "schema": SELECTION_SCHEMA,
            "name": self.planned.name,
            "site": self.planned.site,
            "seeds": {"search": sorted(search.seeds), "confirm": sorted(self.planned.seeds)},
            "criterion": {
                **_quantity(search.criterion),
                "direction": self.direction,
                "over": search.over,
                "confidence": search.confidence,
            },
            "constraints": [_constraint(c, self.planned.site) for c in search.constraints],
            "evidence": [{"path": p, "digest": strict_json.digest(files[p])} for p in paths if p in files],
            "points": [point.to_json() for point in self.points],
            "chosen": self.chosen,
            "because": {
                "compared": len(self.points),
                "eligible": len(ranked),
                "score": ranked[0].score if ranked else None,
                "next_score": ranked[1].score if len(ranked) > 1 else None,
                "equal": [p.condition for p in ranked[1:] if p.score == ranked[0].score],
            },
        }


def choose(planned: PlannedSearch, evidence: Mapping[str, Evidence]) -> Choice:
    """The choice that the evidence of a search gives. Nothing in it raises: what cannot be scored is not chosen."""
    looked_at = _Looked(planned, evidence)
    points = tuple(_scored(name, planned, looked_at) for name in planned.points)
    return Choice(planned, looked_at.direction(planned.search.criterion), points)


def _scored(name: str, planned: PlannedSearch, looked_at: _Looked) -> ScoredPoint:
    search = planned.search
    bounds = control = score = None
    code = "RULE-HOLDS"
    try:
        found = looked_at.interval(name, search.criterion)
        direction = looked_at.direction(search.criterion)
        bounds = _ends(found)
        floor, ceiling = 0.0, 0.0
        if search.over:
            control = _ends(looked_at.interval(f"{name}.{search.over}", search.criterion, flat=True))
            floor, ceiling = control
        score = _rounded(bounds[0] - ceiling if direction == "higher" else floor - bounds[1])
    except _Unscored as stop:
        code = stop.code
    met = tuple(_met(name, constraint, planned, looked_at) for constraint in search.constraints)
    return ScoredPoint(name, planned.points[name].values, code, score, bounds, control, met)


def _met(name: str, constraint: Constraint, planned: PlannedSearch, looked_at: _Looked) -> Met:
    low = high = None
    try:
        holds = True
        if constraint.at_least is not None or constraint.at_most is not None:
            low, high = _ends(looked_at.interval(name, constraint.quantity))
            holds = (constraint.at_least is None or low >= constraint.at_least) and (
                constraint.at_most is None or high <= constraint.at_most
            )
        reference = f"{planned.site}.{constraint.reference}"
        if constraint.drop_at_most is not None and name != reference:
            low, high = _ends(looked_at.drop(name, reference, constraint.quantity))
            holds = holds and high <= constraint.drop_at_most
    except _Unscored as stop:
        return Met(None, None, stop.code)
    return Met(low, high, "RULE-HOLDS" if holds else "RULE-FAILED")


class _Looked:
    """What was measured at the site of a search, asked for by condition and quantity."""

    def __init__(self, planned: PlannedSearch, evidence: Mapping[str, Evidence]) -> None:
        self._search = planned.search
        self._found: dict[tuple[str, str, str, str], list[RecordedMeasurement]] = {}
        self._failed = {d.benchmark.name for d in _of_search(planned, evidence) if d.outcome.status != "completed"}
        for document in _of_search(planned, evidence):
            for m in document.measurements:
                key = (m.condition, document.benchmark.name, m.card.name, setting_key(m.setting))
                self._found.setdefault(key, []).append(m)

    def direction(self, quantity: Quantity) -> str | None:
        """The better side of a metric: its card's, or the one the search prefers where the card has none."""
        asked = (quantity.benchmark, quantity.metric, setting_key(quantity.setting))
        cards = [found[0].card for key, found in self._found.items() if key[1:] == asked]
        direction = cards[0].direction if cards else None
        return (
            (self._search.prefer if quantity == self._search.criterion else None)
            if direction == "neither"
            else direction
        )

    def interval(self, condition: str, quantity: Quantity, *, flat: bool = False) -> Interval:
        """The interval of a quantity; values of a point without spread show nothing, those of a control may."""
        card, values = self._values(condition, quantity)
        if self.direction(quantity) is None and quantity == self._search.criterion:
            raise _Unscored("POL-DIRECTION")
        return self._interval(card, values, list(values.values()), flat)

    def drop(self, condition: str, reference: str, quantity: Quantity) -> Interval:
        """By how much the point is worse than the reference, unit by unit."""
        card, mine = self._values(condition, quantity)
        _, theirs = self._values(reference, quantity)
        if card.direction == "neither":
            raise _Unscored("POL-DIRECTION")
        if mine.keys() != theirs.keys():
            raise _Unscored("CMP-UNITS")
        sign = -1 if card.direction == "lower" else 1
        raw = [*mine.values(), *theirs.values()]
        return self._interval(card, {unit: sign * (theirs[unit] - value) for unit, value in mine.items()}, raw, False)

    def _values(self, condition: str, quantity: Quantity) -> tuple[MetricCard, Values]:
        if quantity.benchmark in self._failed:
            raise _Unscored("EV-FAILED")
        key = (condition, quantity.benchmark, quantity.metric, setting_key(quantity.setting))
        found = self._found.get(key, [])
        if len(found) != 1:
            raise _Unscored("EV-DUP-MEASUREMENT" if found else "EV-ABSENT")
        values = found[0].by_unit()
        if seeds_of(values) != sorted(self._search.seeds):
            raise _Unscored("EV-SEEDS-MISSING")
        return found[0].card, values

    def _interval(self, card: MetricCard, values: Values, raw: list[float], flat: bool) -> Interval:
        if card.continuous and not flat and is_flat(values.values(), raw):
            raise _Unscored("EV-ZERO-WIDTH")
        try:
            return interval(values, self._search.confidence)
        except TooFewUnits:
            raise _Unscored("EV-UNITS") from None
        except ValueError:
            raise _Unscored("EV-UNIT-SET") from None
        except ArithmeticError:
            raise _Unscored("EV-RANGE") from None


def _of_search(planned: PlannedSearch, evidence: Mapping[str, Evidence]) -> list[Evidence]:
    """The evidence of this search and no other: what was measured on fresh seeds must not choose."""
    paths = {f"evidence/{q.benchmark}.{planned.name}.json" for q in planned.search.quantities}
    return [document for path, document in sorted(evidence.items()) if path in paths]


def _quantity(quantity: Quantity) -> dict[str, Any]:
    return {"benchmark": quantity.benchmark, "metric": quantity.metric, "setting": dict(quantity.setting)}


def _constraint(constraint: Constraint, site: str) -> dict[str, Any]:
    reference = constraint.reference and f"{site}.{constraint.reference}"
    bounds = {key: getattr(constraint, key) for key in ("at_least", "at_most", "drop_at_most")}
    return {**_quantity(constraint.quantity), **bounds, "reference": reference}


def _ends(found: Interval) -> tuple[float, float]:
    return _rounded(found.low), _rounded(found.high)


def _rounded(value: float) -> float:
    """Ten significant digits: more would differ between two machines' mathematical libraries."""
    return float(f"{value:.10g}")


def _pair(bounds: tuple[float, float] | None) -> dict[str, float] | None:
    return None if bounds is None else {"low": bounds[0], "high": bounds[1]}


def _listed(seeds: Any) -> str:
    return ", ".join(map(str, seeds))
