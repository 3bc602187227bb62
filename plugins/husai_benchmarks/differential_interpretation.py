"""Differential interpretation: selective latents described by contrast, and the descriptions put to the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from husai_benchmarks.contexts import Context, Contrast, activity, contrast
from husai_benchmarks.providers.choice import ProviderSettings
from husai_benchmarks.providers.provider import ask
from husai_benchmarks.questions import (
    DESCRIPTION_TOKENS,
    VERDICT_TOKENS,
    describe,
    description_in,
    judge,
    verdict_in,
)
from husai_benchmarks.selectivity import ContrastSettings, document_means
from husai_core import (
    Benchmark,
    Coder,
    Measurement,
    Metric,
    MetricCard,
    Observation,
    Skipped,
    Task,
    UsageError,
    hookimpl,
)
from husai_core.benchmark import Read
from husai_core.need import Need

OWN, SHUFFLED = "own", "shuffled"
LOOKED_AT = 4  # times as many selective latents as are described, for those that lack contexts


@dataclass(frozen=True)
class DifferentialInterpretationSettings(ProviderSettings, ContrastSettings):
    """Who describes, from how many passages, and how many calls that may take."""

    latents: int = 5  # of each dictionary, the most selective that have enough contexts
    width: int = 24  # tokens of a passage
    shown: int = 5  # passages of each kind from training documents, to describe
    judged: int = 6  # passages of each kind from held-out documents, to classify
    most_calls: int = 2000  # answers that are known already are counted too

    def __post_init__(self) -> None:
        ProviderSettings.__post_init__(self)
        ContrastSettings.__post_init__(self)
        if self.latents < 2:
            raise ValueError(f"latents must be at least 2, not {self.latents}: descriptions are exchanged among them")
        for name in ("width", "shown", "judged", "most_calls"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Candidate:
    """A latent that can be described and judged."""

    latent: int
    shown: Contrast
    judged: Contrast


class DifferentialInterpretation(Benchmark):
    name = "differential_interpretation"
    summary = "A language model describes selective latents by contrast; its descriptions classify held-out passages."
    Settings = DifferentialInterpretationSettings

    def reads(self, settings: DifferentialInterpretationSettings) -> Sequence[str]:
        return settings.texts

    def needs(self, settings: DifferentialInterpretationSettings) -> Sequence[Need]:
        return settings.needs()

    def outside(self, settings: DifferentialInterpretationSettings) -> str:
        return settings.outside()

    def measure(self, task: Task) -> Iterator[Measurement]:
        place = "benchmark differential_interpretation"
        provider = task.settings.choose(place)
        candidates = self._candidates(task)
        if not candidates:
            rule = "no dictionary has, for every seed, two selective latents with enough contexts"
            raise Skipped(place, rule, "give more documents, or lower `threshold`, `shown` or `judged`")
        calls = sum(
            len(found) * (1 + 4 * task.settings.judged) for seeds in candidates.values() for found in seeds.values()
        )
        if calls > task.settings.most_calls:
            rule = f"it would take {calls} calls, most_calls is {task.settings.most_calls}"
            raise UsageError(place, rule, "raise most_calls, or describe fewer latents of fewer dictionaries")

        def answer(prompt: str, most_tokens: int, **purpose: str | int) -> str:
            task.progress(min(1.0, len(task.transcript) / calls), f"{self.name}: {purpose['condition']}")
            return ask(task, provider, prompt, most_tokens, task.settings.revision, **purpose)

        for condition, seeds in candidates.items():
            values: dict[tuple[str, str], list[Observation]] = {}
            for seed, found in seeds.items():
                about = {"condition": condition, "seed": seed}
                for (metric, whose), parts in _judged(found, task, answer, about).items():
                    parts_of_seed = [Observation((seed,), value, f"rank {rank}") for rank, value in enumerate(parts, 1)]
                    values.setdefault((metric, whose), []).extend(parts_of_seed)
            for (metric, whose), observations in values.items():
                chance = 0.5 if metric == "description_accuracy" else None
                yield Measurement(metric, condition, tuple(observations), {"descriptions": whose}, chance)
        task.progress(1.0, f"{self.name}: done")

    def _candidates(self, task: Task) -> Mapping[str, Mapping[int, Sequence[Candidate]]]:
        """By condition and seed what is described, as many for every seed: parts must be the same for all."""
        train, test = task.settings.home(task)
        found: dict[str, dict[int, Sequence[Candidate]]] = {}
        for condition, coders in task.conditions.items():
            reads = [task.read(half.texts, task.settings.tokens, condition=condition) for half in (train, test)]
            by_seed = {coder.seed: _describable(coder, task, train.labels, reads[0], reads[1]) for coder in coders}
            count = min(map(len, by_seed.values()))
            if count > 1:
                found[condition] = {seed: latents[:count] for seed, latents in by_seed.items()}
        return found


def _describable(coder: Coder, task: Task, labels: Sequence[int], train: Read, test: Read) -> list[Candidate]:
    """The most selective latents that have enough contexts on both sides."""
    import torch

    settings = task.settings
    ranked = settings.selection.of(document_means(coder, train), torch.tensor(labels))
    looked_at = ranked[: LOOKED_AT * settings.latents].tolist()
    if not looked_at:
        return []
    values = [activity(coder, read, looked_at) for read in (train, test)]
    found: list[Candidate] = []
    for number, latent in enumerate(looked_at):
        if len(found) == settings.latents:
            break
        shown = contrast(values[0][:, number], train, settings.width, settings.shown, settings.split_seed)
        judged = contrast(values[1][:, number], test, settings.width, settings.judged, settings.split_seed)
        if shown and judged:
            found.append(Candidate(latent, shown, judged))
    return found


def _judged(
    found: Sequence[Candidate], task: Task, answer: Callable[..., str], about: Mapping[str, str | int]
) -> Mapping[tuple[str, str], list[float]]:
    """Every metric by whose description it is about, latent by latent.

    The control gives each latent the description of the next one, so that a description that would fit anything
    of its class is seen for what it is.
    """
    decode = task.model.decode
    descriptions = []
    for rank, candidate in enumerate(found, 1):
        purpose = {**about, "rank": rank, "latent": candidate.latent, "purpose": "describe"}
        said = answer(describe(candidate.shown, decode), DESCRIPTION_TOKENS, **purpose)
        descriptions.append(description_in(said))
    values: dict[tuple[str, str], list[float]] = {}
    for whose, shift in ((OWN, 0), (SHUFFLED, 1)):
        for number, candidate in enumerate(found):
            described = (number + shift) % len(found)

            def verdict(context: Context, kind: str, own: int = number, described: int = described) -> bool | None:
                purpose = {**about, "rank": own + 1, "latent": found[own].latent, "purpose": "judge"}
                purpose |= {"described": described + 1, "passage": kind, "document": context.document}
                return verdict_in(answer(judge(descriptions[described], context, decode), VERDICT_TOKENS, **purpose))

            high = [verdict(context, "high") for context in candidate.judged.high]
            silent = [verdict(context, "silent") for context in candidate.judged.silent]
            right = (high.count(True) / len(high) + silent.count(False) / len(silent)) / 2
            unclear = (high + silent).count(None) / len(high + silent)
            values.setdefault(("description_accuracy", whose), []).append(right)
            values.setdefault(("description_unclear", whose), []).append(unclear)
    return values


class DescriptionAccuracy(Metric):
    card = MetricCard(
        name="description_accuracy",
        version="1",
        unit="balanced accuracy",
        direction="higher",
        definition="mean of the share of held-out passages of highest activation that a language model says a "
        "description of the latent fits, and the share of held-out silent passages that it says it does not; an answer "
        "that is neither yes nor no is wrong; with shuffled descriptions, each latent has that of another one",
        low=0.0,
        high=1.0,
        continuous=False,
    )


class DescriptionUnclear(Metric):
    card = MetricCard(
        name="description_unclear",
        version="1",
        unit="share of answers",
        direction="lower",
        definition="share of the answers about held-out passages that are neither yes nor no",
        low=0.0,
        high=1.0,
        continuous=False,
    )


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [DifferentialInterpretation()]


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [DescriptionAccuracy(), DescriptionUnclear()]
