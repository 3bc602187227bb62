"""Probe transfer: a probe that is trained on one distribution and tested on others, its score at home beside it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from husai_benchmarks.aggregation import AGGREGATIONS, OF_ACTIVATIONS, POOLINGS, aggregated, pool
from husai_benchmarks.classification import auc
from husai_benchmarks.probes import choose
from husai_core import (
    Benchmark,
    Coder,
    EvaluationError,
    Measurement,
    Metric,
    MetricCard,
    Observation,
    Task,
    TextSet,
    UsageError,
    hookimpl,
)
from husai_core.errors import did_you_mean
from husai_core.texts import same_text

if TYPE_CHECKING:
    from torch import Tensor

LATENTS, ACTIVATIONS = "latents", "activations"


@dataclass(frozen=True)
class ProbeTransferSettings:
    """`sets` are labelled text sets with the same two classes; each is trained on, and tested on like all others.

    Of each set `documents` are read, as many of either class, the first `limit` tokens of each; half of them train,
    half test. The latents of a document are pooled over its tokens by each of `poolings` (mean, max, last), then
    changed by each of `aggregations` (plain, binary, zscore, log1p, quantile, topk); zscore and quantile look at the
    documents of one set at a time, without their labels, and topk keeps `top` latents of a document. The strength of
    the penalty is chosen on `folds` parts of the training half.
    """

    sets: tuple[str, ...] = ("sentiment:movie", "sentiment:amazon", "sentiment:nyt", "sentiment:tweets")
    documents: int = 400
    limit: int = 64
    poolings: tuple[str, ...] = ("mean",)
    aggregations: tuple[str, ...] = tuple(AGGREGATIONS)
    top: int = 32
    folds: int = 3
    rows_per_slice: int = 4096

    def __post_init__(self) -> None:
        if len(self.sets) < 2 or len(set(self.sets)) < len(self.sets):
            raise ValueError("sets must name two text sets or more, each once")
        for name, given, known in (
            ("poolings", self.poolings, POOLINGS),
            ("aggregations", self.aggregations, tuple(AGGREGATIONS)),
        ):
            if not given or len(set(given)) < len(given):
                raise ValueError(f"{name} must have one entry or more, each once")
            if wrong := sorted(set(given) - set(known)):
                raise ValueError(f"{name} has '{wrong[0]}'; {did_you_mean(wrong[0], known)}")
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, not {self.folds}")
        if self.documents < 4 * self.folds or self.documents % 4:
            rule = f"documents must be a multiple of 4, and at least 4 for each fold, not {self.documents}"
            raise ValueError(rule)
        for name in ("top", "rows_per_slice"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


class TransferAUC(Metric):
    card = MetricCard(
        name="transfer_auc",
        version="1",
        unit="area under the ROC curve",
        direction="higher",
        definition="AUC of a logistic probe on documents of the set 'test', trained on one half of the documents of "
        "the set 'train'; where both are one set, on its other half",
        low=0.0,
        high=1.0,
    )


class TransferDrop(Metric):
    card = MetricCard(
        name="probe_transfer_drop",
        version="1",
        unit="area under the ROC curve",
        direction="lower",
        definition="AUC of a probe on the held-out half of the set it was trained on, minus its AUC on another set",
        low=-1.0,
        high=1.0,
    )


@dataclass(frozen=True)
class Labelled:
    """Documents of one set, those that train first, and in each half the two classes by turns."""

    name: str
    texts: tuple[str, ...]
    labels: tuple[int, ...]


Scores = Mapping[str, float]  # by the numbers of train and test set, "0 1"


class ProbeTransfer(Benchmark):
    name = "probe_transfer"
    summary = "Probes on latents and on activations, trained on one labelled set and tested on all, by aggregation."
    Settings = ProbeTransferSettings

    def reads(self, settings: ProbeTransferSettings) -> Sequence[str]:
        return settings.sets

    def measure(self, task: Task) -> Iterator[Measurement]:
        chosen: ProbeTransferSettings = task.settings
        sets = halves([task.texts[name] for name in chosen.sets], chosen.documents)
        labels = [one.labels for one in sets]
        total, done = sum(map(len, task.conditions.values())), 0
        for condition, coders in task.conditions.items():
            reads = [task.read(one.texts, chosen.limit, condition=condition) for one in sets]
            documents = [[read.rows_in[begin:end] for begin, end in read.spans] for read in reads]
            whose = condition if condition in task.own_readers else "the site"
            dense = task.remember(f"{ACTIVATIONS} of {whose}", partial(scores, documents, labels, None, chosen))
            found: list[tuple[int, Mapping[str, Scores]]] = []
            for coder in coders:
                note = f"{condition}, seed {coder.seed}"
                task.progress(done / total, f"probe_transfer: {note}")
                found.append((coder.seed, task.remember(note, partial(scores, documents, labels, coder, chosen))))
                done += 1
            yield from _measured(condition, found, LATENTS, chosen.sets)
            yield from _measured(condition, [(seed, dense) for seed, _ in found], ACTIVATIONS, chosen.sets)
        task.progress(1.0, "probe_transfer: done")


def halves(sets: Sequence[TextSet], wanted: int) -> list[Labelled]:
    """As many documents of each class in each half of each set; none stands twice, in one set or in two."""
    place = "benchmark probe_transfer"
    for one in sets:
        if len(one.classes) != 2 or one.classes != sets[0].classes:
            rule = f"'{one.name}' has the classes {list(one.classes)}, '{sets[0].name}' {list(sets[0].classes)}"
            raise UsageError(place, rule, "name sets with the same two classes")
    clean = [one.without_repeats() for one in sets]
    seen = [text for one in clean for text in set(map(same_text, one.texts))]
    shared = {text for text, count in Counter(seen).items() if count > 1}
    found = []
    for one in clean:
        by_class: list[list[int]] = [[], []]
        for number in sorted(range(len(one.texts)), key=lambda n, one=one: _drawn(one.texts[n])):  # type: ignore[misc]
            if same_text(one.texts[number]) not in shared:
                by_class[one.labels[number]].append(number)
        fewest = min(map(len, by_class))
        if 2 * fewest < wanted:
            rule = f"{one.name} has {fewest} documents of a class that stand once, {wanted // 2} are wanted"
            raise EvaluationError(place, rule, f"set 'documents' to {fewest // 2 * 4} or less")
        turns = [
            number for pair in zip(*(numbers[: wanted // 2] for numbers in by_class), strict=True) for number in pair
        ]
        taken = one.only(turns)
        found.append(Labelled(one.name, taken.texts, taken.labels))
    return found


def _drawn(text: str) -> bytes:
    """A random order that does not depend on the order of the set."""
    return hashlib.sha256(same_text(text).encode()).digest()


def scores(
    documents: Sequence[Sequence[Tensor]],
    labels: Sequence[Sequence[int]],
    coder: Coder | None,
    chosen: ProbeTransferSettings,
) -> dict[str, dict[str, float]]:
    """The AUC of every pair of sets, by pooling and aggregation; on the activations themselves without a coder."""
    import torch

    classes = torch.tensor([list(one) for one in labels])
    found = {}
    for how, sets in _pooled(documents, coder, chosen).items():
        for name in chosen.aggregations if coder else [a for a in chosen.aggregations if a in OF_ACTIVATIONS]:
            x = torch.stack(list(aggregated(sets, name, chosen.top)))
            found[f"{how} {name}"] = _transfer(x, classes, chosen.folds)
    return found


def _pooled(
    documents: Sequence[Sequence[Tensor]], coder: Coder | None, chosen: ProbeTransferSettings
) -> Mapping[str, Sequence[Tensor]]:
    """Each set as one row per document, by pooling; the latents of a few documents are held at once."""
    import torch

    pooled: dict[str, list[Tensor]] = {how: [] for how in chosen.poolings}
    for one in documents:
        rows: dict[str, list[Tensor]] = {how: [] for how in chosen.poolings}
        for some in _slices(one, chosen.rows_per_slice):
            x = torch.cat(list(some))
            with torch.no_grad():
                shown = coder.encode(x) if coder else x
            for part in shown.split([len(document) for document in some]):
                for how, found in rows.items():
                    found.append(pool(part, how))
        for how, found in rows.items():
            pooled[how].append(torch.stack(found))
    return pooled


def _slices(documents: Sequence[Tensor], rows: int) -> Iterator[Sequence[Tensor]]:
    """Documents together that have so many rows, or one that has more."""
    held: list[Tensor] = []
    for document in documents:
        if held and sum(map(len, held)) + len(document) > rows:
            yield held
            held = []
        held.append(document)
    yield held


def _transfer(x: Tensor, labels: Tensor, folds: int) -> dict[str, float]:
    """Probes on the first half of each set (s, n, k), tested on the second half of every set."""
    import torch

    cut = x.shape[1] // 2
    train, test = x[:, :cut], x[:, cut:]
    scale = train.square().mean((1, 2), keepdim=True).sqrt()
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))  # one number per probe: the grid of penalties fits
    pairs = torch.arange(cut) // 2  # neighbours are of either class, and stay together
    parts = torch.stack([pairs % folds != fold for fold in range(folds)]).expand(len(x), -1, -1)
    probes, _ = choose(train / scale, labels[:, :cut], parts)
    found = {}
    for home in range(len(x)):
        for away in range(len(x)):
            values = test[away] / scale[home] @ probes.weights[home] + probes.bias[home]
            found[f"{home} {away}"] = float(auc(values, labels[away, cut:]))
    return found


def _measured(
    condition: str, found: Sequence[tuple[int, Mapping[str, Scores]]], on: str, sets: Sequence[str]
) -> Iterator[Measurement]:
    for about in found[0][1]:
        pooling, _, aggregation = about.partition(" ")
        for home, train in enumerate(sets):
            for away, test in enumerate(sets):
                setting: dict[str, Any] = {
                    "train": train,
                    "test": test,
                    "on": on,
                    "pooling": pooling,
                    "aggregation": aggregation,
                }
                scored = [(seed, one[about][f"{home} {home}"], one[about][f"{home} {away}"]) for seed, one in found]
                values = tuple(Observation((seed,), value) for seed, _, value in scored)
                yield Measurement(TransferAUC.card.name, condition, values, setting, chance=0.5)
                if home != away:
                    drops = tuple(Observation((seed,), at_home - value) for seed, at_home, value in scored)
                    yield Measurement(TransferDrop.card.name, condition, drops, setting)


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [TransferAUC(), TransferDrop()]


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [ProbeTransfer()]
