"""HUSAI: decides whether a sparse autoencoder may be released, in a way a stranger can check."""

from husai_core.benchmark import Benchmark, Read, Task
from husai_core.control import AnyControl, Control, FittedControl, KnownControl, ModelControl, TrainedControl
from husai_core.errors import EvaluationError, ExitCode, HusaiError, InvalidEvidence, Skipped, UsageError
from husai_core.evidence import Measurement, Observation
from husai_core.external import External
from husai_core.hookspecs import hookimpl
from husai_core.metric import (
    ActivationPairMetric,
    CoderMetric,
    Metric,
    MetricCard,
    PairMetric,
    Reconstruction,
    StreamMetric,
)
from husai_core.model import Check, Corpus, Known, Model, Network, TrainedModel
from husai_core.need import Need, require
from husai_core.sae import Architecture, Batch, Coder, Dims, Traits
from husai_core.texts import TextPair, TextSet, TextSource
from husai_core.transcript import Exchange

__version__ = "0.1.0"

__all__ = [
    "ActivationPairMetric",
    "AnyControl",
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
    "Exchange",
    "ExitCode",
    "External",
    "FittedControl",
    "HusaiError",
    "InvalidEvidence",
    "Known",
    "KnownControl",
    "Measurement",
    "Metric",
    "MetricCard",
    "Model",
    "ModelControl",
    "Need",
    "Network",
    "Observation",
    "PairMetric",
    "Read",
    "Reconstruction",
    "Skipped",
    "StreamMetric",
    "Task",
    "TextPair",
    "TextSet",
    "TextSource",
    "TrainedControl",
    "TrainedModel",
    "Traits",
    "UsageError",
    "hookimpl",
    "require",
]
