"""Where activations are read: a model, and the hook points that a sparse coder sits between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Site:
    """One place in one model. `hook_out` differs from `hook_in` for a transcoder only."""

    name: str
    model: str
    hook_in: str
    hook_out: str
    model_seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
