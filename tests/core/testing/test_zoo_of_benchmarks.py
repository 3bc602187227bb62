"""The zoo of benchmarks: each is wrong in exactly one way, caught by the check made for it and by no other."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from husai_core import Benchmark, EvaluationError, Measurement, Metric, MetricCard, Observation, PairMetric
from husai_core.testing import Promises
from husai_core.testing.benchmarks import CHECKS, benchmark_contracts
from husai_tests import zoo
from husai_tests.zoo import Zoo

ZOO = Zoo()
caught_by = ZOO.caught_by


class Fit(Metric):
    card = MetricCard("zoo_fit", "1", "share of variance", "higher", "share of the rows' variance", high=1.0)


class Badness(Metric):
    """The same number under a card that calls the less the better."""

    card = MetricCard("zoo_badness", "1", "share of variance", "lower", "share of the rows' variance", high=1.0)


class Told(Metric):
    card = MetricCard("zoo_told", "1", "AUC", "higher", "AUC of a difference of class means", low=0.0, high=1.0)


class Scaled(Metric):
    card = MetricCard("zoo_scaled", "1", "share", "higher", "a share", high=1.0, scale=("d_sae",))


METRICS = [Fit(), Badness(), Told(), Scaled()]


@dataclass(frozen=True)
class Slices:
    rows_per_slice: int = 100

    def __post_init__(self) -> None:
        if self.rows_per_slice < 1:
            raise ValueError(f"rows_per_slice must be at least 1, not {self.rows_per_slice}")


class Rows(Benchmark):
    """A right one: the fit of each coder on test rows, and the agreement of each pair of dictionaries."""

    name = "zoo"
    summary = "For tests."
    Settings = Slices
    metric = "zoo_fit"

    def measure(self, task):
        for number, (condition, coders) in enumerate(task.conditions.items()):
            task.progress(number / len(task.conditions), condition)
            fits = {}
            for c in coders:
                work = lambda c=c, condition=condition: self.fit(c, task, condition)  # noqa: E731
                fits[c.seed] = task.remember(f"{condition} {c.seed}", work)
            yield self.of_seeds(condition, fits)
            yield from self.pairs(condition, coders, task)

    def of_seeds(self, condition, fits):
        return Measurement(self.metric, condition, tuple(Observation((s,), value) for s, value in fits.items()))

    def fit(self, coder, task, condition):
        rows = self.rows(task, condition)
        left = total = 0.0
        mean = rows.double().mean(0)
        for x in rows.split(task.settings.rows_per_slice):
            left += float((x - coder.reconstruct(x, self.encode(coder, x))).double().square().sum())
            total += float((x.double() - mean).square().sum())
        return self.sound(1 - left / total)

    def rows(self, task, condition):
        return task.own_rows(condition)[0]

    def sound(self, value):
        if value != value:
            raise EvaluationError("benchmark zoo", "the fit is NaN")
        return value

    def encode(self, coder, x):
        return coder.encode(x)

    def pairs(self, condition, coders, task):
        (metric,) = (m for m in task.metrics_of_kind(PairMetric) if m.name == "pwmcc")
        ordered = sorted(coders, key=lambda c: c.seed)
        seen = tuple(
            Observation((a.seed, b.seed), metric.compare(a.dictionary(), b.dictionary()))
            for a, b in combinations(ordered, 2)
        )
        yield Measurement("pwmcc", condition, seen, chance=self.chance(metric, ordered[0].dims))

    def chance(self, metric, dims):
        return metric.chance(dims.d_sae, dims.d_out)


class Labels(Benchmark):
    """A right one that reads documents: a direction from half of them tells the classes of the other half."""

    name = "zoo"
    summary = "For tests."
    Settings = Slices
    chance = 0.5

    def reads(self, settings):
        return ("zoo:one", "zoo:two")

    def measure(self, task):
        for condition, coders in task.conditions.items():
            seen = []
            for name, texts in sorted(task.texts.items()):
                found = self.read(task, texts, condition)
                for coder in coders:
                    work = lambda c=coder, f=found, t=texts: self.score(c, f, t)  # noqa: E731
                    score = task.remember(f"{condition} {coder.seed} {name}", work)
                    seen.append(Observation((coder.seed,), score, name))
            yield Measurement("zoo_told", condition, tuple(seen), chance=self.chance)

    def read(self, task, texts, condition):
        return task.read(texts.texts, 16, condition=condition).rows_in

    def score(self, coder, rows, texts):
        x = coder.encode(rows).unflatten(0, (len(texts.texts), -1)).mean(1).double()
        labels = torch.tensor(texts.labels).bool()
        half = len(x) // 2
        seen = self.trains_on(len(x))
        gap = x[:half][labels[:half]].mean(0) - x[:half][~labels[:half]].mean(0)
        if seen > half:
            gap = x[:seen][labels[:seen]].mean(0) - x[:seen][~labels[:seen]].mean(0)
        if not gap.isfinite().all():
            raise EvaluationError("benchmark zoo", "latents are not finite")
        top = torch.zeros_like(gap).index_fill(0, gap.abs().argmax(), 1.0) * gap if seen == half else gap
        values = x[half:] @ top
        above = (values[labels[half:], None] > values[None, ~labels[half:]]).double()
        equal = (values[labels[half:], None] == values[None, ~labels[half:]]).double()
        return float((above + equal / 2).mean())

    def trains_on(self, count):
        return count // 2


@caught_by("settings")
class SettingsCanChange(Rows):
    @dataclass
    class Settings:
        rows_per_slice: int = 100


@caught_by("measures")
class SkipsEverywhere(Rows):
    def measure(self, task):
        task.label("what nobody knows")
        yield from super().measure(task)


@caught_by("measures")
class MeasuresNothing(Rows):
    def measure(self, task):
        return iter(())


@caught_by("measures")
class LeavesOutACondition(Rows):
    def measure(self, task):
        yield from (m for m in super().measure(task) if m.condition == "good")


@caught_by("settings_are_checked")
class CrashesOnASetting(Rows):
    @dataclass(frozen=True)
    class Settings:
        rows_per_slice: int = 100


@caught_by("known_names")
class NobodysMetric(Rows):
    metric = "zoo_fitness"


@caught_by("known_names")
class MakesUpACondition(Rows):
    def measure(self, task):
        found = list(super().measure(task))
        good = next(m for m in found if m.condition == "good")
        yield from (*found, dataclasses.replace(good, condition="best"))


@caught_by("raw_observations")
class ReportsAMean(Rows):
    def of_seeds(self, condition, fits):
        mean = sum(sorted(fits.values())) / len(fits)
        return Measurement(self.metric, condition, (Observation(tuple(sorted(fits)), mean),))


@caught_by("raw_observations")
class ReportsTheFirstSeed(Rows):
    def of_seeds(self, condition, fits):
        return super().of_seeds(condition, dict(list(fits.items())[:1]))


@caught_by("raw_observations")
class ReportsNothing(Rows):
    def measure(self, task):
        found = list(super().measure(task))
        yield from (*found, dataclasses.replace(found[0], setting={"of": "all"}, observations=()))


@caught_by("each_unit_once")
class CountsTwice(Rows):
    def measure(self, task):
        for measurement in super().measure(task):
            yield measurement
            yield measurement


@caught_by("finite")
class WritesNaN(Rows):
    def measure(self, task):
        found = list(super().measure(task))
        extra = tuple(Observation(o.seeds, float("nan")) for o in found[0].observations)
        yield from (*found, Measurement("l0", "good", extra))


@caught_by("finite")
class WritesText(Rows):
    def measure(self, task):
        found = list(super().measure(task))
        yield from (*found, Measurement("l0", "good", (*(Observation((s,), "4") for s in (1, 2, 3)),)))


@caught_by("within_bounds")
class AboveItsBounds(Rows):
    def sound(self, value):
        return super().sound(value) + 1.5


@caught_by("within_bounds")
class StatesAnImpossibleChance(Labels):
    chance = 1.5


@caught_by("scale_stated")
class HidesItsScale(Rows):
    metric = "zoo_scaled"


@caught_by("progress")
class ProgressInPercent(Rows):
    def measure(self, task):
        task.progress(50.0, "half")
        yield from super().measure(task)


@caught_by("inputs_unchanged")
class NormalisesTheDictionary(Rows):
    def measure(self, task):
        yield from super().measure(task)
        for coders in task.conditions.values():
            coders[0].params["W_dec"].mul_(1.0001)


@caught_by("inputs_unchanged")
class CentresTheRows(Rows):
    def measure(self, task):
        yield from list(super().measure(task))
        task.test_in.sub_(task.test_in.mean(0))


@caught_by("inputs_unchanged")
class ChangesTheTruth(Rows):
    def measure(self, task):
        yield from super().measure(task)
        for label in task.known().labels.values():
            label.clamp_(max=1.0)


@caught_by("inputs_unchanged")
class CentresWhatWasRead(Labels):
    def read(self, task, texts, condition):
        rows = super().read(task, texts, condition)
        return rows.sub_(rows.mean(0))


@caught_by("global_rng_untouched")
class DrawsFromTorch(Rows):
    def encode(self, coder, x):
        torch.rand(())
        return super().encode(coder, x)


@caught_by("global_rng_untouched")
class ReseedsNumpy(Rows):
    def measure(self, task):
        np.random.seed(0)
        yield from super().measure(task)


@caught_by("global_rng_untouched")
class ShufflesWithRandom(Rows):
    def measure(self, task):
        random.shuffle(list(range(5)))
        yield from super().measure(task)


@caught_by("deterministic")
class RemembersRuns(Rows):
    calls = 0

    def measure(self, task):
        self.calls += 1
        yield from super().measure(task)

    def sound(self, value):
        return super().sound(value) - 1e-6 * self.calls


@caught_by("order_of_conditions")
class MeasuresAgainstTheFirst(Rows):
    def measure(self, task):
        first = next(iter(task.conditions))
        for m in super().measure(task):
            less = 0.0 if m.condition == first else 0.001
            seen = tuple(Observation(o.seeds, o.value - less) for o in m.observations)
            yield dataclasses.replace(m, observations=seen)


@caught_by("resumes")
class KeepsItBeside(Rows):
    """What is remembered is not what is measured: after a resumed run the rest of it is gone."""

    def measure(self, task):
        self.beside = {}
        yield from super().measure(task)

    def fit(self, coder, task, condition):
        value = super().fit(coder, task, condition)
        self.beside[round(value, 9)] = 0.1
        return value

    def of_seeds(self, condition, fits):
        return super().of_seeds(condition, {s: v - self.beside.get(round(v, 9), 0.0) for s, v in fits.items()})


@caught_by("resumes")
class RemembersUnderOneName(Rows):
    def measure(self, task):
        yield from super().measure(dataclasses.replace(task, kept=lambda name, work: task.kept(name.split()[0], work)))


@caught_by("a_failure_is_raised")
class LeavesOutWhatBreaks(Rows):
    def fit(self, coder, task, condition):
        try:
            return super().fit(coder, task, condition)
        except RuntimeError:
            return 0.0


@caught_by("a_failure_is_raised")
class SkipsWhatBreaks(Rows):
    def fit(self, coder, task, condition):
        try:
            return super().fit(coder, task, condition)
        except RuntimeError:
            task.label("what nobody knows")


@caught_by("nan_is_no_number")
class NaNIsZero(Rows):
    def encode(self, coder, x):
        rows = super().encode(coder, x)
        return rows if x.isnan().any() else rows.nan_to_num()


@caught_by("nan_rows_are_no_numbers")
class LeavesOutNaNRows(Rows):
    def fit(self, coder, task, condition):
        rows = task.test_in[~task.test_in.isnan().any(1)]
        return super().fit(coder, dataclasses.replace(task, test_in=rows), condition)


@caught_by("own_rows")
class KnowsOneNetworkOnly(Rows):
    def rows(self, task, condition):
        return task.test_in


@caught_by("own_rows")
class ReadsOneNetworkOnly(Labels):
    def read(self, task, texts, condition):
        return super().read(task, texts, "")


@caught_by("own_rows")
class TakesTheRowsOfAnother(Rows):
    def rows(self, task, condition):
        return next(iter(task.own.values()))[0] if task.own else task.test_in


@caught_by("skips_with_a_next_step")
class NeedsAModelAndDoesNotSay(Rows):
    def measure(self, task):
        task.reader.corpus()
        yield from super().measure(task)


@caught_by("direction")
class ClaimsTheWrongDirection(Rows):
    metric = "zoo_badness"


@caught_by("direction")
class TellsNothing(Rows):
    def sound(self, value):
        return super().sound(value) * 1e4 % 1

    def pairs(self, condition, coders, task):
        return iter(())


@caught_by("chance")
class WrongChance(Rows):
    def chance(self, metric, dims):
        return dims.d_sae**-0.5


@caught_by("random_labels_are_chance")
class TrainsOnTestDocuments(Labels):
    def trains_on(self, count):
        return count


@caught_by("random_labels_are_chance")
class ChanceTooLow(Labels):
    chance = 0.3


def failing(benchmark: Benchmark, **arguments: Any) -> dict[str, str]:
    (contract,) = benchmark_contracts(benchmark, metrics=METRICS, **arguments)
    return zoo.failing(contract)


@pytest.mark.parametrize("kind", [Rows, Labels])
def test_a_right_one_breaks_nothing(kind):
    assert failing(kind()) == {}


@ZOO.each()
def test_each_wrong_one_is_caught_by_its_check_and_by_no_other(check, kind):
    zoo.assert_caught(failing(kind()), check)


def test_every_check_can_fail():
    ZOO.assert_complete(CHECKS)


def test_what_is_promised_is_not_asked():
    assert failing(ClaimsTheWrongDirection(), promises=Promises(indifferent={"zoo_badness": "it is a twin"})) == {}
    assert failing(WrongChance(), promises=Promises(no_chance_here={"pwmcc": "of another kind"})) == {}

    class KnowsItself(WrongChance):
        promises = Promises(no_chance_here={"pwmcc": "of another kind"})

    assert failing(KnowsItself()) == {}
    (contract,) = benchmark_contracts(SkipsEverywhere(), metrics=METRICS, promises=Promises(needs="what nobody knows"))
    assert contract.outcome("measures").status == "skipped"


@pytest.mark.parametrize(
    ("promises", "says"),
    [
        (Promises(indifferent={"zoo_fat": "why"}), "did you mean 'zoo_fit'"),
        (Promises(indifferent={"zoo_fit": " "}), "the reason is empty"),
    ],
)
def test_a_promise_about_nothing_is_refused(promises, says):
    assert says in failing(Rows(), promises=promises)["direction"]
