"""Times: when the run was, as it says itself. The audit judges their order; a clock is held against them only where
a bundle is read from a disk, and only to find a run that has not been yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from husai_core.bundle import PROVENANCE
from husai_gates.finding import Finding

ROUNDING = 2.0  # seconds; both times are written without fractions
TOLERANCE = timedelta(days=1)  # of one clock against another


def check_times(provenance: Mapping[str, Any] | None) -> Iterator[Finding]:
    """A run that ended before it began, took longer than it lasted, or says nothing about itself."""
    if provenance is None:
        yield Finding("EV-ABSENT", PROVENANCE, "$", "a bundle says how and when it was made", "add provenance.json")
        return
    try:
        started, finished = (_time(provenance[key]) for key in ("started", "finished"))
    except ValueError:
        yield Finding("EV-TIME", PROVENANCE, "$", "a time that no calendar has", "write UTC as 2026-01-31T12:00:00Z")
        return
    if finished < started:
        rule = f"finished {provenance['finished']}, before it started {provenance['started']}"
        yield Finding("EV-TIME", PROVENANCE, "$.finished", rule)
    lasted = (finished - started).total_seconds()
    if abs(provenance["seconds"] - lasted) > ROUNDING:
        rule = f"took {provenance['seconds']} seconds, and {lasted} passed from start to finish"
        yield Finding("EV-TIME", PROVENANCE, "$.seconds", rule)


def check_clock(provenance: Mapping[str, Any] | None, now: datetime) -> Iterator[Finding]:
    """A run that ends later than it is now, by more than two clocks differ."""
    try:
        finished = _time(provenance["finished"]) if provenance else None
    except ValueError:  # was reported by then
        return
    if finished and finished > now + TOLERANCE:
        rule = f"finished {finished:%Y-%m-%dT%H:%M:%SZ}, which has not been yet"
        yield Finding("EV-TIME", PROVENANCE, "$.finished", rule, "set the clock of the machine that ran it")


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
