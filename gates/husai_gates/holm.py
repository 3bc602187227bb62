"""Holm's correction: p-values of several claims that are made together, adjusted so that none is false by luck."""

from __future__ import annotations

from collections.abc import Mapping


def adjusted(p_values: Mapping[str, float]) -> dict[str, float]:
    """The smallest familywise error at which each claim still stands; the k-th smallest p counts for those left."""
    found: dict[str, float] = {}
    largest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: (p_values[name], name))):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[name]))
        found[name] = largest
    return found
