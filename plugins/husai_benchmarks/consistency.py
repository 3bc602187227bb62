"""Consistency: how alike the dictionaries are that different seeds find, for every pair of seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from husai_core import Benchmark, Coder, EvaluationError, Measurement, Observation, PairMetric, Task, hookimpl
from husai_core.metric import ActivationPairMetric

if TYPE_CHECKING:
    from torch import Tensor

MEMORY = 2**30  # bytes that activation metrics hold at once; where all pairs need more, rows are read again


@dataclass(frozen=True)
class ConsistencySettings:
    """`activation_width`: the widest dictionary of which activation metrics are measured; 0 measures none.

    A pair's correlations take 8 x d_sae^2 bytes, half a GiB at the default; a wider dictionary is refused, never left
    out in silence. `rows_per_slice` is how many rows are held as latents of all seeds of a condition at once; results
    do not depend on it beyond rounding.
    """

    activation_width: int = 8192
    rows_per_slice: int = 1024

    def __post_init__(self) -> None:
        if self.activation_width < 0:
            raise ValueError(f"activation_width must not be negative, it is {self.activation_width}")
        if self.rows_per_slice < 1:
            raise ValueError(f"rows_per_slice must be at least 1, not {self.rows_per_slice}")


class Consistency(Benchmark):
    """The chance level of a pair metric is its closed form; the floor of an activation metric is measured.

    That is the measurement with the setting `rows = "shuffled"`: the second coder of each pair sees the rows in another
    order, so that all latents keep their own activations and only what they share on a row is lost.
    """

    name = "consistency"
    version = "2"
    summary = (
        "Every pair metric on all pairs of seeds of a condition, by dictionary and by activation, beside its chance."
    )
    Settings = ConsistencySettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        groups = {name: sorted(coders, key=lambda c: c.seed) for name, coders in task.conditions.items()}
        for condition, coders in groups.items():
            if len(coders) < 2:
                place = f"benchmark consistency, condition {condition}"
                raise EvaluationError(place, f"needs two seeds, has {len(coders)}", "train more seeds")
            self._refuse_too_wide(condition, max(c.dims.d_sae for c in coders), task)
        metrics = task.metrics_of_kind(PairMetric)
        steps = len(groups) * (len(metrics) + 1)
        for number, (condition, coders) in enumerate(groups.items()):
            for place, metric in enumerate(metrics):
                done = (number * (len(metrics) + 1) + place) / steps
                task.progress(done, f"consistency: {condition}, {metric.name}")
                yield self._of_dictionaries(metric, condition, coders)
            task.progress((number + 1) / len(groups) - 1 / steps, f"consistency: {condition}, activations")
            yield from self._of_activations(condition, coders, task)
        task.progress(1.0, "consistency: done")

    def _refuse_too_wide(self, condition: str, width: int, task: Task) -> None:
        """Before anything is measured, because dictionaries of this width take long."""
        allowed = task.settings.activation_width
        metrics = task.metrics_of_kind(ActivationPairMetric)
        if metrics and allowed and width > allowed:
            gigabytes = max(metric.bytes_held(width, width) for metric in metrics) / 1e9
            place = f"benchmark consistency, condition {condition}"
            rule = f"{width} latents are more than activation_width = {allowed}: a pair would take {gigabytes:.1f} GB"
            raise EvaluationError(place, rule, "set activation_width so wide, or to 0 for no activation metrics")

    def _of_dictionaries(self, metric: PairMetric, condition: str, coders: Sequence[Coder]) -> Measurement:
        import torch

        place = f"benchmark consistency, {metric.name} of {condition}"
        with torch.no_grad():
            prepared = []
            for coder in coders:
                directions = coder.dictionary()
                with _said_of(f"{place}, seed {coder.seed}"):
                    prepared.append((coder.seed, metric.prepare(directions)))
            observations = []
            for (a, first), (b, second) in combinations(prepared, 2):
                with _said_of(f"{place}, first seed {a}, second seed {b}"):
                    observations.append(_observation(metric.name, condition, (a, b), metric.compare(first, second)))
        dims = coders[0].dims
        return Measurement(metric.name, condition, tuple(observations), chance=metric.chance(dims.d_sae, dims.d_out))

    def _of_activations(self, condition: str, coders: Sequence[Coder], task: Task) -> Iterator[Measurement]:
        metrics = task.metrics_of_kind(ActivationPairMetric)
        if not metrics or not task.settings.activation_width:
            return
        rows = task.own_rows(condition)[0]
        if not len(rows):
            raise EvaluationError("benchmark consistency", "there are no test rows", "give the corpus some")
        pairs = list(combinations(range(len(coders)), 2))
        wanted = [_Wanted(m, *pair) for m in metrics for pair in pairs]
        wanted += [_Wanted(m, *pair, shuffled=True) for m in metrics for pair in pairs]
        values: dict[_Wanted, float] = {}
        for together in _in_memory(wanted, coders):
            values |= _values(together, coders, rows, task.settings.rows_per_slice)
        for metric, shuffled in product(metrics, (False, True)):
            observations = tuple(
                _observation(metric.name, condition, (coders[i].seed, coders[j].seed), value)
                for i, j in pairs
                for value in [values[_Wanted(metric, i, j, shuffled)]]
            )
            yield Measurement(metric.name, condition, observations, {"rows": "shuffled"} if shuffled else {})


@contextmanager
def _said_of(place: str) -> Iterator[None]:
    """A metric knows what is wrong with a dictionary, and not whose it is."""
    try:
        yield
    except ValueError as error:
        step = "leave such a latent out of its checkpoint, or name other 'sites' for this benchmark"
        raise EvaluationError(place, str(error), step) from error


@dataclass(frozen=True)
class _Wanted:
    """A metric of two of the coders, by their places; `shuffled`: the second one's rows are in another order."""

    metric: ActivationPairMetric
    first: int
    second: int
    shuffled: bool = False


def _in_memory(wanted: Sequence[_Wanted], coders: Sequence[Coder]) -> Iterator[list[_Wanted]]:
    """Those that one pass over the rows can accumulate together; at least one, however large."""
    together: list[_Wanted] = []
    held = 0
    for one in wanted:
        more = one.metric.bytes_held(coders[one.first].dims.d_sae, coders[one.second].dims.d_sae)
        if together and held + more > MEMORY:
            yield together
            together, held = [], 0
        together, held = [*together, one], held + more
    yield together


def _values(together: Sequence[_Wanted], coders: Sequence[Coder], rows: Tensor, size: int) -> dict[_Wanted, float]:
    """One pass over the rows: each coder reads a slice once, whatever the number of its pairs."""
    import torch

    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    states: dict[_Wanted, Any] = {}
    with torch.no_grad():
        for start in range(0, len(rows), size):
            straight = rows[start : start + size]
            shuffled = rows[order[start : start + size]]
            latents: dict[tuple[int, bool], Any] = {}
            for one in together:
                for key in ((one.first, False), (one.second, one.shuffled)):
                    if key not in latents:
                        latents[key] = coders[key[0]].encode(shuffled if key[1] else straight)
                pair = latents[one.first, False], latents[one.second, one.shuffled]
                states[one] = one.metric.update(states.get(one), *pair)
        return {one: one.metric.finish(states.pop(one)) for one in together}


def _observation(metric: str, condition: str, seeds: tuple[int, int], value: float) -> Observation:
    if not math.isfinite(value):
        place = f"benchmark consistency, {condition}, seeds {seeds}"
        raise EvaluationError(place, f"{metric} is {value}", "look for exploding weights")
    return Observation(seeds, value)


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [Consistency()]
