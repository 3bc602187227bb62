"""Splice: what becomes of the model's next-token prediction when reconstructions stand for the activations.

Replaced is what the site writes, at the positions that the corpus reads; BOS and whatever else is not read stays as the
model computed it. A transcoder's output is that of its clean input. The mean that stands for an activation is that of
the same test rows, so that nothing but the rows at hand decides it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_benchmarks.upper_layers import CleanRun, UpperLayers
from husai_core import (
    Benchmark,
    Coder,
    EvaluationError,
    Measurement,
    Metric,
    MetricCard,
    Observation,
    Skipped,
    Task,
    hookimpl,
)
from husai_core.benchmark import Reader
from husai_core.model import Progress
from husai_core.site import hooks_of

if TYPE_CHECKING:
    from torch import Tensor

TOKENS_AT_ONCE = 512  # in one call of the network: logits of 49,152 tokens take 100 MB
ALIKE = 1e-3  # by how much stored and recomputed activations may differ, relative to their largest
ABLATIONS = ("zero", "mean", "zero_everywhere")
AGAINST = (
    "ablated: what the site writes is replaced by 0 (zero), by its mean over the rows (mean), both where it is read, "
    "or by 0 at every position, BOS included, as SAEBench does (zero_everywhere)"
)


class CrossEntropy(Metric):
    card = MetricCard(
        name="ce_loss",
        version="1",
        unit="nats per token",
        direction="lower",
        definition="mean next-token cross entropy at the positions read, the reconstruction spliced in",
        low=0.0,
    )


class CrossEntropyIncrease(Metric):
    card = MetricCard(
        name="ce_loss_increase",
        version="1",
        unit="nats per token",
        direction="lower",
        definition="ce_loss minus that of the same positions with nothing replaced",
    )


class CrossEntropyScore(Metric):
    card = MetricCard(
        name="ce_loss_score",
        version="1",
        unit="share of loss recovered",
        direction="higher",
        definition="(ce_loss ablated - ce_loss spliced) / (ce_loss ablated - ce_loss clean); " + AGAINST,
    )


class KLDivergence(Metric):
    card = MetricCard(
        name="kl_divergence",
        version="1",
        unit="nats per token",
        direction="lower",
        definition="KL(clean || spliced) of the next-token distributions, mean over the positions read",
        low=0.0,
    )


class KLScore(Metric):
    card = MetricCard(
        name="kl_score",
        version="1",
        unit="share of divergence removed",
        direction="higher",
        definition="(KL(clean || ablated) - KL(clean || spliced)) / KL(clean || ablated); " + AGAINST,
        high=1.0,
    )


@dataclass(frozen=True)
class SpliceSettings:
    """How many tokens of the test rows are read, in whole rows, from the first on; all rows where there are fewer."""

    tokens: int = 4096

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise ValueError(f"tokens must be at least 1, not {self.tokens}")


@dataclass(frozen=True)
class _Group:
    """The conditions that belong to one network, with their test rows."""

    reader: Reader
    rows_in: Tensor
    rows_out: Tensor
    conditions: Mapping[str, Sequence[Coder]]

    @property
    def coders(self) -> list[Coder]:
        return [coder for coders in self.conditions.values() for coder in coders]


class Splice(Benchmark):
    """A score is given only against an ablation that does harm: what an ablation does not lose cannot be recovered.

    A control of another network, such as `random_model`, is spliced into that one and judged by its clean predictions.
    """

    name = "splice"
    summary = "Cross entropy and KL of the next token when reconstructions stand for activations, and both as scores."
    requires = ("torch", "transformer_lens")
    Settings = SpliceSettings

    def measure(self, task: Task) -> Iterator[Measurement]:
        import torch

        if not task.model.predicts_next:
            rule = f"the model '{task.site.model}' predicts no next token"
            raise Skipped(f"site {task.site.name}", rule, "use a language model: smollm2, huggingface")
        groups = self._groups(task)
        for number, group in enumerate(groups):

            def progress(fraction: float, note: str, number: int = number) -> None:
                task.progress((number + fraction) / len(groups), note)

            with torch.no_grad():
                totals = _Totals(list(self._parts(task, group, progress)))
            first = 0
            for condition, coders in group.conditions.items():
                spliced = [totals.spliced(first + place) for place in range(len(coders))]
                first += len(coders)
                for metric, setting, values in totals.scores(spliced):
                    seeds = (coder.seed for coder in coders)
                    observations = tuple(Observation((s,), v) for s, v in zip(seeds, values, strict=True))
                    yield Measurement(metric, condition, observations, setting)
        task.progress(1.0, "splice: done")

    def _groups(self, task: Task) -> list[_Group]:
        """The site's own conditions, which share all runs without them, and each that has a network of its own."""
        chosen = {name: coders for name, coders in task.conditions.items() if not _own_target(coders)}
        if not chosen:
            rule = "every dictionary here chooses what it reconstructs, so none writes what the site does"
            raise Skipped(f"site {task.site.name}", rule, "add one without the trait own_target")
        shared = {name: coders for name, coders in chosen.items() if name not in task.own_readers}
        groups = [_Group(task.model, task.test_in, task.test_out, shared)] if shared else []
        own = {name: coders for name, coders in chosen.items() if name in task.own_readers}
        return groups + [_Group(task.own_model(n), *task.own_rows(n), {n: coders}) for n, coders in own.items()]

    def _parts(self, task: Task, group: _Group, progress: Progress) -> Iterator[dict[str, Any]]:
        """What a batch of rows adds to the sums, a batch at a time; each is kept."""
        corpus = group.reader.corpus()
        length, positions = corpus.tokens.shape[1], corpus.positions
        if min(positions) >= length - 1:
            rule = "the corpus reads the last position alone, and no token stands after it"
            raise Skipped(f"site {task.site.name}", rule, "read earlier positions")
        numbers = corpus.test[: max(1, task.settings.tokens // length)]
        if not len(numbers):
            raise EvaluationError("benchmark splice", "there are no test rows", "give the corpus some")
        mean = group.rows_out[: len(numbers) * len(positions)].double().mean(0).float()
        layers: list[UpperLayers] = []  # the network is loaded when a batch needs it, and not if all are kept

        def work(begin: int, tokens: Tensor) -> dict[str, Any]:
            if not layers:
                layers.append(UpperLayers(group.reader.network(), hooks_of(task.site.hook_out)))
            rows = slice(begin * len(positions), (begin + len(tokens)) * len(positions))
            clean = layers[0].clean(tokens)
            _refuse_other_activations(clean.rows(positions), group.rows_out[rows], task.site.name)
            return _sums(layers[0], clean, positions, mean, group.rows_in[rows], group.coders)

        size, first = max(1, TOKENS_AT_ONCE // length), next(iter(group.conditions))
        for begin in range(0, len(numbers), size):
            progress(begin / len(numbers), f"splice: {first}, row {begin} of {len(numbers)}")
            tokens = corpus.tokens[numbers[begin : begin + size]]
            name = f"{first}, rows from {begin}"
            yield task.remember(name, lambda begin=begin, tokens=tokens: work(begin, tokens))


def _sums(
    layers: UpperLayers,
    clean: CleanRun,
    positions: Sequence[int],
    mean: Tensor,
    rows_in: Tensor,
    coders: Sequence[Coder],
) -> dict[str, Any]:
    """Sums over the tokens of a batch: clean, ablated in every way, and with each coder spliced in."""
    judge = _Judge(clean, positions)
    zero = {hook: shown.new_zeros(shown.shape) for hook, shown in clean.shown.items()}
    nothing = mean.new_zeros(1, len(mean)).expand(len(rows_in), -1)
    replaced = {
        "zero": clean.spliced(nothing, positions),
        "mean": clean.spliced(mean.expand(len(rows_in), -1), positions),
        "zero_everywhere": zero,
    }
    ablated = {name: judge(layers.logits(clean, replaced[name])) for name in ABLATIONS}
    spliced = []
    for coder in coders:
        output = coder.reconstruct(rows_in, coder.encode(rows_in))
        if not bool(output.isfinite().all()):
            place = f"benchmark splice, seed {coder.seed} of {coder.architecture.name}"
            raise EvaluationError(place, "its reconstruction is not finite", "look for exploding weights")
        spliced.append(judge(layers.logits(clean, clean.spliced(output, positions))))
    return {
        "predicted": judge.predicted,
        "read": judge.read,
        "clean": judge(clean.logits)[0],
        "ablated": ablated,
        "spliced": spliced,
    }


class _Judge:
    """Cross entropy and divergence from the clean run, summed over the tokens of one batch."""

    def __init__(self, clean: CleanRun, positions: Sequence[int]) -> None:
        self._positions = _steps(positions)
        self._clean = clean.logits[:, self._positions].log_softmax(-1)
        self._likely = self._clean.exp()
        self._mass = self._likely.sum(-1)  # 1 but for rounding, and the logarithms of norms are large
        self._followed = _steps([place for place, p in enumerate(positions) if p + 1 < clean.tokens.shape[1]])
        self._targets = clean.tokens[:, [p + 1 for p in positions if p + 1 < clean.tokens.shape[1]]]
        self.predicted, self.read = self._targets.numel(), len(clean.tokens) * len(positions)

    def __call__(self, logits: Tensor) -> tuple[float, float]:
        """KL(p || q) of p and q = softmax(z) is the sum of p (log p - z + log sum exp(z))."""
        loss = divergence = 0.0
        rows = zip(logits, self._clean, self._likely, self._mass, self._targets, strict=True)
        for found, expected, likely, mass, targets in rows:  # a row at a time: memory
            guesses = found[self._positions]
            norms = guesses.logsumexp(-1)
            follow = guesses[self._followed].gather(1, targets[:, None])[:, 0] - norms[self._followed]
            loss -= float(follow.double().sum())
            # A dot product adds 49,152 terms one after the other and is off by a thousandth; `sum` adds in a tree.
            apart = (expected - guesses).mul_(likely).sum(-1)
            divergence += float((apart + norms * mass).double().sum())
        return loss, divergence


def _steps(places: Sequence[int]) -> slice | list[int]:
    """The places as a slice where they follow on one another, because that copies nothing."""
    whole = list(places)
    return slice(whole[0], whole[-1] + 1) if whole and whole == list(range(whole[0], whole[-1] + 1)) else whole


class _Totals:
    """Sums over all batches, and what follows from them."""

    def __init__(self, parts: Sequence[Mapping[str, Any]]) -> None:
        self._parts = parts

    def spliced(self, number: int) -> tuple[float, float]:
        """Loss and divergence per token of one coder."""
        return self._means([part["spliced"][number] for part in self._parts])

    def scores(self, spliced: Sequence[tuple[float, float]]) -> Iterator[tuple[str, dict[str, str], list[float]]]:
        """Every metric with its setting and a value for each coder."""
        clean = sum(part["clean"] for part in self._parts) / self._count("predicted")
        yield "ce_loss", {}, [loss for loss, _ in spliced]
        yield "ce_loss_increase", {}, [loss - clean for loss, _ in spliced]
        yield "kl_divergence", {}, [divergence for _, divergence in spliced]
        for name in ABLATIONS:
            loss, divergence = self._means([part["ablated"][name] for part in self._parts])
            setting = {"against": name}
            if loss > clean:
                yield "ce_loss_score", setting, [(loss - found) / (loss - clean) for found, _ in spliced]
            if divergence > 0:
                yield "kl_score", setting, [(divergence - found) / divergence for _, found in spliced]

    def _means(self, sums: Sequence[Sequence[float]]) -> tuple[float, float]:
        losses, divergences = zip(*sums, strict=True)
        # Rounding can take the divergence of equal distributions below 0, which it never is.
        return sum(losses) / self._count("predicted"), max(0.0, sum(divergences) / self._count("read"))

    def _count(self, name: str) -> int:
        return sum(int(part[name]) for part in self._parts)


def _own_target(coders: Sequence[Coder]) -> bool:
    return any(coder.architecture.traits.own_target for coder in coders)


def _refuse_other_activations(found: Tensor, stored: Tensor, site: str) -> None:
    """An error where the network shows other activations than those that the dictionaries are given."""
    away = float((found - stored).abs().max() / stored.abs().max().clamp_min(1e-30))
    if not away <= ALIKE:
        rule = f"the network's activations are off from the stored ones by {away:.2g} of the largest, at most {ALIKE}"
        raise EvaluationError(f"benchmark splice, site {site}", rule, "look for a model that changed since they were")


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [CrossEntropy(), CrossEntropyIncrease(), CrossEntropyScore(), KLDivergence(), KLScore()]


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [Splice()]
