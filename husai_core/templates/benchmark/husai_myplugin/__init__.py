"""MyPlugin: how much of the clean activations a dictionary recovers from noisy ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from husai_core import Benchmark, Coder, Measurement, Metric, MetricCard, Observation, Task, hookimpl


@dataclass(frozen=True)
class MyPluginSettings:
    """`noise` is the standard deviation of what is added to a row, as a share of that of the rows."""

    noise: float = 0.2  # CHANGE THIS: whatever a study may choose, each with a default
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.noise < math.inf:
            raise ValueError(f"noise must be finite and not negative, not {self.noise}")


class MyPluginVariance(Metric):
    """What the benchmark yields. A metric that only this benchmark can compute has a card and no code."""

    card = MetricCard(
        name="myplugin_variance",
        version="1",  # raise it with the definition, and keep the old card in `former`
        unit="share of variance",
        direction="higher",
        definition="1 minus the squared error of what a coder makes of noisy rows, against the clean targets, over the "
        "squared distance of these to their mean",
        high=1.0,
        # CHANGE THIS to False if your values are counts or move in steps: of a continuous metric, one value on every
        # seed is taken for copied runs.
        continuous=True,
    )


class MyPlugin(Benchmark):
    name = "myplugin"
    version = "1"  # raise it when the same bundle would be measured otherwise
    summary = "How much of the variance of clean activations is recovered from noisy ones, an observation per seed."
    Settings = MyPluginSettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        """Every condition: dictionaries and their controls alike, each with a coder for every seed."""
        for done, (condition, coders) in enumerate(task.conditions.items()):
            task.progress(done / len(task.conditions), f"myplugin: {condition}")
            observations = tuple(Observation((coder.seed,), self.value(coder, task, condition)) for coder in coders)
            yield Measurement("myplugin_variance", condition, observations)

    def value(self, coder: Coder, task: Task, condition: str) -> float:
        """One number of one coder. Draw from a generator of your own: the global one belongs to nobody."""
        import torch

        x, y = task.own_rows(condition)  # held out from training; those of the site, unless a control has its own
        generator = torch.Generator().manual_seed(task.settings.seed)
        # CHANGE THIS: what you measure.
        noisy = x + task.settings.noise * x.std() * torch.randn(x.shape, generator=generator, dtype=x.dtype)
        with torch.no_grad():
            output = coder.reconstruct(noisy, coder.encode(noisy))
            target = coder.target(x, y).double()
        missed = (target - output).square().sum() / (target - target.mean(0)).square().sum()
        return 1 - float(missed)


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [MyPluginVariance()]


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [MyPlugin()]
