"""What HUSAI promises to keep: the modules whose `__all__` is public, and where a name went that moved.

docs/stability.md is the promise; a test freezes the names.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

MODULES = (
    "husai_core",
    "husai_core.benchmark",
    "husai_core.control",
    "husai_core.data_source",
    "husai_core.errors",
    "husai_core.evidence",
    "husai_core.external",
    "husai_core.importer",
    "husai_core.interchange",
    "husai_core.kernels",
    "husai_core.metric",
    "husai_core.model",
    "husai_core.need",
    "husai_core.sae",
    "husai_core.site",
    "husai_core.strict_json",
    "husai_core.testing",
    "husai_core.texts",
    "husai_core.transcript",
)

MOVED = {
    "ActivationPairMetric": "husai_core.metric",
    "AnyControl": "husai_core.control",
    "Exchange": "husai_core.transcript",
    "ExitCode": "husai_core.errors",
    "External": "husai_core.external",
    "FittedControl": "husai_core.control",
    "HusaiError": "husai_core.errors",
    "InvalidEvidence": "husai_core.errors",
    "Known": "husai_core.model",
    "KnownControl": "husai_core.control",
    "ModelControl": "husai_core.control",
    "Need": "husai_core.need",
    "Network": "husai_core.model",
    "Read": "husai_core.benchmark",
    "TextPair": "husai_core.texts",
    "TrainedControl": "husai_core.control",
    "TrainedModel": "husai_core.model",
    "require": "husai_core.need",
}
"""Names that `husai_core` itself had, and where they are now; they answer at their old place until husai 0.2."""


def moved(name: str) -> Any:
    """The object of a name that moved out of `husai_core`, with a warning that says where it is now."""
    if name not in MOVED:
        raise AttributeError(f"module 'husai_core' has no attribute {name!r}")
    text = f"husai_core.{name} is {MOVED[name]}.{name} now; at its old place it goes with husai 0.2"
    warnings.warn(text, DeprecationWarning, stacklevel=3)
    return getattr(importlib.import_module(MOVED[name]), name)
