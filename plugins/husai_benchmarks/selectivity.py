"""Selectivity: latents that tell two classes of documents apart, the probe they make, and how far it carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_benchmarks.classification import auc
from husai_benchmarks.contrast import active_enough, selectivity, shuffled_shares
from husai_benchmarks.differential_probe import Selection, learn
from husai_benchmarks.distributions import Distribution, distribution, names_of
from husai_benchmarks.pooling import pooled
from husai_core import Benchmark, Coder, Measurement, Metric, MetricCard, Observation, Task, UsageError, hookimpl
from husai_core.benchmark import Read

if TYPE_CHECKING:
    from torch import Tensor

HOME = "home"


@dataclass(frozen=True)
class ContrastSettings:
    """Which documents are contrasted, and when a latent counts as selective."""

    texts: tuple[str, ...]  # one labelled set, or two sets, a class each
    classes: tuple[str, ...] = ()  # two of the labels, where there are more; positive selectivity is for the first
    documents: int = 400  # of each class, at most
    tokens: int = 128  # of each document, at most
    test_share: float = 0.3
    split_seed: int = 0
    threshold: float = 0.3
    active_in: int = 10  # training documents; fewer make a latent selective by accident

    def __post_init__(self) -> None:
        if len(self.texts) not in (1, 2):
            raise ValueError(f"texts must name one labelled set or two sets, not {len(self.texts)}")
        if len(self.classes) not in (0, 2):
            raise ValueError(f"classes must name two, not {len(self.classes)}")
        if not 0 < self.test_share < 1:
            raise ValueError(f"test_share must be between 0 and 1, not {self.test_share}")
        if not 0 <= self.threshold < 1:
            raise ValueError(f"threshold must be at least 0 and below 1, not {self.threshold}")
        for name in ("documents", "active_in"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.tokens < 2:
            raise ValueError(f"tokens must be at least 2, not {self.tokens}: the first is BOS")

    @property
    def selection(self) -> Selection:
        return Selection(self.threshold, self.active_in)

    def home(self, task: Task) -> tuple[Distribution, Distribution]:
        """The documents to learn from, and those to be judged on."""
        sets = self.texts[0] if len(self.texts) == 1 else self.texts
        found = distribution(sets, task.texts, self.classes).at_most(self.documents, self.split_seed)
        return found.halves(self.test_share, self.split_seed)


@dataclass(frozen=True)
class SelectivitySettings(ContrastSettings):
    """And the probe: how many latents it may use, its penalties, and where else it is tried."""

    transfer: tuple[str | tuple[str, ...], ...] = ()  # other sets of the same two classes; a list is a set per class
    features: tuple[int, ...] = (10, 20, 50, 100, 200)
    penalties: int = 15
    weakest_penalty: float = 0.01  # of the one that leaves no weight
    shuffles: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.features or min(self.features) < 1 or len(set(self.features)) < len(self.features):
            raise ValueError(f"features must be different counts from 1 on, not {list(self.features)}")
        if not 0 < self.weakest_penalty < 1:
            raise ValueError(f"weakest_penalty must be between 0 and 1, not {self.weakest_penalty}")
        for name in ("penalties", "shuffles"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} must be at least 2, not {getattr(self, name)}")


class Selectivity(Benchmark):
    name = "selectivity"
    summary = (
        "Latents that separate two labelled sets, against shuffled labels; L1 probes on them, at home and elsewhere."
    )
    Settings = SelectivitySettings

    def reads(self, settings: SelectivitySettings) -> Sequence[str]:
        sets = [settings.texts, *(names_of(one) for one in settings.transfer)]
        return list(dict.fromkeys(name for names in sets for name in names))

    def measure(self, task: Task) -> Iterator[Measurement]:
        train, tests = self._distributions(task)
        looks: dict[str, Mapping[str, Read]] = {}  # by whose network: the site's, or that of a control
        total, done = sum(map(len, task.conditions.values())), 0
        for condition, coders in task.conditions.items():
            whose = condition if condition in task.own_readers else ""
            if whose not in looks:
                sets = {"": train, **tests}.items()
                looks[whose] = {n: task.read(d.texts, task.settings.tokens, condition=whose) for n, d in sets}
            found = {}
            for coder in coders:
                task.progress(done / total, f"selectivity: {condition}, seed {coder.seed}")
                found[coder.seed] = task.remember(
                    f"{condition}, seed {coder.seed}",
                    lambda coder=coder, reads=looks[whose]: self._values(coder, task.settings, train, tests, reads),
                )
                done += 1
            yield from _measurements(condition, found)
        task.progress(1.0, "selectivity: done")

    def _distributions(self, task: Task) -> tuple[Distribution, Mapping[str, Distribution]]:
        """The training documents, and by name every set the probe is judged on; none has a training document."""
        settings = task.settings
        train, test = settings.home(task)
        tests = {HOME: test}
        for sets in settings.transfer:
            other = distribution(
                sets, task.texts, settings.classes or (train.classes if len(names_of(sets)) == 1 else ())
            )
            name = ", ".join(names_of(sets))
            if name in tests:
                raise UsageError(f"texts {name}", "it is named twice in `transfer`", "name it once")
            other = other.without(train.texts).at_most(settings.documents, settings.split_seed)
            if len(set(other.labels)) < 2:
                raise UsageError(f"texts {name}", "without the training documents a class is empty", "give another set")
            tests[name] = other
        return train, tests

    def _values(
        self,
        coder: Coder,
        settings: SelectivitySettings,
        train: Distribution,
        tests: Mapping[str, Distribution],
        reads: Mapping[str, Read],
    ) -> list[tuple[str, dict[str, Any], float]]:
        """Every metric of one coder with its setting."""
        import torch

        means, labels = document_means(coder, reads[""]), torch.tensor(train.labels)
        eligible = active_enough(means, settings.active_in)
        beyond = (selectivity(means, labels).abs() > settings.threshold) & eligible
        selective = float(beyond.double().mean())
        generator = torch.Generator().manual_seed(settings.split_seed)
        shuffled = shuffled_shares(means, labels, eligible, settings.threshold, settings.shuffles, generator)
        by_chance = float(shuffled.mean())
        found: list[tuple[str, dict[str, Any], float]] = [
            ("selective_latents", {"labels": "true"}, selective),
            ("selective_latents", {"labels": "shuffled"}, by_chance),
            ("selective_excess", {}, selective - by_chance),
        ]
        probes = {
            count: learn(means, labels, settings.selection, count, settings.penalties, settings.weakest_penalty)
            for count in settings.features
        }
        for count, probe in probes.items():
            found.append(("differential_probe_weights", {"features": count}, float(probe.used)))
        del means
        for name, test in tests.items():  # the means of one set at a time are held
            seen, classes = document_means(coder, reads[name]), torch.tensor(test.labels)
            for count, probe in probes.items():
                setting = {"features": count, "test": name}
                found.append(("differential_probe_auc", setting, float(auc(probe.decide(seen), classes))))
        return found


def document_means(coder: Coder, read: Read) -> Tensor:
    """Mean magnitude of every latent over the tokens of each document (documents, d_sae)."""
    return pooled(read, range(len(read.spans)), lambda rows: coder.encode(rows).abs()).double()


def _measurements(condition: str, found: Mapping[int, Any]) -> Iterator[Measurement]:
    """One measurement per metric and setting, an observation per seed."""
    for values in zip(*found.values(), strict=True):
        metric, setting, _ = values[0]
        observations = tuple(Observation((seed,), value) for seed, (_, _, value) in zip(found, values, strict=True))
        chance = 0.5 if metric == "differential_probe_auc" else None
        yield Measurement(metric, condition, observations, setting, chance)


class SelectiveLatents(Metric):
    card = MetricCard(
        name="selective_latents",
        version="1",
        unit="share of latents",
        direction="neither",
        definition="share of latents whose selectivity (a - b) / (a + b) is beyond the threshold either way; a and b "
        "are class means of the mean magnitude per training document, and a latent must be active in enough of these; "
        "with shuffled labels, the mean of that share over label permutations",
        low=0.0,
        high=1.0,
    )


class SelectiveExcess(Metric):
    card = MetricCard(
        name="selective_excess",
        version="1",
        unit="share of latents",
        direction="higher",
        definition="share of latents that are selective for the true labels, minus the mean of that share over label "
        "permutations",
        low=-1.0,
        high=1.0,
    )


class DifferentialProbeAUC(Metric):
    card = MetricCard(
        name="differential_probe_auc",
        version="1",
        unit="area under the ROC curve",
        direction="higher",
        definition="AUC on held-out documents of an L1 logistic regression on the document means of at most so many of "
        "the most selective latents; latents, scales, penalty and weights come from the training documents at home",
        low=0.0,
        high=1.0,
    )


class DifferentialProbeWeights(Metric):
    card = MetricCard(
        name="differential_probe_weights",
        version="1",
        unit="latents",
        direction="neither",
        definition="weights of the differential probe that are not zero",
        low=0.0,
        continuous=False,
    )


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    return [Selectivity()]


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [SelectiveLatents(), SelectiveExcess(), DifferentialProbeAUC(), DifferentialProbeWeights()]
