"""HUSAI: decides whether a sparse autoencoder may be released, in a way a stranger can check.

Here is what most plugins need; what belongs to one kind of plugin alone is in the module of its noun.
"""

from typing import Any

from husai_core.benchmark import Benchmark, Task
from husai_core.control import Control
from husai_core.errors import EvaluationError, Skipped, UsageError
from husai_core.evidence import Measurement, Observation
from husai_core.hookspecs import hookimpl
from husai_core.metric import CoderMetric, Metric, MetricCard, PairMetric, Reconstruction, StreamMetric
from husai_core.model import Check, Corpus, Model
from husai_core.sae import Architecture, Batch, Coder, Dims, Traits
from husai_core.texts import TextSet, TextSource

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Batch",
    "Benchmark",
    "Check",
    "Coder",
    "CoderMetric",
    "Control",
    "Corpus",
    "Dims",
    "EvaluationError",
    "Measurement",
    "Metric",
    "MetricCard",
    "Model",
    "Observation",
    "PairMetric",
    "Reconstruction",
    "Skipped",
    "StreamMetric",
    "Task",
    "TextSet",
    "TextSource",
    "Traits",
    "UsageError",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    from husai_core.public import moved

    return moved(name)
