"""Copies: two seeds that agree in everything that could differ between them are one run that is shown as two."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

from husai_core.evidence import Evidence, RecordedMeasurement
from husai_gates.audit.median import median
from husai_gates.audit.paths import path_of
from husai_gates.audit.setting import setting_key
from husai_gates.condition import Condition
from husai_gates.finding import Finding

SAME = 1e-9  # relative: float32 sums of two training runs do not agree so far, and a copy with jitter does
CLOSE = 1e-4  # of the usual difference between two seeds; in three metrics at once no two runs are so close
MATCHES = ("pwmcc", "mcc")
ONE = 1 - 1e-6  # mean |cosine| of two dictionaries that are the same but for rounding

_AGAIN = "show a run of its own for every seed"

Key = tuple[str, str, str, str]
BySeed = dict[int, float]


def check_copies(evidence: Mapping[str, Evidence], conditions: Mapping[str, Condition]) -> Iterator[Finding]:
    """Pairs of seeds with the same values, or whose dictionaries match one another latent by latent."""
    values: dict[str, dict[Key, BySeed]] = {}
    for path, document in sorted(evidence.items()):
        for index, measurement in enumerate(document.measurements):
            condition = conditions.get(measurement.condition)
            if condition is None or condition.one_unit or not measurement.card.continuous:
                continue
            if measurement.card.name in MATCHES:
                yield from _check_matches(path, index, measurement)
            if by_seed := _telling(measurement):
                key = (path, measurement.card.name, measurement.card.version, setting_key(measurement.setting))
                values.setdefault(condition.name, {})[key] = by_seed
    for name, found in sorted(values.items()):
        seeds = sorted(set().union(*found.values()))
        usual = {key: _usual_difference(by_seed) for key, by_seed in found.items()}
        for one, other in itertools.combinations(seeds, 2):
            if _are_copies(one, other, found, usual):
                rule = f"every continuous value of seed {other} of '{name}' is that of seed {one} but for rounding"
                yield Finding("EV-DUP-UNIT", path_of(f"{name}.s{other}"), "$.seed", rule, _AGAIN)


def _check_matches(path: str, index: int, measurement: RecordedMeasurement) -> Iterator[Finding]:
    for unit, value in sorted(measurement.by_unit().items()):
        if len(unit) == 2 and value >= ONE:
            place = f"$.measurements[{index}].observations"
            rule = f"the dictionaries of seeds {list(unit)} of '{measurement.condition}' match one another at {value}"
            yield Finding("EV-DUP-UNIT", path, place, rule, _AGAIN)


def _telling(measurement: RecordedMeasurement) -> BySeed:
    """The values by seed of what depends on the run: whole numbers do not, nor does what hardly any seed differs in."""
    units = measurement.by_unit()
    if len(units) > 2 and len({f"{value:.6g}" for value in units.values()}) < 3:
        return {}
    return {unit[0]: value for unit, value in units.items() if len(unit) == 1 and not value.is_integer()}


def _usual_difference(by_seed: BySeed) -> float:
    pairs = itertools.combinations(by_seed.values(), 2)
    return median(abs(one - other) for one, other in pairs) if len(by_seed) > 2 else 0.0


def _are_copies(one: int, other: int, found: Mapping[Key, BySeed], usual: Mapping[Key, float]) -> bool:
    """Whether all values agree; a single exact agreement may be a coincidence of what is counted in few steps."""
    both = {key: (by[one], by[other]) for key, by in found.items() if one in by and other in by}
    if not both:
        return False
    if all(math.isclose(a, b, rel_tol=SAME, abs_tol=0.0) for a, b in both.values()):
        return len(both) > 1 or any(a != b for a, b in both.values())
    metrics = {key[1] for key in both}
    return len(metrics) > 2 and all(abs(a - b) <= CLOSE * usual[key] for key, (a, b) in both.items())
