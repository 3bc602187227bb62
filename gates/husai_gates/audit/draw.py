"""The draw: which units of the evidence are run again, by a seed that the producer could not know."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from husai_core.evidence import Evidence
from husai_gates.condition import Condition

_ROLES = ("candidate", "baseline", "control", "explored")


@dataclass(frozen=True, order=True)
class Unit:
    """One condition at one seed, or at one pair of seeds, of one piece of evidence."""

    path: str
    condition: str
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Draw:
    """`count` of the units that could be run again (`of`), by the auditor's seed."""

    units: tuple[Unit, ...]
    of: int
    seed: int
    left_out: tuple[str, ...]

    def conditions(self) -> dict[str, frozenset[str]]:
        """The drawn conditions by the path of their evidence."""
        found: dict[str, set[str]] = {}
        for unit in self.units:
            found.setdefault(unit.path, set()).add(unit.condition)
        return {path: frozenset(names) for path, names in sorted(found.items())}


def draw(
    evidence: Mapping[str, Evidence],
    conditions: Mapping[str, Condition],
    content_digest: str,
    count: int,
    seed: int,
    reaching_out: Mapping[str, str],
) -> Draw:
    """Every benchmark has its turn before any has a second one: of the candidates first, of baselines, of controls.

    Within a turn, and among the units of one benchmark and role, the digest of seed and bundle decides. Benchmarks that
    reach out (by name, with what they do) are left out and said to be.
    """

    def order(*parts: object) -> str:
        return hashlib.sha256("\n".join(map(str, (seed, content_digest, *parts))).encode()).hexdigest()

    turns: dict[tuple[str, str], list[Unit]] = {}
    for unit in _units(evidence, reaching_out):
        turns.setdefault((conditions[unit.condition].role, unit.path), []).append(unit)
    ranked = [
        ((number, _ROLES.index(role), order(path)), unit)
        for (role, path), units in turns.items()
        for number, unit in enumerate(sorted(units, key=lambda u: order(u.path, u.condition, u.seeds)))
    ]
    chosen = heapq.nsmallest(count, ranked)
    left_out = [
        f"{path}: its settings make it reach out of this machine ({reaching_out[document.benchmark.name]})"
        for path, document in sorted(evidence.items())
        if document.benchmark.name in reaching_out
    ]
    return Draw(tuple(unit for _, unit in chosen), len(ranked), seed, tuple(left_out))


def _units(evidence: Mapping[str, Evidence], without: Collection[str]) -> Iterator[Unit]:
    for path, document in sorted(evidence.items()):
        if document.outcome.status == "completed" and document.benchmark.name not in without:
            seen = {(m.condition, unit) for m in document.measurements for unit in m.by_unit()}
            yield from (Unit(path, condition, seeds) for condition, seeds in sorted(seen))
