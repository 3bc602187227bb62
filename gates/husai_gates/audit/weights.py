"""Shared weights: one dictionary is one dictionary, under whatever names it is shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from husai_core.evidence import Evidence, RecordedMeasurement
from husai_gates.audit.paths import path_of
from husai_gates.audit.setting import setting_key
from husai_gates.condition import Condition
from husai_gates.finding import Finding

RELATIVE, ABSOLUTE = 1e-9, 1e-12


def check_shared_weights(conditions: Mapping[str, Condition]) -> Iterator[Finding]:
    """One trained dictionary that is shown as two conditions."""
    seen: dict[str, tuple[str, str]] = {}
    for condition in conditions.values():
        for subject in condition.subjects:
            if subject.weights is None:
                continue
            if condition.control is not None or not (subject.pretrained or subject.budget["steps"]):
                continue  # what was never trained is its seed's start, which dictionaries of one form share
            owner, name = seen.setdefault(subject.weights, (condition.name, subject.name))
            if owner != condition.name:
                rule = f"the same weights as '{name}', shown as another condition"
                yield Finding("EV-DUP-UNIT", path_of(subject.name), "$.weights", rule)


def check_shared_values(evidence: Mapping[str, Evidence], conditions: Mapping[str, Condition]) -> Iterator[Finding]:
    """Controls that are their base, weight by weight, and were still measured to be something else."""
    values = {_key(d, m, m.condition): m.by_unit() for d in evidence.values() for m in d.measurements}
    for path, document in sorted(evidence.items()):
        for index, measurement in enumerate(document.measurements):
            condition = conditions.get(measurement.condition)
            base = conditions.get(condition.base) if condition and condition.control else None
            if condition is None or base is None:
                continue
            shared = _shared_seeds(condition, base)
            theirs = values.get(_key(document, measurement, base.name), {})
            for unit, value in measurement.by_unit().items():
                other = theirs.get(unit, value)
                if shared.issuperset(unit) and not math.isclose(value, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
                    rule = f"{value} at {list(unit)}; '{base.name}' has the same weights there, and {other}"
                    yield Finding("EV-DUP-UNIT", path, f"$.measurements[{index}].observations", rule)


def _shared_seeds(condition: Condition, base: Condition) -> frozenset[int]:
    theirs = {subject.seed: subject.weights for subject in base.subjects}
    return frozenset(s.seed for s in condition.subjects if s.weights and theirs.get(s.seed) == s.weights)


def _key(document: Evidence, measurement: RecordedMeasurement, condition: str) -> tuple[str, ...]:
    card = measurement.card
    what = (card.name, card.version, setting_key(measurement.setting))
    return document.benchmark.name, document.site, condition, *what
