"""Needs: what something must find on this machine before it can run, and the command that brings it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from husai_core.errors import Skipped

__all__ = ["Kind", "Need", "require"]

Kind = Literal["plugin", "package", "interpreter", "program", "data", "settings", "key", "version", "disk", "memory"]


@dataclass(frozen=True)
class Need:
    """One of them. What has no `fix` cannot be brought; an `estimate` is said beforehand and stops no run."""

    kind: Kind
    what: str
    present: bool
    detail: str = ""  # where it was found, or why it is not there
    fix: str = ""
    estimate: bool = False

    def to_json(self) -> dict[str, object]:
        return dict(vars(self))


def require(needs: Iterable[Need], place: str) -> None:
    """Skip what cannot run here, with the first thing that is missing and the way out."""
    for need in needs:
        if not need.present and not need.estimate:
            raise Skipped(place, need.detail or f"needs '{need.what}'", need.fix)
