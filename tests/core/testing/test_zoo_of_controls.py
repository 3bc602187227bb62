"""The zoo of controls: each is wrong in exactly one way, caught by the check made for it and by no other."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from husai_core import Control, UsageError
from husai_core.control import AnyControl, FittedControl, KnownControl, ModelControl, TrainedControl
from husai_core.testing import control_contract
from husai_core.testing.controls import CHECKS, control_contracts
from husai_tests import zoo
from husai_tests.zoo import Zoo

ZOO = Zoo()
caught_by = ZOO.caught_by


@dataclass(frozen=True)
class Nothing:
    """Nothing to choose."""


class About:
    name = "zoo"
    summary = "For tests."
    expectation = "explained_variance is lower"
    Settings = Nothing


class Noise(About, Control):
    """A right one."""

    def make(self, base, settings, generator):
        drawn = torch.randn(base.params["W_dec"].shape, generator=generator)
        return {**base.params, "W_dec": drawn / drawn.norm(dim=-1, keepdim=True)}


class Start(About, Control):
    """A right one."""

    trained = False
    needs_initial = True

    def make(self, base, settings, generator):
        return dict(base.initial)


class Mean(About, FittedControl):
    """A right one: the mean of the rows, whatever the latents."""

    deterministic = True

    def fit(self, base, rows, settings, generator):
        made = {name: torch.zeros_like(value) for name, value in base.params.items()}
        return {**made, "W_dec": torch.ones_like(made["W_dec"]), "b_dec": rows.mean(0)}


class Truth(About, KnownControl):
    """A right one."""

    deterministic = True
    needs_tables = ("features",)

    def reveal(self, base, tables, rows, settings, generator):
        features = tables["features"]
        made = {name: torch.zeros_like(value) for name, value in base.params.items()}
        return {**made, "W_dec": features.clone(), "W_enc": features.T.clone()}


class Shuffled(About, TrainedControl):
    """A right one."""

    def write_rows(self, x, y, new_x, new_y, settings, generator):
        order = torch.randperm(len(x), generator=generator)
        new_x.copy_(x.flip(1))
        new_y.copy_(y[order] if new_y is not new_x else new_x.clone())


class Halved(About, ModelControl):
    """A right one."""

    def alter(self, network, settings):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(0.5)
        return network


RIGHT = [Noise, Start, Mean, Truth, Shuffled, Halved]


@caught_by("settings")
class SettingsCanChange(Noise):
    @dataclass
    class Settings:
        strength: float = 1.0


@caught_by("makes")
class TransposesTheDecoder(Noise):
    def make(self, base, settings, generator):
        made = super().make(base, settings, generator)
        return {**made, "W_dec": made["W_dec"].T}


@caught_by("makes")
class ForgetsTheBias(Noise):
    def make(self, base, settings, generator):
        made = super().make(base, settings, generator)
        return {name: value for name, value in made.items() if name != "b_dec"}


@caught_by("makes")
class DividesByZero(Noise):
    def make(self, base, settings, generator):
        made = super().make(base, settings, generator)
        return {**made, "b_enc": made["b_enc"] / 0}


@caught_by("makes")
class LeavesRowsOut(Shuffled):
    def write_rows(self, x, y, new_x, new_y, settings, generator):
        new_x[:-1] = x[1:]
        new_y[:-1] = y[1:]


@caught_by("base_unchanged")
class OverwritesTheBase(Noise):
    def make(self, base, settings, generator):
        made = super().make(base, settings, generator)
        base.params["b_dec"].add_(1.0)
        return made


@caught_by("base_unchanged")
class CentresTheRows(Mean):
    def fit(self, base, rows, settings, generator):
        made = super().fit(base, rows, settings, generator)
        rows.sub_(made["b_dec"])
        return made


@caught_by("base_unchanged")
class NormalisesTheTruth(Truth):
    def reveal(self, base, tables, rows, settings, generator):
        made = super().reveal(base, tables, rows, settings, generator)
        tables["features"].mul_(2)
        return made


@caught_by("global_rng_untouched")
class IgnoresTheGenerator(Noise):
    def make(self, base, settings, generator):
        drawn = torch.randn(base.params["W_dec"].shape) + base.seed
        return {**base.params, "W_dec": drawn / drawn.norm(dim=-1, keepdim=True)}


@caught_by("global_rng_untouched")
class Reseeds(Halved):
    def alter(self, network, settings):
        torch.manual_seed(0)
        return super().alter(network, settings)


@caught_by("same_seed_same_control")
class RemembersCalls(Noise):
    calls = 0

    def make(self, base, settings, generator):
        self.calls += 1
        made = super().make(base, settings, generator)
        return {**made, "b_dec": made["b_dec"] + 0.01 * self.calls}


@caught_by("same_seed_same_control")
class HalvesAgain(Halved):
    factor = 1.0

    def alter(self, network, settings):
        self.factor /= 2
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(self.factor)
        return network


@caught_by("seeds_differ")
class ClaimsToBeOneForAll(Noise):
    deterministic = True


@caught_by("seeds_differ")
class IsOneForAllAndDoesNotSay(Mean):
    deterministic = False


@caught_by("budget_is_honest")
class HidesItsTraining(Noise):
    trained = False


@caught_by("budget_is_honest")
class ClaimsATraining(Start):
    trained = True


@caught_by("needs_initial_is_honest")
class NeedsAStartAndDoesNotSay(Start):
    needs_initial = False


@caught_by("needs_initial_is_honest")
class NeedsNoStart(Noise):
    needs_initial = True


@caught_by("recipe_is_honest")
class RepeatsARecipeAndDoesNotSay(Shuffled):
    needs_recipe = False


@caught_by("layers_left_out")
class DrawsLayerAfterLayer(Halved):
    """The last parameters are drawn first, so the rest depends on how many there are."""

    def alter(self, network, settings):
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in reversed(list(network.parameters())):
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        return network


@caught_by("changes_something")
class IsItsBase(Noise):
    def make(self, base, settings, generator):
        return dict(base.params)


@caught_by("changes_something")
class LeavesTheNetwork(Halved):
    def alter(self, network, settings):
        return network


@caught_by("expectation")
class ExpectsNothing(Noise):
    expectation = "it is worse"


EFFECT = {"explained_variance": "lower", "l0": "same"}


@caught_by("effect")
class DoesNoHarm(Noise):
    def make(self, base, settings, generator):
        return {**base.params, "b_enc": base.params["b_enc"] + 1e-9 * torch.rand(1, generator=generator)}


@caught_by("effect")
class ChangesTheLatents(Noise):
    def make(self, base, settings, generator):
        return {**super().make(base, settings, generator), "b_enc": base.params["b_enc"] - 2.0}


def failing(control: AnyControl, effect: dict[str, str] | None = None) -> dict[str, str]:
    (contract,) = control_contracts(control, effect=effect)
    return zoo.failing(contract)


@pytest.mark.parametrize("kind", RIGHT)
def test_a_right_one_breaks_nothing(kind):
    assert failing(kind(), EFFECT if kind is Noise else None) == {}


@ZOO.each()
def test_each_wrong_one_is_caught_by_its_check_and_by_no_other(check, kind):
    zoo.assert_caught(failing(kind(), EFFECT if check == "effect" else None), check)


def test_every_check_can_fail():
    ZOO.assert_complete(CHECKS)


@pytest.mark.parametrize(
    ("effect", "says"),
    [({"explained_varianc": "lower"}, "did you mean 'explained_variance'"), ({"mse": "worse"}, "none of lower, same")],
)
def test_an_effect_that_cannot_be_seen_is_refused(effect, says):
    with pytest.raises(UsageError, match=says):
        control_contract(Noise(), effect=effect)
