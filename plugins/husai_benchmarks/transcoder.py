"""Transcoder: how transcoders and the SAEs they are matched with reconstruct one output, and agree over seeds.

At a site with `hook_in = [A, B]` and `hook_out = B` both kinds stand side by side: a transcoder reads A, an SAE reads
B, both write B. Every seed is an observation, so that a rule can ask for `superiority` or `non_inferiority` of a
transcoder over its SAE, in pairs of one seed. At a site that does not read what it writes there are transcoders alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from husai_benchmarks.affine_map import FOLDS, cross_fitted_residuals
from husai_benchmarks.consistency import Consistency, ConsistencySettings
from husai_benchmarks.reconstruction import ReconstructionBenchmark, ReconstructionSettings
from husai_core import (
    Benchmark,
    Coder,
    EvaluationError,
    Measurement,
    Metric,
    MetricCard,
    Observation,
    PairMetric,
    Skipped,
    StreamMetric,
    Task,
    hookimpl,
)
from husai_core.evidence import Scalar
from husai_core.model import Progress
from husai_core.site import hooks_of

LOOKED_AT = 256  # rows that show which columns a dictionary reads
FITTED_ROWS = 16_384  # of which an affine map is fitted and judged; of more rows, every second, third, ...
OUTPUT_METRIC = "explained_variance"


class ExplainedBeyondAffine(Metric):
    card = MetricCard(
        name="explained_beyond_affine",
        version="1",
        unit="share of squared residuals",
        direction="higher",
        definition="1 - sum of squared residuals / that of a ridge regression of what the site writes on what a "
        "transcoder there reads, fitted to other test rows; below 0 a dense affine map does better",
        high=1.0,
    )


@dataclass(frozen=True)
class TranscoderSettings:
    """Nothing to choose."""


class TranscoderBenchmark(Benchmark):
    """A dictionary with `k` active latents is measured at the setting `k`: a rule that names it compares equals only.

    What a dictionary reads is seen by changing the rest. One that reads what is to be written and something else, too,
    is neither transcoder nor SAE and is refused.
    """

    name = "transcoder"
    summary = "Reconstruction of the output and consistency of transcoders and of the SAEs matched with them."
    Settings = TranscoderSettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        task = replace(task, conditions=_measurable(task))
        beside = _columns_beside_output(task)
        for condition, coders in task.conditions.items():
            for coder in coders:
                _refuse_reading_both(coder, condition, task, beside)
        task.progress(0.1, "transcoder: an affine map")
        left = {name: _left_by_affine(task, name, beside) for name in task.conditions if name in task.own}
        shared = _left_by_affine(task, "", beside)
        of_output = [metric for metric in task.metrics_of_kind(StreamMetric) if metric.name == OUTPUT_METRIC]
        pairs = task.metrics_of_kind(PairMetric)
        one = replace(task, settings=ReconstructionSettings(), metrics=of_output, progress=_within(task, 0.3, 0.7))
        two = replace(task, settings=ConsistencySettings(0), metrics=pairs, progress=_within(task, 0.7, 1.0))
        for found in (*ReconstructionBenchmark().measure(one), *Consistency().measure(two)):
            found = replace(found, setting={**found.setting, **_active(task.conditions[found.condition])})
            yield found
            if found.metric == OUTPUT_METRIC and (rest := left.get(found.condition, shared)) > 0:
                beyond = tuple(Observation(o.seeds, 1 - (1 - o.value) / rest) for o in found.observations)
                yield replace(found, metric=ExplainedBeyondAffine.card.name, observations=beyond)
        task.progress(1.0, "transcoder: done")


def _measurable(task: Task) -> dict[str, Sequence[Coder]]:
    """The conditions that write what the site does, where a transcoder can be."""
    place = f"benchmark transcoder, site {task.site.name}"
    if task.site.hook_in == task.site.hook_out:
        rule = "it reads what it writes and nothing else, so no transcoder is here"
        raise Skipped(place, rule, "add a site with hook_in = [A, B] and hook_out = B")
    found = {
        name: coders
        for name, coders in task.conditions.items()
        if not any(coder.architecture.traits.own_target for coder in coders)
    }
    if not found:
        rule = "every dictionary here chooses what it reconstructs, so none writes what the site does"
        raise Skipped(place, rule, "add one without the trait own_target")
    if len(task.test_in) < 2 * FOLDS:
        rule = f"{len(task.test_in)} test rows are too few to fit a map to some of them"
        raise EvaluationError(place, rule, f"give the corpus at least {2 * FOLDS}")
    return found


def _columns_beside_output(task: Task) -> int:
    """How many of the columns that are read stand before those that are written; all of them, if those are not read."""
    read, written = hooks_of(task.site.hook_in), hooks_of(task.site.hook_out)
    width: int = task.test_in.shape[1]
    if read[-len(written) :] == written:
        return width - int(task.test_out.shape[1])
    if set(read) & set(written):
        rule = f"it reads {', '.join(read)}, where what it writes, {', '.join(written)}, does not stand last"
        raise EvaluationError(f"benchmark transcoder, site {task.site.name}", rule, "put it last in hook_in")
    return width


def _refuse_reading_both(coder: Coder, condition: str, task: Task, beside: int) -> None:
    """An error when a reconstruction changes with what is to be written, and with what stands beside it."""
    import torch

    rows = task.own_rows(condition)[0][:LOOKED_AT]
    other = rows.roll(1, 0)
    with torch.no_grad():
        seen = [
            coder.reconstruct(x, coder.encode(x))
            for x in (
                rows,
                torch.cat([other[:, :beside], rows[:, beside:]], 1),
                torch.cat([rows[:, :beside], other[:, beside:]], 1),
            )
        ]
    if not torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2]):
        rule = "it reads what is to be written and what stands beside it, so it is neither a transcoder nor an SAE"
        next_step = "set beside_output = true, or use topk_of_output, or leave the output out of hook_in"
        raise EvaluationError(f"benchmark transcoder, {condition}, seed {coder.seed}", rule, next_step)


def _left_by_affine(task: Task, condition: str, beside: int) -> float:
    """The share of the output's variance that an affine map of what stands beside it does not explain."""
    rows_in, rows_out = task.own_rows(condition)
    step = math.ceil(len(rows_in) / FITTED_ROWS)
    target = rows_out[::step].double()
    residuals = cross_fitted_residuals(rows_in[::step, :beside], target)
    total = float((target - target.mean(0)).square().sum())
    if total == 0:
        place = f"benchmark transcoder, site {task.site.name}"
        raise EvaluationError(place, "what is written never varies", "look at the model and the hook point")
    return float(residuals.square().sum()) / total


def _active(coders: Sequence[Coder]) -> dict[str, Scalar]:
    """How many latents of a row are active, where the dictionary is told."""
    k = getattr(coders[0].settings, "k", None)
    return {} if k is None else {"k": k}


def _within(task: Task, low: float, high: float) -> Progress:
    """The progress of a part, as progress of the whole."""
    return lambda fraction, note: task.progress(low + fraction * (high - low), note)


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [ExplainedBeyondAffine()]


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [TranscoderBenchmark()]
