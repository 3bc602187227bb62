"""Stated summaries: what a producer concluded from its observations, recomputed. The gate never uses it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from husai_core.evidence import Evidence, RecordedMeasurement
from husai_gates.finding import Finding
from husai_gates.interval import TooFewUnits, interval, is_flat, mean
from husai_gates.plain_text import number

RELATIVE, ABSOLUTE = 1e-6, 1e-9
CONFIDENCE = 0.95  # of a stated interval that does not say its own
NARROWER = 1e-3  # relative; a stated interval may be rounded


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
        if "low" in stated:
            yield from _check_interval(path, place, measurement, stated)


def _check_interval(
    path: str, place: str, measurement: RecordedMeasurement, stated: Mapping[str, float]
) -> Iterator[Finding]:
    """An interval that contradicts itself, or that is narrower than seeds allow."""
    low, high, values = stated["low"], stated["high"], measurement.by_unit()
    if not low <= stated["mean"] <= high:
        rule = f"the interval {number(low)} to {number(high)} excludes its estimate"
        yield Finding("EV-CI-INCOHERENT", path, place, rule, "state a coherent interval, or none")
    elif low == high and not is_flat(values.values(), ()):
        rule = f"the interval has no width at {number(low)}, and the seeds differ"
        yield Finding("EV-CI-INCOHERENT", path, place, rule, "state a coherent interval, or none")
    else:
        confidence = stated.get("confidence", CONFIDENCE)
        try:
            ours = interval(values, confidence)
        except (TooFewUnits, ValueError) as error:
            rule = f"an interval is stated, and seeds give none: {error}"
        else:
            if high - low >= (1 - NARROWER) * (ours.high - ours.low):
                return
            rule = (
                f"the interval {number(low)} to {number(high)} is narrower than {number(ours.low)} to "
                f"{number(ours.high)}, which {ours.n} seeds give at {100 * confidence:g} % ({ours.method})"
            )
        yield Finding("EV-CI-METHOD", path, place, rule, "count seeds, not pairs or rows; use t, not z; or state none")
