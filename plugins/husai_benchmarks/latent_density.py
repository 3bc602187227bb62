"""Latent density: on which share of rows latents are active, as a histogram over powers of ten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_core import (
    Benchmark,
    Coder,
    EvaluationError,
    Measurement,
    Metric,
    MetricCard,
    Observation,
    Task,
    hookimpl,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LatentDensitySettings:
    """The histogram begins at 10^-`decades` and has `per_decade` bins in each decade; what is rarer is in the first.

    `rows_per_slice` is how many rows are held as latents at once; results do not depend on it.
    """

    decades: int = 5
    per_decade: int = 2
    rows_per_slice: int = 4096

    def __post_init__(self) -> None:
        for name in ("decades", "per_decade", "rows_per_slice"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


class LatentDensity(Metric):
    card = MetricCard(
        name="latent_density",
        version="1",
        unit="share of latents",
        direction="neither",
        definition="share of latents whose density, the share of test rows on which they are not zero, lies in one "
        "bin: from 10 to the power that the setting names up to the next one; the first bin also has what is rarer, "
        "the last also density 1, and no bin has the latents that are zero on every row",
        low=0.0,
        high=1.0,
        continuous=False,
    )


class LatentDensityBenchmark(Benchmark):
    name = "latent_density"
    summary = "The histogram of latent densities over powers of ten, one observation per seed and bin."
    Settings = LatentDensitySettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        chosen: LatentDensitySettings = task.settings
        if not len(task.test_in):
            raise EvaluationError(f"benchmark {self.name}", "there are no test rows", "give the corpus some")
        bins = [step / chosen.per_decade - chosen.decades for step in range(chosen.decades * chosen.per_decade)]
        total, done = sum(map(len, task.conditions.values())), 0
        for condition, coders in task.conditions.items():
            rows, _ = task.own_rows(condition)
            found: dict[int, list[float]] = {}
            for coder in coders:
                task.progress(done / total, f"{self.name}: {condition}, seed {coder.seed}")
                counts = active_rows(coder, rows, chosen.rows_per_slice)
                found[coder.seed] = shares(counts / len(rows), bins)
                done += 1
            for place, low in enumerate(bins):
                observed = tuple(Observation((seed,), values[place]) for seed, values in found.items())
                yield Measurement(LatentDensity.card.name, condition, observed, {"log10_density": low})
        task.progress(1.0, f"{self.name}: done")


def active_rows(coder: Coder, rows: Tensor, size: int) -> Tensor:
    """On how many rows each latent (d_sae) is not zero, in float64, which counts exactly."""
    import torch

    counts = torch.zeros(coder.dims.d_sae, dtype=torch.float64)
    with torch.no_grad():
        for x in rows.split(size):
            latents = coder.encode(x)
            if not bool(latents.isfinite().all()):
                raise EvaluationError(f"coder of seed {coder.seed}", "a latent is not finite", "train it again")
            counts += (latents != 0).sum(0)
    return counts


def shares(densities: Tensor, bins: Sequence[float]) -> list[float]:
    """The share of all latents in each bin; a latent that is never active is in none."""
    import torch

    alive = densities[densities > 0]
    edges = torch.tensor([10.0**low for low in bins[1:]], dtype=alive.dtype, device=alive.device)
    counts = torch.bucketize(alive, edges, right=True).bincount(minlength=len(bins))
    return [int(count) / len(densities) for count in counts]


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [LatentDensity()]


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [LatentDensityBenchmark()]
