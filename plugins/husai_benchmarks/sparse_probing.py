"""Sparse probing: how well a few latents tell the class of a text, beside the model's own activations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from husai_benchmarks.classification import accuracy, auc, weighted_f1
from husai_benchmarks.labelled_rows import WAYS, Documents, LabelledRows, Way, documents
from husai_benchmarks.pooling import pooled
from husai_benchmarks.probes import STRENGTHS, choose
from husai_benchmarks.splits import folds
from husai_core import Benchmark, Coder, EvaluationError, Measurement, Observation, Read, Task, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

Scores = Mapping[str, Mapping[str, float]]  # by task: auc, accuracy, f1, validation

# Names, headlines, judgements, biographies, bigrams, grammar, sentiment, spam, places, news, emotion, code. Not the
# `agnews` of sae-probes: what its topics are told from is source code, so the length of a text gives its class away.
A_DOZEN = tuple(
    f"sae_probes:{part}"
    for part in (
        "5_hist_fig_ismale",
        "21_headline_istrump",
        "50_deon_isvalid",
        "56_wikidatasex_or_gender",
        "73_control-group",
        "87_glue_cola",
        "92_glue_sst2",
        "96_spam_is",
        "125_world_country_Italy",
        "139_news_class_Politics",
        "149_twt_emotion_happiness",
        "159_code_Python",
    )
)


@dataclass(frozen=True)
class SparseProbingSettings:
    """What is probed and how; the probes themselves, and how latents are ranked, are those of sae-probes.

    `sets` are labelled text sets, `sae_probes:binary` all 113 of that package. `pooling` takes the latents of the
    `last` token (sae-probes) or their `mean` over tokens (SAEBench's sparse_probing). `ranking` orders latents by the
    difference of their class means, `scaled` by the mean of their active values (sae-probes) or `raw` (SAEBench).
    `split` is `leak-free` or `official`: the rows that sae-probes draws, repeats and all. `strengths` are the values of
    C to choose from on validation texts.
    """

    sets: tuple[str, ...] = A_DOZEN
    ks: tuple[int, ...] = (1, 2, 5, 10, 20, 50)
    train_rows: int = 200
    test_rows: int = 100
    tokens: int = 128
    pooling: str = "last"
    ranking: str = "scaled"
    split: str = "leak-free"
    strengths: tuple[float, ...] = STRENGTHS
    tie: float = 0.005
    seed: int = 42
    rows_per_slice: int = 1024

    def __post_init__(self) -> None:
        for name, known in (("pooling", ("last", "mean")), ("ranking", ("scaled", "raw")), ("split", WAYS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}, not '{getattr(self, name)}'")
        for name in ("sets", "ks", "strengths"):
            if not getattr(self, name) or len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} must name something, and nothing twice")
        if min(self.ks) < 1 or min(self.strengths) <= 0 or self.tie < 0:
            raise ValueError("ks and strengths are above zero, tie is not below")
        if self.train_rows < 4 or self.test_rows < 2 or self.tokens < 2 or self.rows_per_slice < 1:
            raise ValueError("train_rows is at least 4, test_rows and tokens 2, rows_per_slice 1")


class SparseProbing(Benchmark):
    name = "sparse_probing"
    summary = "Probes on the k most telling latents against one on the model's own activations, on labelled texts."
    Settings = SparseProbingSettings

    def reads(self, settings: SparseProbingSettings) -> Sequence[str]:
        return settings.sets

    def measure(self, task: Task) -> Iterator[Measurement]:
        """Memory: the probed columns of all sets, and of one subject the latents of one slice and of one set."""
        chosen: SparseProbingSettings = task.settings
        for condition, coders in task.conditions.items():
            if (width := min(coder.dims.d_sae for coder in coders)) < max(chosen.ks):
                place = f"benchmark sparse_probing, condition {condition}"
                raise EvaluationError(place, f"k = {max(chosen.ks)} of {width} latents", "give a smaller k")
        found = documents(task.texts, cast(Way, chosen.split), chosen.train_rows, chosen.test_rows, chosen.seed)
        read = task.read(found.texts, chosen.tokens, last=chosen.pooling == "last")
        dense: Scores = task.remember("dense", lambda: _dense(read, found, chosen))
        total, done = sum(map(len, task.conditions.values())), 0
        for condition, coders in task.conditions.items():
            scores: dict[int, dict[int, Scores]] = {}
            for coder in coders:
                task.progress(done / total, f"sparse_probing: {condition}, seed {coder.seed}")
                kept = task.remember(f"{condition}, seed {coder.seed}", lambda c=coder: _sparse(c, read, found, chosen))
                scores[coder.seed] = {int(k): by_task for k, by_task in kept.items()}
                done += 1
            yield from _measurements(condition, scores, dense, found, chosen)
        task.progress(1.0, "sparse_probing: done")


def _dense(read: Read, found: Documents, chosen: SparseProbingSettings) -> Scores:
    """Probes on the activations that the dictionaries encode."""
    rows = {
        task.name: _of_task(pooled(read, numbers, lambda x: x, chosen.rows_per_slice), places, task)
        for tasks in found.sets.values()
        for numbers, places in [_numbers(tasks)]
        for task in tasks
    }
    return _probed(rows, chosen.strengths)


def _sparse(coder: Coder, read: Read, found: Documents, chosen: SparseProbingSettings) -> dict[str, Scores]:
    """By k, probes on the latents that tell most; k is written out, for this is kept as JSON."""
    import torch

    rows = {}
    for tasks in found.sets.values():
        numbers, places = _numbers(tasks)
        latents = pooled(read, numbers, coder.encode, chosen.rows_per_slice)
        for task in tasks:
            train, test = _of_task(latents, places, task)[:2]
            labels = torch.tensor(task.split.train_labels)
            best = telling(train, labels, scaled=chosen.ranking == "scaled")[: max(chosen.ks)]
            rows[task.name] = (train[:, best], test[:, best], labels, torch.tensor(task.split.test_labels))
    return {str(k): _probed(rows, chosen.strengths, k) for k in chosen.ks}


def telling(latents: Tensor, labels: Tensor, *, scaled: bool) -> Tensor:
    """The latents (rows, d_sae) in falling order of how far their class means lie apart, equal ones by number.

    `scaled` divides by the mean size of a latent where it is active, with the two small numbers of sae-probes.
    """
    import torch

    latents = latents.double()
    one = labels == 1
    apart = (latents[one].mean(0) - latents[~one].mean(0)).abs()
    if scaled:
        size = latents.abs().sum(0) / ((latents != 0).sum(0) + 1e-6)
        apart = apart / (size + 1e-6)
    return torch.sort(apart, descending=True, stable=True).indices


Rows = tuple["Tensor", "Tensor", "Tensor", "Tensor"]  # training rows, test rows, and the labels of both


def _numbers(tasks: Sequence[LabelledRows]) -> tuple[list[int], dict[int, int]]:
    """The documents of the tasks of one set, and the place of each among them."""
    numbers = sorted({number for task in tasks for number in (*task.split.train, *task.split.test)})
    return numbers, {number: place for place, number in enumerate(numbers)}


def _of_task(rows: Tensor, places: Mapping[int, int], task: LabelledRows) -> Rows:
    import torch

    split = task.split
    train, test = (rows[[places[number] for number in side]] for side in (split.train, split.test))
    return train, test, torch.tensor(split.train_labels), torch.tensor(split.test_labels)


def _probed(rows: Mapping[str, Rows], strengths: tuple[float, ...], k: int | None = None) -> Scores:
    """The scores of every task on its first k columns: tasks of the same size are solved together."""
    import torch

    groups: dict[tuple[int, ...], list[str]] = {}
    validated = {name: folds(labels) for name, (_, _, labels, _) in rows.items()}
    for name, (train, test, _, _) in rows.items():
        groups.setdefault((len(train), len(test), len(validated[name])), []).append(name)
    found: dict[str, dict[str, float]] = {}
    for names in groups.values():
        train, test, labels, truth = (torch.stack(parts) for parts in zip(*(rows[n] for n in names), strict=True))
        probes, seen = choose(train[..., :k], labels, torch.stack([validated[n] for n in names]), strengths)
        values = probes.decide(test[..., :k])
        scores = {
            "auc": auc(values, truth),
            "accuracy": accuracy(values, truth),
            "f1": weighted_f1(values, truth),
            "validation": seen,
        }
        for place, name in enumerate(names):
            found[name] = {score: float(numbers[place]) for score, numbers in scores.items()}
    return found


def _measurements(
    condition: str,
    scores: Mapping[int, Mapping[int, Scores]],
    dense: Scores,
    found: Documents,
    chosen: SparseProbingSettings,
) -> Iterator[Measurement]:
    """`scores` by seed, k and task; an observation per seed and task, a count per seed."""
    tasks = [task for set_tasks in found.sets.values() for task in set_tasks]

    def each(value: object) -> tuple[Observation, ...]:
        return tuple(Observation((s,), value(by_k, t), t.name) for s, by_k in scores.items() for t in tasks)  # type: ignore[operator]

    for k in chosen.ks:
        for metric, score, chance in (
            ("probe_auc", "auc", 0.5),
            ("probe_accuracy", "accuracy", 0.5),
            ("probe_f1", "f1", None),
        ):
            yield Measurement(
                metric, condition, each(lambda by_k, t, s=score, k=k: by_k[k][t.name][s]), {"k": k}, chance
            )
        deltas = {seed: [by_k[k][t.name]["auc"] - dense[t.name]["auc"] for t in tasks] for seed, by_k in scores.items()}
        observed = each(lambda by_k, t, k=k: by_k[k][t.name]["auc"] - dense[t.name]["auc"])
        yield Measurement("probe_auc_delta", condition, observed, {"k": k})
        for metric, holds in (
            ("probe_wins", lambda delta: delta > chosen.tie),
            ("probe_losses", lambda delta: delta < -chosen.tie),
            ("probe_ties", lambda delta: abs(delta) <= chosen.tie),
        ):
            counts = tuple(Observation((seed,), float(sum(map(holds, values)))) for seed, values in deltas.items())
            yield Measurement(metric, condition, counts, {"k": k})

    def best(by_k: Mapping[int, Scores], t: LabelledRows) -> float:
        k = max(sorted(chosen.ks), key=lambda k: by_k[k][t.name]["validation"])  # of equal ones the smallest
        return by_k[k][t.name]["auc"] - dense[t.name]["auc"]

    yield Measurement("probe_best_delta", condition, each(best))
    yield Measurement("dense_probe_auc", condition, each(lambda _, t: dense[t.name]["auc"]), {}, 0.5)
    yield Measurement("probe_leakage", condition, each(lambda _, t: t.leakage), {"of": "this run"})
    yield Measurement("probe_leakage", condition, each(lambda _, t: t.official_leakage), {"of": "sae-probes"})


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [SparseProbing()]
