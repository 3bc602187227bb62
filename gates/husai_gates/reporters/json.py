"""The decision as its canonical JSON: the same bytes as decision.json."""

from __future__ import annotations

from husai_gates.decision import Decision


def render(decision: Decision) -> str:
    """The canonical text."""
    return decision.to_bytes().decode()
