"""Stated summaries: what a producer concluded from its observations, recomputed. The gate never uses it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from husai_core.evidence import Evidence
from husai_gates.finding import Finding
from husai_gates.interval import mean
from husai_gates.plain_text import number

RELATIVE, ABSOLUTE = 1e-6, 1e-9


def check_stated(path: str, evidence: Evidence) -> Iterator[Finding]:
    """Stated means that the observations do not give, and stated intervals that contradict themselves."""
    for index, measurement in enumerate(evidence.measurements):
        stated = measurement.stated
        if not stated:
            continue
        place = f"$.measurements[{index}].stated"
        actual = mean(list(measurement.by_unit().values()))
        if not math.isclose(stated["mean"], actual, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
            rule = f"stated {number(stated['mean'])}, the observations give {number(actual)}"
            yield Finding("EV-RECOMPUTE", path, f"{place}.mean", rule, "state what the observations give, or nothing")
        if "low" in stated and not stated["low"] <= stated["mean"] <= stated["high"]:
            rule = f"the interval {number(stated['low'])} to {number(stated['high'])} excludes its estimate"
            yield Finding("EV-CI-INCOHERENT", path, place, rule, "state a coherent interval, or none")
