"""Copies: two seeds whose every continuous value is the same up to rounding are one run that is shown as two."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

from husai_core.evidence import Evidence
from husai_gates.audit.paths import path_of
from husai_gates.audit.setting import setting_key
from husai_gates.condition import Condition
from husai_gates.finding import Finding

SAME = 1e-9  # relative: float32 sums of two training runs do not agree so far, and a copy with jitter does

Key = tuple[str, str, str, str]
Values = dict[Key, float]


def check_copies(evidence: Mapping[str, Evidence], conditions: Mapping[str, Condition]) -> Iterator[Finding]:
    """Pairs of seeds that agree on everything that can differ. One exact agreement alone may be a coincidence."""
    for name, seeds in sorted(_by_seed(evidence).items()):
        condition = conditions.get(name)
        if condition is None or condition.one_unit:
            continue
        for one, other in itertools.combinations(sorted(seeds), 2):
            keys = seeds[one].keys() & seeds[other].keys()
            if keys and _are_copies([(seeds[one][key], seeds[other][key]) for key in sorted(keys)]):
                rule = f"every continuous value of seed {other} of '{name}' is that of seed {one} but for rounding"
                step = "show a run of its own for every seed"
                yield Finding("EV-DUP-UNIT", path_of(f"{name}.s{other}"), "$.seed", rule, step)


def _by_seed(evidence: Mapping[str, Evidence]) -> dict[str, dict[int, Values]]:
    """Of every condition and seed what was measured on a continuous scale and says something about a run."""
    found: dict[str, dict[int, Values]] = {}
    for path, document in evidence.items():
        for measurement in document.measurements:
            if not measurement.card.continuous:
                continue
            units = measurement.by_unit()
            key = (path, measurement.card.name, measurement.card.version, setting_key(measurement.setting))
            # Where hardly any seed differs from another, the metric does not depend on the run.
            distinct = {f"{value:.6g}" for value in units.values()}
            if len(units) > 2 and len(distinct) < 3:
                continue
            for unit, value in units.items():
                if len(unit) == 1 and not value.is_integer():
                    found.setdefault(measurement.condition, {}).setdefault(unit[0], {})[key] = value
    return found


def _are_copies(pairs: list[tuple[float, float]]) -> bool:
    if any(not math.isclose(one, other, rel_tol=SAME, abs_tol=0.0) for one, other in pairs):
        return False
    return len(pairs) > 1 or any(one != other for one, other in pairs)
