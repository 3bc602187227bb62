"""Where activations are read: a model, and the hook points that a sparse coder sits between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Hook", "Site", "hooks_of"]

Hook = str | tuple[str, ...]
"""A hook point, or several whose activations stand side by side on the last axis, in this order."""


def hooks_of(hook: Hook) -> tuple[str, ...]:
    """The hook points of one side of a site."""
    return (hook,) if isinstance(hook, str) else hook


@dataclass(frozen=True)
class Site:
    """One place in one model. `hook_out` differs from `hook_in` for a transcoder only."""

    name: str
    model: str
    hook_in: Hook
    hook_out: Hook
    model_seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
