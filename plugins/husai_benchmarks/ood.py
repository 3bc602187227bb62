"""Out of distribution: how much of each reconstruction metric is lost on texts unlike those at home."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from husai_benchmarks.drawing import OWN, Drawn, TrainingRuns, Wish, draw, first_position, text_set
from husai_core import (
    Benchmark,
    Coder,
    EvaluationError,
    Measurement,
    Metric,
    MetricCard,
    Observation,
    Reconstruction,
    StreamMetric,
    Task,
    UsageError,
    hookimpl,
)
from husai_core.errors import did_you_mean
from husai_core.model import Network

if TYPE_CHECKING:
    from torch import Tensor

Rows = tuple["Tensor", "Tensor"]  # read and to be written, by document
TOKENS_AT_ONCE = 512  # whose logits are held together, 50,000 numbers each


@dataclass(frozen=True)
class OutOfDistributionSettings:
    """`home` and `shifts` are text sets, `source:part` or `source:part#class`; no `home` means the test rows.

    Of each set `documents` are read, `limit` tokens of each; shorter ones are left out, so that no set has more rows,
    or later positions, than another. A document that shares a run of `shared_run` tokens with the training rows is left
    out too. Each metric is one value per seed; those in `per_document` are observed for each document as well, and
    their drops for pairs of a document at home and a shifted one: both are drawn at random. The loss of the model
    itself is measured on `loss_documents` of each set: it shows whether the shift is one.
    """

    home: str = ""
    shifts: tuple[str, ...] = ("wiki:en", "wiki:fr", "sae_probes:159_code_Python#1")
    documents: int = 64
    limit: int = 64
    shared_run: int = 16
    per_document: tuple[str, ...] = ("cosine", "explained_variance")
    loss_documents: int = 16
    rows_per_slice: int = 4096

    def __post_init__(self) -> None:
        if not self.shifts:
            raise ValueError("shifts must name a text set at least")
        if len(set(self.shifts)) < len(self.shifts):
            raise ValueError("shifts must name each text set once")
        if self.documents < 2:
            raise ValueError(f"documents must be at least 2, not {self.documents}")
        if self.limit < 3:
            raise ValueError(
                f"limit must be at least 3, not {self.limit}: BOS is not read, and one row has no variance"
            )
        if self.shared_run < 2:
            raise ValueError(f"shared_run must be at least 2, not {self.shared_run}")
        if self.loss_documents < 0:
            raise ValueError(f"loss_documents must be at least 0, not {self.loss_documents}")
        if self.rows_per_slice < 1:
            raise ValueError(f"rows_per_slice must be at least 1, not {self.rows_per_slice}")


class Drop(Metric):
    card = MetricCard(
        name="ood_drop",
        version="1",
        unit="the unit of the metric that the setting names",
        direction="lower",
        definition="how much worse a metric is on a shift than at home, over all rows of either, or by document in "
        "pairs: home minus shift where higher is better, shift minus home where lower is better",
    )


class ActivationDrop(Metric):
    """A name of its own, because the gate compares no activations of two models."""

    card = MetricCard(
        name="ood_activation_drop",
        version="1",
        unit="activation or squared activation",
        direction="lower",
        definition="ood_drop of a metric in units of an activation",
    )


class RelativeDrop(Metric):
    card = MetricCard(
        name="ood_relative_drop",
        version="1",
        unit="share of the value at home",
        direction="lower",
        definition="ood_drop divided by the value at home of the same seed; only where that is above zero on "
        "every seed",
    )


class TokenLoss(Metric):
    card = MetricCard(
        name="token_loss",
        version="1",
        unit="nats per token",
        direction="neither",
        definition="cross-entropy of the model's own next-token prediction, averaged over the tokens of a document "
        "that the benchmark reads; it does not depend on the dictionary",
        low=0.0,
    )


class LeftOut(Metric):
    card = MetricCard(
        name="left_out_share",
        version="1",
        unit="share of documents",
        direction="neither",
        definition="share of the documents looked at, in the order drawn, that were left out for the reason that the "
        "setting names; it does not depend on the dictionary",
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True)
class Values:
    """What one coder showed on one set."""

    whole: Mapping[str, float]  # by metric, over all rows
    documents: Mapping[str, Sequence[float]]  # by metric, one per document


class OutOfDistribution(Benchmark):
    name = "ood"
    summary = "Every stream metric at home and on shifted texts that were not trained on, and what the shift costs."
    Settings = OutOfDistributionSettings

    def reads(self, settings: OutOfDistributionSettings) -> Sequence[str]:
        return list(dict.fromkeys(text_set(name)[0] for name in (settings.home, *settings.shifts) if name))

    def measure(self, task: Task) -> Iterator[Measurement]:
        chosen: OutOfDistributionSettings = task.settings
        streams = task.metrics_of_kind(StreamMetric)
        names = [metric.name for metric in streams]
        if unknown := sorted(set(chosen.per_document) - set(names)):
            raise UsageError("benchmark ood", f"no stream metric '{unknown[0]}'", did_you_mean(unknown[0], names))
        found: dict[tuple[str, str], list[Values]] = {}
        seen_sets: dict[str, Drawn] = {}
        home, sets = chosen.home or OWN, list(dict.fromkeys((chosen.home, *chosen.shifts)))
        runs = TrainingRuns(task.model.corpus(), chosen.shared_run)
        wish = Wish(chosen.documents, chosen.limit, chosen.shared_run)
        for number, name in enumerate(sets):
            task.progress(number / len(sets), f"ood: {name or OWN}")
            drawn = draw(task, name, wish, runs)
            seen_sets[drawn.name] = drawn
            shown: Rows | None = None  # by the model under the site
            for condition, coders in task.conditions.items():
                if condition in task.own_readers:
                    rows = drawn.rows(task, condition)
                else:
                    rows = shown = shown or drawn.rows(task, condition)
                found[condition, drawn.name] = [self._values(task, condition, c, drawn, rows, streams) for c in coders]
            yield from self._of_set(task, drawn, found)
        for condition, coders in task.conditions.items():
            for shift in chosen.shifts:
                seen = list(zip(coders, found[condition, home], found[condition, shift], strict=True))
                pairs = [
                    f"{one}; {other}" for one, other in zip(seen_sets[home].parts, seen_sets[shift].parts, strict=True)
                ]
                for metric in streams:
                    if metric.card.direction != "neither":
                        yield from _drops(condition, shift, metric, seen, pairs)
        yield from _losses(task, list(seen_sets.values()))
        task.progress(1.0, "ood: done")

    def _values(
        self, task: Task, condition: str, coder: Coder, drawn: Drawn, rows: Rows, streams: Sequence[StreamMetric]
    ) -> Values:
        place = f"benchmark ood, {condition}, seed {coder.seed}, {drawn.name}"

        def work() -> Mapping[str, Any]:
            values = observe(coder, rows, streams, task.settings)
            for metric, value in values.whole.items():
                if not all(map(math.isfinite, (value, *values.documents.get(metric, ())))):
                    raise EvaluationError(place, f"{metric} is not finite", "look for exploding weights")
            return {"whole": dict(values.whole), "documents": dict(values.documents)}

        return Values(**task.remember(f"{condition}, seed {coder.seed}, {drawn.name}", work))

    def _of_set(
        self, task: Task, drawn: Drawn, found: Mapping[tuple[str, str], Sequence[Values]]
    ) -> Iterator[Measurement]:
        """What was seen on one set, by condition."""
        about = {"set": drawn.name}
        left_out = {
            f"fewer than {task.settings.limit} tokens": drawn.too_short,
            "trained on": drawn.trained_on,
        }
        for condition, coders in task.conditions.items():
            seen = list(zip([coder.seed for coder in coders], found[condition, drawn.name], strict=True))
            for metric in seen[0][1].whole:
                whole = tuple(Observation((seed,), values.whole[metric]) for seed, values in seen)
                yield Measurement(metric, condition, whole, about)
            for metric in seen[0][1].documents:
                each = tuple(
                    Observation((seed,), value, part)
                    for seed, values in seen
                    for part, value in zip(drawn.parts, values.documents[metric], strict=True)
                )
                yield Measurement(metric, condition, each, {**about, "per": "document"})
            for reason, share in left_out.items():
                shares = tuple(Observation((seed,), share) for seed, _ in seen)
                yield Measurement(LeftOut.card.name, condition, shares, {**about, "reason": reason})


def observe(coder: Coder, rows: Rows, streams: Sequence[StreamMetric], chosen: OutOfDistributionSettings) -> Values:
    """Every stream metric over all documents, and the chosen ones over each."""
    import torch

    states: dict[str, Any] = {}
    documents: dict[str, list[float]] = {name: [] for name in chosen.per_document}
    at_once = max(1, chosen.rows_per_slice // rows[0].shape[1])
    with torch.no_grad():
        slices = [(x.flatten(0, 1), y.flatten(0, 1)) for x, y in zip(*(r.split(at_once) for r in rows), strict=True)]
        mean = sum(coder.target(x, y).double().sum(0) for x, y in slices) / rows[0].shape[:2].numel()
        for x, y in slices:
            latents = coder.encode(x)
            seen = Reconstruction(coder.target(x, y), latents, coder.reconstruct(x, latents), mean)
            each = list(_each(seen, len(x) // rows[0].shape[1]))
            for metric in streams:
                states[metric.name] = metric.update(states.get(metric.name), seen)
                if metric.name in documents:
                    documents[metric.name] += [metric.finish(metric.update(None, one)) for one in each]
    return Values({metric.name: metric.finish(states[metric.name]) for metric in streams}, documents)


def _drops(
    condition: str,
    shift: str,
    metric: StreamMetric,
    seen: Sequence[tuple[Coder, Values, Values]],
    pairs: Sequence[str],
) -> Iterator[Measurement]:
    """What one metric of one condition loses on one shift: over all rows, and by pairs of documents if it has them."""
    sign, name = 1 if metric.card.direction == "higher" else -1, metric.name
    about = {"metric": name, "shift": shift}
    absolute = (ActivationDrop if "activation" in metric.card.unit.split() else Drop).card.name
    whole = [(coder.seed, home.whole[name], sign * (home.whole[name] - away.whole[name])) for coder, home, away in seen]
    drops = tuple(Observation((seed,), drop) for seed, _, drop in whole)
    yield Measurement(absolute, condition, drops, about)
    if min(before for _, before, _ in whole) > 0:
        shares = tuple(Observation((seed,), drop / before) for seed, before, drop in whole)
        yield Measurement(RelativeDrop.card.name, condition, shares, about)
    if name in seen[0][1].documents:
        paired = tuple(
            Observation((coder.seed,), sign * (one - other), pair)
            for coder, home, away in seen
            for pair, one, other in zip(pairs, home.documents[name], away.documents[name], strict=True)
        )
        yield Measurement(absolute, condition, paired, {**about, "per": "document"})


def _each(seen: Reconstruction, documents: int) -> Iterator[Reconstruction]:
    """The same by document, with its own mean; all have as many rows."""
    chunks = [rows.unflatten(0, (documents, -1)) for rows in (seen.target, seen.latents, seen.output)]
    for target, latents, output in zip(*chunks, strict=True):
        yield Reconstruction(target, latents, output, target.double().mean(0))


def _losses(task: Task, sets: Sequence[Drawn]) -> Iterator[Measurement]:
    """The loss of each model on the first documents of each set, one model after the other; each is loaded once."""
    corpus, count = task.model.corpus(), task.settings.loss_documents
    models: dict[str, list[str]] = {}
    for condition in task.conditions:
        models.setdefault(condition if condition in task.own_readers else "the site", []).append(condition)
    for whose, conditions in models.items() if count else ():
        network = cache(task.own_model(conditions[0]).network)
        for drawn in sets:
            tokens = drawn.tokens[:count, : corpus.tokens.shape[1]]  # as many as it is sure to take
            work = partial(_loss, network, tokens, first_position(corpus))
            parts = list(
                zip(drawn.parts, task.remember(f"loss of the model of {whose}, {drawn.name}", work), strict=False)
            )
            for condition in conditions if parts else ():
                seeds = [coder.seed for coder in task.conditions[condition]]
                each = tuple(Observation((seed,), loss, part) for seed in seeds for part, loss in parts)
                yield Measurement(TokenLoss.card.name, condition, each, {"set": drawn.name})


def _loss(network: Callable[[], Network], tokens: Tensor, first: int) -> list[float]:
    """One value per document; none where the network predicts no tokens."""
    import torch

    found: list[float] = []
    for some in tokens.split(max(1, TOKENS_AT_ONCE // tokens.shape[1])):
        with torch.no_grad():
            logits, _ = network().run_with_cache(some, names_filter=[], stop_at_layer=None)
        if logits is None:
            return []
        found += _cross_entropy(logits[:, first - 1 : -1].double(), some[:, first:]).mean(1).tolist()
    return found


def _cross_entropy(logits: Tensor, tokens: Tensor) -> Tensor:
    import torch

    return -torch.log_softmax(logits, -1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [Drop(), ActivationDrop(), RelativeDrop(), TokenLoss(), LeftOut()]


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [OutOfDistribution()]
