"""What tests of HUSAI and its plugins stand on: contracts that a plugin proves, and a model that is ready at once."""

from husai_core.testing.architectures import architecture_contract
from husai_core.testing.benchmarks import benchmark_contract
from husai_core.testing.benchmarks.stage import Stage
from husai_core.testing.benchmarks.trial import Promises
from husai_core.testing.controls import control_contract
from husai_core.testing.importers import importer_contract
from husai_core.testing.metrics import metric_contract
from husai_core.testing.models import model_contract

__all__ = [
    "Promises",
    "Stage",
    "architecture_contract",
    "benchmark_contract",
    "control_contract",
    "importer_contract",
    "metric_contract",
    "model_contract",
]
