"""CE-Bench: how far two contrasting stories move the latents, as published code computes it or as the paper says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING

from husai_benchmarks.contrastive_scores import Scores, StoryMeans, official, paper, story_means
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
    hookimpl,
)
from husai_core.benchmark import Read
from husai_core.errors import did_you_mean
from husai_core.site import hooks_of
from husai_core.texts import TextPair

if TYPE_CHECKING:
    from torch import Tensor

OFFICIAL, PAPER = "official", "paper"
MODES = (OFFICIAL, PAPER)
SCORES = tuple(field.name for field in fields(Scores))
PLACE = "benchmark ce_bench"


@dataclass(frozen=True)
class CEBenchSettings:
    """`mode` is `official` or `paper`; `texts` a set of pairs; `rows` so many of its first rows, all without it.

    A story is read whole: one of more than `tokens` tokens, BOS included, stops the benchmark.
    """

    mode: str = OFFICIAL
    texts: str = "ce_bench:contrastive-stories-v3"
    rows: int | None = None
    tokens: int = 2048

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}, not '{self.mode}'; {did_you_mean(self.mode, MODES)}")
        fewest = 2 if self.mode == PAPER else 1  # the average of one row is that row
        if self.rows is not None and self.rows < fewest:
            raise ValueError(f"rows must be at least {fewest} in the mode {self.mode}, not {self.rows}")
        if self.tokens < 2:
            raise ValueError(f"tokens must be at least 2, not {self.tokens}: the first is BOS")


class CEBench(Benchmark):
    name = "ce_bench"
    summary = (
        "Contrastive, independent and interpretability scores on pairs of contrasting stories, as CE-Bench has them."
    )
    Settings = CEBenchSettings

    def reads(self, settings: CEBenchSettings) -> Sequence[str]:
        return [settings.texts]

    def measure(self, task: Task) -> Iterator[Measurement]:
        """Memory: the latents of the two stories of one row."""
        chosen: CEBenchSettings = task.settings
        rows, texts = _rows(task.texts, chosen)
        parts = [f"row {number}: {' '.join(row.subject.split())}" for number, row in enumerate(rows, 1)]
        total, done = sum(map(len, task.conditions.values())), 0
        for condition, coders in task.conditions.items():
            _refuse_longer(task, condition, texts, chosen)
            read = task.read(texts, chosen.tokens, condition=condition)
            begin = _first_token(task, condition, texts) if chosen.mode == OFFICIAL else None
            found: list[tuple[int, Mapping[str, Sequence[float]]]] = []
            for coder in coders:
                note = f"{condition}, seed {coder.seed}"
                task.progress(done / total, f"ce_bench: {note}")
                found.append((coder.seed, task.remember(note, partial(_scores, coder, read, begin, chosen.mode))))
                done += 1
            scale = {"d_sae": _width(condition, coders), "mode": chosen.mode, "rows": len(rows)}
            for score in SCORES:
                each = (
                    Observation((seed,), v, p) for seed, one in found for p, v in zip(parts, one[score], strict=True)
                )
                yield Measurement(f"ce_bench_{score}", condition, tuple(each), scale=scale)
        task.progress(1.0, "ce_bench: done")


def _rows(sets: Mapping[str, TextSet], chosen: CEBenchSettings) -> tuple[Sequence[TextPair], list[str]]:
    """The rows, and their stories, two of each."""
    if len(sets) != 1:
        rule = f"'{chosen.texts}' stands for {len(sets)} sets, and scores of several do not go together"
        raise EvaluationError(PLACE, rule, "name one of them")
    (found,) = sets.values()
    wanted = len(found.pairs) if chosen.rows is None else chosen.rows
    if not found.pairs:
        rule = "it has documents and no pairs of them, so nothing contrasts"
        raise EvaluationError(f"texts {found.name}", rule, "name a set of pairs, such as review_pairs:amazon")
    fewest = max(wanted, 2 if chosen.mode == PAPER else 1)
    if len(found.pairs) < fewest:
        rule = f"it has {len(found.pairs)} rows, {fewest} are needed"
        raise EvaluationError(f"texts {found.name}", rule, "lower `rows`, or name a larger set")
    rows = found.pairs[:wanted]
    for number, row in enumerate(rows, 1):
        for story, document in enumerate((row.first, row.second), 1):
            if not found.texts[document].strip():
                rule = f"story {story} is empty, so it has no mean"
                raise EvaluationError(f"texts {found.name}, row {number}", rule, "leave the row out of the set")
    return rows, [found.texts[document] for row in rows for document in (row.first, row.second)]


def _refuse_longer(task: Task, condition: str, texts: Sequence[str], chosen: CEBenchSettings) -> None:
    """The mean is over all tokens of a story; of one that was cut off it would be another."""
    for number, tokens in enumerate(task.own_model(condition).tokens(texts, chosen.tokens + 1)):
        if len(tokens) > chosen.tokens:
            place = f"texts {chosen.texts}, row {number // 2 + 1}"
            rule = f"story {number % 2 + 1} has more than {chosen.tokens} tokens, and stories are read whole"
            raise EvaluationError(place, rule, "raise `tokens`, or leave the row out of the set")


def _first_token(task: Task, condition: str, texts: Sequence[str]) -> Tensor:
    """The activations (1, d_in) at BOS, which the published code counts; they are the same before every text."""
    import torch

    model = task.own_model(condition)
    hooks = hooks_of(task.site.hook_in)

    def shown() -> list[float]:
        begin = torch.tensor([model.tokens(texts[:1], 2)[0][:1]])
        with torch.no_grad():
            _, found = model.network().run_with_cache(begin, names_filter=list(hooks), stop_at_layer=None)
        values: list[float] = torch.cat([found[hook][0].flatten(1).float() for hook in hooks], -1)[0].tolist()
        return values

    whose = condition if condition in task.own_readers else "the site"
    return torch.tensor([task.remember(f"BOS of the model of {whose}", shown)])


def _scores(coder: Coder, read: Read, begin: Tensor | None, mode: str) -> dict[str, list[float]]:
    """By name, the scores of each row."""
    if mode == OFFICIAL:
        found = [official(means) for means in _means(coder, read, begin)]
    else:
        total, rows = None, len(read.spans) // 2
        for means in _means(coder, read, begin):
            total = means.both.double() if total is None else total + means.both.double()
        average = total / rows
        found = [paper(means, average) for means in _means(coder, read, begin)]
    return {score: [getattr(one, score) for one in found] for score in SCORES}


def _means(coder: Coder, read: Read, begin: Tensor | None) -> Iterator[StoryMeans]:
    """Row by row; BOS goes before each story where it counts."""
    import torch

    for spans in zip(read.spans[::2], read.spans[1::2], strict=True):
        shown = [read.rows_in[first:end] for first, end in spans]
        with torch.no_grad():
            yield story_means(*(coder.encode(x if begin is None else torch.cat([begin, x])) for x in shown))


def _width(condition: str, coders: Sequence[Coder]) -> int:
    """The number of latents, which every seed shares: the score is a maximum over them."""
    widths = sorted({coder.dims.d_sae for coder in coders})
    if len(widths) > 1 or widths[0] < 2:
        rule = f"d_sae is {' and '.join(map(str, widths))}; the scores need one width, of 2 latents or more"
        raise EvaluationError(f"{PLACE}, condition {condition}", rule, "measure other dictionaries")
    return widths[0]


SCALE = ("d_sae", "mode", "rows")


class ContrastiveScore(Metric):
    card = MetricCard(
        name="ce_bench_contrastive",
        version="1",
        unit="standard deviations",
        direction="higher",
        definition="largest distance over latents between the mean latents of two contrasting stories; official: the "
        "distances are centred and divided by their standard deviation over latents; paper: by that of both mean "
        "vectors together",
        low=0.0,
        scale=SCALE,
    )


class IndependentScore(Metric):
    card = MetricCard(
        name="ce_bench_independent",
        version="1",
        unit="standard deviations",
        direction="higher",
        definition="largest distance over latents between the mean latents of both stories together and an average; "
        "official: that average is zero, the distances are centred and divided by their standard deviation; paper: it "
        "is the mean over the rows, the distances are divided by the standard deviation of both vectors together",
        low=0.0,
        scale=SCALE,
    )


class InterpretabilityScore(Metric):
    card = MetricCard(
        name="ce_bench_interpretability",
        version="1",
        unit="standard deviations",
        direction="higher",
        definition="official: largest sum over latents of the contrastive and the independent distance, centred and "
        "divided by the standard deviation of the sums; paper: the contrastive score plus the independent one",
        low=0.0,
        scale=SCALE,
    )


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [ContrastiveScore(), IndependentScore(), InterpretabilityScore()]


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [CEBench()]
