"""Recovery: how close the dictionary comes to each of the directions that the model is known to be made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from acme_sparse.directions import unit
from husai_core import (
    Benchmark,
    EvaluationError,
    Measurement,
    Metric,
    MetricCard,
    Observation,
    Task,
    hookimpl,
)


@dataclass(frozen=True)
class RecoverySettings:
    """`table` is the name under which the model gives its directions."""

    table: str = "features"


class Recovery(Metric):
    card = MetricCard(
        name="acme_recovery_cosine",
        version="1",
        unit="cosine",
        direction="higher",
        definition="largest cosine of any decoder row with a true direction; a part for each direction",
        low=-1.0,
        high=1.0,
    )


class RecoveryBenchmark(Benchmark):
    name = "acme_recovery"
    summary = "The nearest decoder row to each true direction; skipped where the model knows none."
    Settings = RecoverySettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        true = unit(task.table(task.settings.table).double())
        for condition, coders in task.conditions.items():
            seen = []
            for coder in coders:
                rows = unit(coder.dictionary().double())
                if rows.shape[-1] != true.shape[-1]:
                    rule = f"rows are {rows.shape[-1]} wide, the true directions {true.shape[-1]}"
                    raise EvaluationError(f"benchmark {self.name}, {condition}", rule, "choose a site that is the sum")
                best = (true @ rows.T).amax(-1).clamp(-1.0, 1.0).tolist()
                seen += [Observation((coder.seed,), value, f"direction{n}") for n, value in enumerate(best)]
            yield Measurement("acme_recovery_cosine", condition, tuple(seen))


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [Recovery()]


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [RecoveryBenchmark()]
