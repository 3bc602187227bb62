"""A summary of a condition: one metric as mean and interval over seeds, for the tables and plots of a report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from husai_core.evidence import RecordedMeasurement
from husai_core.metric import MetricCard
from husai_gates.audit import AuditReport
from husai_gates.condition import Condition
from husai_gates.interval import TooFewUnits, interval, mean, seeds_of
from husai_gates.plain_text import number


@dataclass(frozen=True)
class Summary:
    """A mean with its interval, which is missing where there are too few seeds for one."""

    card: MetricCard
    mean: float
    bounds: tuple[float, float] | None
    seeds: int
    chance: float | None

    @property
    def low(self) -> float:
        return self.bounds[0] if self.bounds else float("-inf")

    @property
    def high(self) -> float:
        return self.bounds[1] if self.bounds else float("inf")

    def __str__(self) -> str:
        if self.bounds is None:
            return f"{number(self.mean)} (no interval)"
        return f"{number(self.mean)} ({number(self.low)} to {number(self.high)})"


def summary(measurement: RecordedMeasurement, confidence: float) -> Summary:
    """The numbers of one measurement."""
    values = measurement.by_unit()
    bounds = None
    try:
        found = interval(values, confidence)
        bounds = (found.low, found.high)
    except (TooFewUnits, ValueError, ArithmeticError):
        pass
    centre = mean([values[unit] for unit in sorted(values)])
    return Summary(measurement.card, centre, bounds, len(seeds_of(values)), measurement.chance)


def find(report: AuditReport, condition: Condition, metric: str, confidence: float) -> Summary | None:
    """The one measurement of a metric of a condition at no particular setting; None where there is none, or several."""
    found = [
        m
        for path, document in report.evidence.items()
        if document.site == condition.site
        for m in report.measurements.get((path, condition.name, metric), ())
        if not m.setting
    ]
    return summary(found[0], confidence) if len(found) == 1 else None


def dictionaries(report: AuditReport, site: str) -> Iterator[Condition]:
    """What was trained at a site to be looked at: no controls, and no points of a search, which have other seeds."""
    for condition in report.conditions.values():
        if condition.site == site and condition.role in ("candidate", "baseline"):
            yield condition
