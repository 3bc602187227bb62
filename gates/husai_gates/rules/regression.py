"""Regression: the condition is not worse than in the last release by the margin, with confidence."""

from __future__ import annotations

from husai_gates.rules.non_inferiority import judge

__all__ = ["judge"]
