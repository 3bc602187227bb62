"""Known circuit: is the Fourier structure of modular addition in the model, and do single latents have it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_benchmarks.fourier import best_share, chance_of_best, orders, shares, waves
from husai_core import Benchmark, Coder, EvaluationError, Measurement, Observation, Task, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

NUMBERS = ("a", "b", "sum")  # of which the model labels every row


@dataclass(frozen=True)
class KnownCircuitSettings:
    """How many frequencies may explain vectors: a trained model uses about five. `shuffles` of rows give the floor."""

    frequencies: int = 5
    shuffles: int = 16
    rows_per_slice: int = 4096

    def __post_init__(self) -> None:
        for name in ("frequencies", "shuffles", "rows_per_slice"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class _Seen:
    """What one coder shows of each number: the share, then the mean share of shuffled rows."""

    latents: Mapping[str, tuple[float, float]]
    output: Mapping[str, tuple[float, float]]


class KnownCircuit(Benchmark):
    name = "known_circuit"
    summary = "Share of variance that frequencies of a, b and a + b explain: of model, latents and output, with floors."
    Settings = KnownCircuitSettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        import torch

        embedding = task.table("embedding")
        p = len(embedding)
        bases = {number: waves(task.label(number), p) for number in NUMBERS}
        if not len(task.test_in):
            raise EvaluationError(f"benchmark {self.name}", "there are no test rows", "give the corpus some")
        learned = {("embedding", "number"): self._best(embedding, waves(torch.arange(p), p), task)}
        activations = self._activations(task.test_in, bases, task)
        for position, (condition, coders) in enumerate(task.conditions.items()):
            task.progress(position / len(task.conditions), f"known_circuit: {condition}")
            rows_in = task.own_rows(condition)[0]
            # Of another network only the rows are known: its embedding is not the one in the table.
            own = rows_in is not task.test_in
            in_model = self._activations(rows_in, bases, task) if own else learned | activations
            seen = {coder.seed: self._of(coder, rows_in, bases, condition, task) for coder in coders}
            for rows, floor in enumerate(({}, {"rows": "shuffled"})):
                for (of, by), values in in_model.items():
                    same = tuple(Observation((seed,), values[rows]) for seed in seen)
                    yield Measurement("fourier_model", condition, same, {"of": of, "by": by, **floor})
                for by in NUMBERS:
                    latents = tuple(Observation((seed,), one.latents[by][rows]) for seed, one in seen.items())
                    yield Measurement("fourier_latents", condition, latents, {"by": by, **floor})
                    output = tuple(Observation((seed,), one.output[by][rows]) for seed, one in seen.items())
                    yield Measurement("fourier_output", condition, output, {"by": by, **floor})
        task.progress(1.0, "known_circuit: done")

    def _activations(
        self, rows: Tensor, bases: Mapping[str, Tensor], task: Task
    ) -> dict[tuple[str, str], tuple[float, float]]:
        return {("activations", number): self._best(rows, basis, task) for number, basis in bases.items()}

    def _best(self, values: Tensor, basis: Tensor, task: Task) -> tuple[float, float]:
        """The share of the best few frequencies, and its mean over shuffles of the rows."""
        few = task.settings.frequencies
        return best_share(values, basis, few), chance_of_best(values, basis, few, task.settings.shuffles)

    def _of(self, coder: Coder, rows_in: Tensor, bases: Mapping[str, Tensor], condition: str, task: Task) -> _Seen:
        """One pass: latents are shared out slice by slice between frequencies of all numbers, and of shuffled rows."""
        import torch

        place = f"benchmark {self.name}, {condition}, seed {coder.seed}"
        (order,) = orders(len(rows_in), 1)
        written = []

        def encoded() -> Iterator[Tensor]:
            for rows in rows_in.split(task.settings.rows_per_slice):
                latents = coder.encode(rows)
                written.append(coder.decode(latents))
                yield latents

        with torch.no_grad():
            both = torch.cat([part for basis in bases.values() for part in (basis, basis[:, order])])
            found = shares(encoded(), both)
        varying = found[:, ~found[0].isnan()]
        if not varying.shape[1]:
            raise EvaluationError(place, "no latent varies on test rows", "look for a collapsed dictionary")
        best = [float(part.amax(0).mean()) for part in varying.chunk(2 * len(bases))]
        output = torch.cat(written)
        if not output.isfinite().all():
            raise EvaluationError(place, "it writes values that are not finite", "look for exploded weights")
        return _Seen(
            dict(zip(bases, zip(best[::2], best[1::2], strict=True), strict=True)),
            {number: self._best(output, basis, task) for number, basis in bases.items()},
        )


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [KnownCircuit()]
