"""Times: when the run was, as it says itself. Only their order is judged: the gate reads no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from husai_core.bundle import PROVENANCE
from husai_gates.finding import Finding

ROUNDING = 2.0  # seconds; both times are written without fractions


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


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
