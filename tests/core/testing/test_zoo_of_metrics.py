"""The zoo of metrics: each is wrong in exactly one way, caught by the check made for it and by no other."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import numpy as np
import pytest
import torch

from husai_core import CoderMetric, Metric, MetricCard, PairMetric, StreamMetric, UsageError
from husai_core.metric import ActivationPairMetric
from husai_core.testing import metric_contract
from husai_core.testing.metrics import CHECKS, metric_contracts
from husai_tests import zoo
from husai_tests.zoo import Zoo

ZOO = Zoo()
caught_by = ZOO.caught_by


def card(direction: str, low: float | None = None, high: float | None = None, **more: Any) -> MetricCard:
    return MetricCard("zoo", "1", "share", direction, "a number", low, high, **more)  # type: ignore[arg-type]


class Mse(StreamMetric):
    """A right one."""

    card = card("lower", 0.0)

    def update(self, state, batch):
        total, rows = state or (0.0, 0)
        error = (batch.output.double() - batch.target.double()).square().sum()
        return total + float(error), rows + len(batch.target)

    def finish(self, state):
        return state[0] / state[1]


class Alike(PairMetric):
    """A right one: the mean squared cosine of all pairs, whose expectation is 1 / d."""

    card = card("higher", 0.0, 1.0)

    def prepare(self, dictionary):
        norms = dictionary.double().norm(dim=-1, keepdim=True)
        if (norms == 0).any():
            raise ValueError("a direction has no length")
        unit = dictionary.double() / norms
        return unit

    def compare(self, first, second):
        best = (first @ second.T).square()
        return self.bounded(float(best.amax(1).mean() + best.amax(0).mean()) / 2)

    def bounded(self, value):
        return min(1.0, max(0.0, value))


class MeanSquare(Alike):
    """A right one with a chance level."""

    card = card("neither", 0.0, 1.0)

    def compare(self, first, second):
        return self.bounded(float((first @ second.T).square().mean()))

    def chance(self, features, dimensions):
        return 1 / dimensions


class Together(ActivationPairMetric):
    """A right one: on how many rows the two have as many latents in common, by place."""

    card = card("higher", -1.0, 1.0)

    def bytes_held(self, first, second):
        return 24 * min(first, second)

    def update(self, state, first, second):
        width = min(first.shape[1], second.shape[1])
        one, other = (latents[:, :width].double() for latents in (first, second))
        sums = torch.stack([(one * other).sum(0), one.square().sum(0), other.square().sum(0)])
        return sums if state is None else state + sums

    def finish(self, state):
        product, one, other = state.sum(1).tolist()
        if one == 0 or other == 0:
            raise ValueError("a latent never fires")
        return min(1.0, max(-1.0, product / (one * other) ** 0.5))


class Moved(CoderMetric):
    """A right one."""

    card = card("neither", -1.0, 1.0)
    needs_initial = True

    def of(self, coder):
        one, other = (params["W_dec"].double().flatten() for params in (coder.params, coder.initial))
        if not one.any():
            raise ValueError("the dictionary is zero")
        return min(1.0, max(-1.0, float(one @ other / (one.norm() * other.norm()))))


class Bare(Metric):
    card = card("neither")


RIGHT = [Mse, Alike, MeanSquare, Together, Moved, Bare]


@caught_by("card")
class NoUnit(Bare):
    card = dataclasses.replace(Bare.card, unit=" ")


@caught_by("card")
class BoundsTurned(Bare):
    card = card("neither", 1.0, 0.0)


@caught_by("card")
class NoSuchDirection(Bare):
    card = card("up")


@caught_by("card_survives")
class LosesItsScale(Bare):
    card = card("neither", scale=["d_sae"])


@caught_by("former_versions")
class FormerlyTheSame(Bare):
    former = (Bare.card,)


@caught_by("former_versions")
class FormerlyAnother(Bare):
    former = (dataclasses.replace(Bare.card, name="other", version="0"),)


@caught_by("computes")
class ComputesNothing(Mse):
    def finish(self, state):
        raise NotImplementedError("later")


@caught_by("computes")
class NaNForLargeRows(Mse):
    def finish(self, state):
        return float("nan") if super().finish(state) > 1e6 else super().finish(state)


@caught_by("within_bounds")
class AboveItsBounds(Alike):
    def bounded(self, value):
        return value + 1e-9


@caught_by("within_bounds")
class MisstatesItsBounds(Mse):
    card = card("lower", 0.0, 1.0)


@caught_by("degenerate_input")
class DividesByZero(Mse):
    def finish(self, state):
        if state[0] == 0:
            return 0.0
        return super().finish(state) if state[1] > 1 else 1 / 0


@caught_by("degenerate_input")
class NaNForZeros(Alike):
    def prepare(self, dictionary):
        return dictionary.double() / dictionary.double().norm(dim=-1, keepdim=True)

    def bounded(self, value):
        return super().bounded(value) if value == value else value


@caught_by("deterministic")
class CountsCalls(Mse):
    calls = 0

    def finish(self, state):
        self.calls += 1
        return super().finish(state) * (1 + 1e-8 * self.calls)


@caught_by("global_rng_untouched")
class DrawsFromTorch(Mse):
    def update(self, state, batch):
        torch.rand(1)
        return super().update(state, batch)


@caught_by("global_rng_untouched")
class DrawsFromNumpy(Alike):
    def compare(self, first, second):
        np.random.permutation(3)
        return super().compare(first, second)


@caught_by("global_rng_untouched")
class Reseeds(Moved):
    def of(self, coder):
        random.seed(0)
        return super().of(coder)


@caught_by("input_unchanged")
class CentresInPlace(Mse):
    def finish(self, state):
        return super().finish(state)

    def update(self, state, batch):
        state = super().update(state, batch)
        batch.output.sub_(batch.target)
        return state


@caught_by("input_unchanged")
class NormalisesInPlace(Alike):
    def prepare(self, dictionary):
        unit = super().prepare(dictionary)
        dictionary.div_(dictionary.norm(dim=-1, keepdim=True))
        return unit


@caught_by("input_unchanged")
class ScalesTheDecoder(Moved):
    def of(self, coder):
        value = super().of(coder)
        coder.params["W_dec"].mul_(1.01)
        return value


@caught_by("direction")
class ErrorsAreGood(Mse):
    card = card("higher", 0.0)


@caught_by("direction")
class AgreementIsBad(Alike):
    card = card("lower", 0.0, 1.0)


@caught_by("direction")
class TellsNothing(Together):
    def finish(self, state):
        super().finish(state)
        return 0.5


@caught_by("slices_do_not_matter")
class AveragesSlices(Mse):
    def update(self, state, batch):
        total, slices = state or (0.0, 0)
        return total + float((batch.output.double() - batch.target.double()).square().sum(1).mean()), slices + 1


@caught_by("slices_do_not_matter")
class CentresEachSlice(Together):
    def update(self, state, first, second):
        first, second = (latents - latents.mean(0) / 2 for latents in (first, second))
        return super().update(state, first, second)


@caught_by("states_are_separate")
class RemembersRows(Mse):
    rows = 0

    def update(self, state, batch):
        self.rows = len(batch.target) + (self.rows if state else 0)
        return super().update(state, batch)

    def finish(self, state):
        return state[0] / self.rows


@caught_by("accumulates_in_float64")
class AddsInSinglePrecision(Mse):
    def update(self, state, batch):
        total, rows = state or (torch.zeros(()), 0)
        return total + (batch.output - batch.target).double().square().sum().float(), rows + len(batch.target)

    def finish(self, state):
        return float(state[0].double()) / state[1]


@caught_by("symmetric")
class OneWayOnly(Alike):
    def compare(self, first, second):
        return self.bounded(float((first @ second.T).square().amax(1).mean()))


@caught_by("symmetric")
class PrefersTheFirst(Together):
    def finish(self, state):
        product, one, other = state.sum(1).tolist()
        if one == 0 or other == 0:
            raise ValueError("a latent never fires")
        value = product / (one * other) ** 0.5
        return min(1.0, max(-1.0, value * (1 if one <= other else 0.9)))


@caught_by("chance")
class WrongChance(MeanSquare):
    def chance(self, features, dimensions):
        return 2 / (dimensions + 2)


@caught_by("chance")
class ChanceOutsideItsBounds(MeanSquare):
    def chance(self, features, dimensions):
        return 1.5


@caught_by("bytes_held")
class TakesMoreThanItSays(Together):
    def bytes_held(self, first, second):
        return 16


@caught_by("needs_initial")
class NeedsAStartAndDoesNotSay(Moved):
    needs_initial = False


@caught_by("needs_initial")
class NeedsNoStart(Moved):
    def of(self, coder):
        rows = coder.params["W_dec"].double()
        if not rows.any():
            raise ValueError("the dictionary is zero")
        return min(1.0, float(rows.mean()))


def failing(metric: Metric, **arguments: Any) -> dict[str, str]:
    (contract,) = metric_contracts(metric, **arguments)
    return zoo.failing(contract)


@pytest.mark.parametrize("kind", RIGHT)
def test_a_right_one_breaks_nothing(kind):
    assert failing(kind()) == {}


@ZOO.each()
def test_each_wrong_one_is_caught_by_its_check_and_by_no_other(check, kind):
    zoo.assert_caught(failing(kind()), check)


def test_every_check_can_fail():
    ZOO.assert_complete(CHECKS)


def test_an_author_may_say_what_is_better():
    one = torch.eye(3)
    assert "direction" in failing(Alike(), better=((one, one.flip(1) + 1), (one, one)))
    assert failing(Alike(), better=((one, one), (one, one.flip(1) + 1))) == {}


def test_a_metric_that_is_not_installed_is_named():
    with pytest.raises(UsageError, match="did you mean 'pwmcc'"):
        metric_contract("pwmc")
