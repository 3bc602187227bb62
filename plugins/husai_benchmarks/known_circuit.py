"""Known circuit: is the Fourier structure of modular addition in the model, and do single latents have it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_benchmarks.fourier import best_share, chance_of_latents, chance_of_vectors, shares, waves
from husai_core import Benchmark, Coder, EvaluationError, Measurement, Observation, Task, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

NUMBERS = ("a", "b", "sum")  # of which the model labels every row
LATENT_DRAWS = 4096


@dataclass(frozen=True)
class KnownCircuitSettings:
    """How many frequencies may explain a model: a trained one uses about five. `chance_draws` are draws of noise."""

    frequencies: int = 5
    rows_per_slice: int = 4096
    chance_draws: int = 32

    def __post_init__(self) -> None:
        for name in ("frequencies", "rows_per_slice", "chance_draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


class KnownCircuit(Benchmark):
    name = "known_circuit"
    summary = "Share of variance that frequencies of a, b and a + b explain: of embedding, activations and latents."
    Settings = KnownCircuitSettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        import torch

        embedding = task.table("embedding")
        p = len(embedding)
        bases = {number: waves(task.label(number), p) for number in NUMBERS}
        if not len(task.test_in):
            raise EvaluationError(f"benchmark {self.name}", "there are no test rows", "give the corpus some")
        whole = waves(torch.arange(p), p)
        in_model = [({"of": "embedding", "by": "number"}, *self._vectors(embedding, whole, task))]
        for number, basis in bases.items():
            in_model.append(({"of": "activations", "by": number}, *self._vectors(task.test_in, basis, task)))
        chances = {number: chance_of_latents(basis, LATENT_DRAWS) for number, basis in bases.items()}
        for position, (condition, coders) in enumerate(task.conditions.items()):
            task.progress(position / len(task.conditions), f"known_circuit: {condition}")
            for setting, value, chance in in_model:
                same = tuple(Observation((coder.seed,), value) for coder in coders)
                yield Measurement("fourier_share", condition, same, setting, chance)
            for number, basis in bases.items():
                seen = tuple(Observation((c.seed,), self._latents(c, basis, condition, task)) for c in coders)
                yield Measurement("fourier_latents", condition, seen, {"by": number}, chances[number])
        task.progress(1.0, "known_circuit: done")

    def _vectors(self, values: Tensor, basis: Tensor, task: Task) -> tuple[float, float]:
        """The share of the best frequencies, and that of noise."""
        frequencies = task.settings.frequencies
        chance = chance_of_vectors(values.shape[1], basis, frequencies, task.settings.chance_draws)
        return best_share(values, basis, frequencies), chance

    def _latents(self, coder: Coder, basis: Tensor, condition: str, task: Task) -> float:
        """The mean over latents that vary of the share of their best frequency."""
        import torch

        with torch.no_grad():
            found = shares((coder.encode(x) for x in task.test_in.split(task.settings.rows_per_slice)), basis)
        varying = found.amax(0)[~found[0].isnan()]
        if not len(varying):
            place = f"benchmark {self.name}, {condition}, seed {coder.seed}"
            raise EvaluationError(place, "no latent varies on test rows", "look for a collapsed dictionary")
        return float(varying.mean())


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [KnownCircuit()]
