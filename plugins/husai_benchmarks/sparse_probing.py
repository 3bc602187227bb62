"""Sparse probing: how well a few latents tell the class of a text, beside the model's own activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from husai_benchmarks.labelled_rows import WAYS, Documents, Way, documents
from husai_benchmarks.pooling import pooled
from husai_benchmarks.probe_scores import Rows, Scores, probed
from husai_benchmarks.probes import STRENGTHS
from husai_benchmarks.ranking import telling
from husai_core import Benchmark, Coder, EvaluationError, Measurement, Observation, Task, hookimpl
from husai_core.benchmark import Read

if TYPE_CHECKING:
    from torch import Tensor

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
        if self.seed < 0:
            raise ValueError("seed is not below zero")
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
        looks: dict[str, tuple[Read, Scores]] = {}  # by whose network: the site's, or that of a control
        total, done = sum(map(len, task.conditions.values())), 0
        for condition, coders in task.conditions.items():
            whose = condition if condition in task.own_readers else ""
            if whose not in looks:
                looks[whose] = _look(task, found, chosen, whose)
            read, dense = looks[whose]
            scores: dict[int, dict[int, Scores]] = {}
            for coder in coders:
                task.progress(done / total, f"sparse_probing: {condition}, seed {coder.seed}")
                kept = task.remember(
                    f"{condition}, seed {coder.seed}", lambda c=coder, r=read: _sparse(c, r, found, chosen)
                )
                scores[coder.seed] = {int(k): by_task for k, by_task in kept.items()}
                done += 1
            yield from _measurements(condition, scores, dense, found, chosen.tie)
        task.progress(1.0, "sparse_probing: done")


def _look(task: Task, found: Documents, chosen: SparseProbingSettings, whose: str) -> tuple[Read, Scores]:
    """The activations of a network while it reads the texts, and what probes on all of them reach."""
    read = task.read(found.texts, chosen.tokens, last=chosen.pooling == "last", condition=whose)
    name = f"dense, {whose}" if whose else "dense"
    return read, task.remember(name, lambda: _dense(read, found, chosen))


def _dense(read: Read, found: Documents, chosen: SparseProbingSettings) -> Scores:
    """Probes on the activations that the dictionaries encode."""
    return probed(dict(_rows(lambda x: x, read, found, chosen)), chosen.strengths)


def _sparse(coder: Coder, read: Read, found: Documents, chosen: SparseProbingSettings) -> dict[str, Scores]:
    """By k, probes on the latents that tell most; k is written out, for this is kept as JSON."""
    rows = {}
    for task, (train, test, labels, truth) in _rows(coder.encode, read, found, chosen):
        best = telling(train, labels, scaled=chosen.ranking == "scaled")[: max(chosen.ks)]
        rows[task] = (train[:, best], test[:, best], labels, truth)
    return {str(k): probed(rows, chosen.strengths, k) for k in chosen.ks}


def _rows(
    encode: Callable[[Tensor], Tensor], read: Read, found: Documents, chosen: SparseProbingSettings
) -> Iterator[tuple[str, Rows]]:
    """Each task with its pooled rows; those of one set are held at a time."""
    import torch

    for tasks in found.sets.values():
        numbers = sorted({number for task in tasks for number in (*task.split.train, *task.split.test)})
        place = {number: row for row, number in enumerate(numbers)}
        rows = pooled(read, numbers, encode, chosen.rows_per_slice)
        for task in tasks:
            train, test = (rows[[place[n] for n in side]] for side in (task.split.train, task.split.test))
            yield task.name, (train, test, *map(torch.tensor, (task.split.train_labels, task.split.test_labels)))


def _measurements(
    condition: str, scores: Mapping[int, Mapping[int, Scores]], dense: Scores, found: Documents, tie: float
) -> Iterator[Measurement]:
    """From scores by seed, k and task: an observation per seed and task, and counts per seed."""
    tasks = {task.name: task for of_set in found.sets.values() for task in of_set}
    ks = sorted(next(iter(scores.values())))

    def each(
        metric: str, value: Callable[[int, str], float], chance: float | None = None, **setting: int | str
    ) -> Measurement:
        seen = (Observation((seed,), value(seed, task), task) for seed in scores for task in tasks)
        return Measurement(metric, condition, tuple(seen), setting, chance)

    def delta(seed: int, task: str, k: int) -> float:
        return scores[seed][k][task]["auc"] - dense[task]["auc"]

    def best_delta(seed: int, task: str) -> float:
        k = max(ks, key=lambda k: scores[seed][k][task]["validation"])  # of equal ones the smallest
        return delta(seed, task, k)

    def count(metric: str, holds: Callable[[float], bool], k: int) -> Measurement:
        seen = (Observation((seed,), float(sum(holds(delta(seed, t, k)) for t in tasks))) for seed in scores)
        return Measurement(metric, condition, tuple(seen), {"k": k})

    for k in ks:
        for score, chance in (("auc", 0.5), ("accuracy", 0.5), ("f1", None)):
            yield each(f"probe_{score}", lambda seed, task, k=k, s=score: scores[seed][k][task][s], chance, k=k)
        yield each("probe_auc_delta", lambda seed, task, k=k: delta(seed, task, k), k=k)
        yield count("probe_wins", lambda d: d > tie, k)
        yield count("probe_losses", lambda d: d < -tie, k)
        yield count("probe_ties", lambda d: abs(d) <= tie, k)
    yield each("probe_best_delta", best_delta)
    yield each("dense_probe_auc", lambda _, task: dense[task]["auc"], 0.5)
    yield each("probe_leakage", lambda _, task: tasks[task].leakage, of="this run")
    yield each("probe_leakage", lambda _, task: tasks[task].official_leakage, of="sae-probes")


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [SparseProbing()]
