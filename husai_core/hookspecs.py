"""Every hook of HUSAI. Each returns a sequence of objects, takes nothing, and has no side effect.

A plugin is a module named by an entry point of the group `husai`; one entry point per module, so that a missing
library disables one plugin and not its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from husai_core.benchmark import Benchmark
    from husai_core.control import AnyControl
    from husai_core.importer import Importer
    from husai_core.metric import Metric
    from husai_core.model import Model
    from husai_core.sae import Architecture
    from husai_core.texts import TextSource

PROJECT = "husai"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def husai_models() -> Sequence[Model]:  # type: ignore[empty-body]
    """Models whose activations a dictionary is trained on."""


@hookspec
def husai_architectures() -> Sequence[Architecture]:  # type: ignore[empty-body]
    """Families of sparse coders: how they start, encode, decode, and what they minimise."""


@hookspec
def husai_controls() -> Sequence[AnyControl]:  # type: ignore[empty-body]
    """Coders with a known expected score, made from a base coder and a seed."""


@hookspec
def husai_metrics() -> Sequence[Metric]:  # type: ignore[empty-body]
    """Quantities with unit, direction, bounds and chance level."""


@hookspec
def husai_texts() -> Sequence[TextSource]:  # type: ignore[empty-body]
    """Documents beside those a model brings, some with labels, for benchmarks that read them."""


@hookspec
def husai_benchmarks() -> Sequence[Benchmark]:  # type: ignore[empty-body]
    """Evaluators that measure a group of subjects and yield observations."""


@hookspec
def husai_importers() -> Sequence[Importer]:  # type: ignore[empty-body]
    """Readers of results that other programs wrote."""
