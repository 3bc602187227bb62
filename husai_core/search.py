"""A search: a swept dictionary measured on seeds of its own, so that its best point can be trained on fresh ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from husai_core.errors import UsageError, did_you_mean
from husai_core.evidence import Scalar
from husai_core.sweep import Point

DEFAULT_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Quantity:
    """What is looked at: a metric of a benchmark at one setting."""

    benchmark: str
    metric: str
    setting: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Constraint:
    """What a point must meet to be chosen, each part judged on the bound that makes it harder."""

    quantity: Quantity
    at_least: float | None = None
    at_most: float | None = None
    drop_at_most: float | None = None
    reference: str | None = None  # the point of the same search that a drop is counted from


@dataclass(frozen=True)
class Search:
    """One `[[search]]` table. `over` is a control whose far bound is taken off the score."""

    index: int
    name: str
    seeds: tuple[int, ...]
    criterion: Quantity
    prefer: str | None
    over: str | None
    confidence: float
    constraints: tuple[Constraint, ...]
    points: tuple[Point, ...]

    @property
    def quantities(self) -> list[Quantity]:
        """Everything that is looked at, the criterion first."""
        return [self.criterion, *(constraint.quantity for constraint in self.constraints)]

    def shared_seeds(self, fresh: Collection[int]) -> list[int]:
        """The seeds that would both choose a point and confirm it."""
        return sorted(set(self.seeds) & set(fresh))


def searches_of(study: Mapping[str, Any], points: Sequence[Point]) -> list[Search]:
    """Every search of a study that fits its schema; a UsageError whose place is inside the study."""
    families: dict[str, list[Point]] = {}
    for point in points:
        families.setdefault(point.family, []).append(point)
    found: list[Search] = []
    searched: dict[str, str] = {}
    for index, table in enumerate(study.get("search", ())):
        place, name, sae = f"$.search[{index}]", table["name"], table["sae"]
        taken = {search.name for search in found} | families.keys() | {point.name for point in points}
        if name in taken:
            raise UsageError(f"{place}.name", f"the name '{name}' stands twice", "rename one")
        if sae not in families:
            raise UsageError(f"{place}.sae", f"no [[sae]] is called '{sae}'", did_you_mean(sae, families))
        if len(families[sae]) < 2:
            raise UsageError(f"{place}.sae", f"'{sae}' has one point, nothing to choose from", "give it a sweep")
        if sae in searched:
            raise UsageError(f"{place}.sae", f"'{sae}' is also searched by '{searched[sae]}'", "search it once")
        searched[sae] = name
        found.append(_search(index, table, families[sae]))
        _refuse_unknown_names(found[-1], study)
    return found


def _search(index: int, table: Mapping[str, Any], points: Sequence[Point]) -> Search:
    return Search(
        index=index,
        name=table["name"],
        seeds=tuple(table["seeds"]),
        criterion=_quantity(table),
        prefer=table.get("prefer"),
        over=table.get("over", {}).get("control"),
        confidence=float(table.get("confidence", DEFAULT_CONFIDENCE)),
        constraints=tuple(_constraint(entry) for entry in table.get("constraint", ())),
        points=tuple(points),
    )


def _quantity(table: Mapping[str, Any]) -> Quantity:
    return Quantity(table["benchmark"], table["metric"], table.get("setting", {}))


def _constraint(table: Mapping[str, Any]) -> Constraint:
    bounds = {key: float(table[key]) for key in ("at_least", "at_most", "drop_at_most") if key in table}
    return Constraint(_quantity(table), reference=table.get("reference"), **bounds)


def _refuse_unknown_names(search: Search, study: Mapping[str, Any]) -> None:
    """Names that lead nowhere in the study itself."""
    for place, name, known in _names(search, study):
        if name not in known:
            raise UsageError(place, f"the study has no '{name}'", did_you_mean(name, known))


def _names(search: Search, study: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    place = f"$.search[{search.index}]"
    benchmarks = [entry["name"] for entry in study["benchmark"]]
    yield f"{place}.benchmark", search.criterion.benchmark, benchmarks
    if search.over is not None:
        yield f"{place}.over.control", search.over, [entry["name"] for entry in study.get("control", ())]
    for number, constraint in enumerate(search.constraints):
        yield f"{place}.constraint[{number}].benchmark", constraint.quantity.benchmark, benchmarks
        if constraint.reference is not None:
            points = [point.name for point in search.points]
            yield f"{place}.constraint[{number}].reference", constraint.reference, points
