"""Holm's correction: p-values of several claims that are made together, adjusted so that none is false by luck."""

from __future__ import annotations

import itertools
from collections.abc import Mapping


def adjusted(p_values: Mapping[str, float]) -> dict[str, float]:
    """The smallest familywise error at which each claim still stands; the k-th smallest p counts for those left."""
    names = sorted(p_values, key=lambda name: (p_values[name], name))
    alone = (min(1.0, (len(names) - place) * p_values[name]) for place, name in enumerate(names))
    return dict(zip(names, itertools.accumulate(alone, max), strict=True))
