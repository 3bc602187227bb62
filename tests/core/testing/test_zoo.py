"""The zoo: architectures that are each wrong in exactly one way, caught by the check made for it and by no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from husai_architectures.topk import TopK, TopKSettings, largest
from husai_core import Architecture, Traits
from husai_core.testing.architectures import CHECKS, architecture_contracts
from husai_tests import zoo
from husai_tests.zoo import Zoo

ZOO = Zoo()
caught_by = ZOO.caught_by


class Exported(TopK):
    """A right one: TopK that also reads what it writes for SAELens."""

    name = "right"
    summary = "For tests."
    sae_lens_names = ("topk",)

    def from_sae_lens(self, config, tensors):
        return {"k": config["k"]}, tensors


class Right(TopK):
    """A right one with everything the contract looks at but a family of SAELens: a calibrated, fixed threshold."""

    name = "right"
    summary = "For tests."
    fixed = frozenset({"threshold"})
    sae_lens_names = ()

    def initialise(self, dims, settings, generator, mean):
        return {**super().initialise(dims, settings, generator, mean), "threshold": mean.new_zeros(1)}

    def encode(self, params, x, settings):
        latents = super().encode(params, x, settings)
        return latents * (latents > params["threshold"].unsqueeze(-1))

    def calibrate(self, params, rows, settings):
        latents = largest(self.pre_activations(params, rows, settings).relu(), settings.k)
        params["threshold"].copy_(0.05 * latents.amax((-2, -1)).unsqueeze(-1))

    def to_sae_lens(self, params, settings):
        return {}, params


@caught_by("starts")
class CannotStart(Right):
    def initialise(self, dims, settings, generator, mean):
        raise NotImplementedError("later")


@caught_by("starts")
class StartsAtNaN(Right):
    def initialise(self, dims, settings, generator, mean):
        start = super().initialise(dims, settings, generator, mean)
        return {**start, "b_enc": start["b_enc"] / 0}


@caught_by("settings")
class SettingsCanChange(Right):
    @dataclass
    class Settings:
        k: int = 4
        aux_k: int | None = None
        aux_coefficient: float = 1 / 32
        apply_b_dec_to_input: bool = True


@caught_by("settings")
class SettingsOutsideAStudyFile(Right):
    @dataclass(frozen=True)
    class Settings(TopKSettings):
        weights: tuple[tuple[float, ...], ...] = ((1.0,),)  # a nested tuple comes back as a list


@caught_by("defaults")
class DefaultsFailWithoutAName(Right):
    @dataclass(frozen=True)
    class Settings(TopKSettings):
        k: int = 0

        def __post_init__(self) -> None:
            if self.k < 1:
                raise ValueError("impossible")


@caught_by("seed_decides")
class IgnoresTheSeed(Right):
    def initialise(self, dims, settings, generator, mean):
        return super().initialise(dims, settings, torch.Generator().manual_seed(0), mean)


@caught_by("mean_is_copied")
class KeepsTheMean(Right):
    def initialise(self, dims, settings, generator, mean):
        return {**super().initialise(dims, settings, generator, mean), "b_dec": mean}


@caught_by("mean_is_copied")
class ChangesTheMean(Right):
    def initialise(self, dims, settings, generator, mean):
        start = super().initialise(dims, settings, generator, mean)
        mean.mul_(0.5)
        return start


@caught_by("mean_is_copied")
class TiesWithoutCopying(Right):
    def initialise(self, dims, settings, generator, mean):
        start = super().initialise(dims, settings, generator, mean)
        return {**start, "W_enc": start["W_dec"].T}


@caught_by("shapes")
class TransposedDecoder(Right):
    def initialise(self, dims, settings, generator, mean):
        start = super().initialise(dims, settings, generator, mean)
        return {**start, "W_dec": start["W_dec"].T.contiguous()}

    def decode(self, params, latents, settings):
        return latents @ params["W_dec"].mT + params["b_dec"].unsqueeze(-2)


@caught_by("fixed_exists")
class FixesWhatIsNotThere(Right):
    fixed = frozenset({"threshhold"})


@caught_by("stored_by_latent")
class StoresABiasByLatent(Right):
    stored_by_latent = frozenset({"W_enc", "b_enc"})


@caught_by("stored_by_latent")
class StoresTheDecoderByLatent(Right):
    stored_by_latent = frozenset({"W_dec"})


@caught_by("stored_by_latent")
class StoresWhatIsNotThere(Right):
    stored_by_latent = frozenset({"w_enc"})


@caught_by("dtypes")
class SinglePrecisionOnly(Right):
    def encode(self, params, x, settings):
        return super().encode(params, x, settings).float()


@caught_by("batch_unchanged")
class WritesIntoRows(Right):
    def encode(self, params, x, settings):
        x.mul_(1.01)
        return super().encode(params, x, settings)


@caught_by("batch_unchanged")
class WritesIntoTargets(Right):
    def loss(self, params, batch, settings):
        batch.y.sub_(1e-3)
        return super().loss(params, batch, settings)


@caught_by("params_unchanged")
class WritesIntoParameters(Right):
    def encode(self, params, x, settings):
        params["b_enc"].data.sub_(1e-4)
        return super().encode(params, x, settings)


@caught_by("global_rng_untouched")
class DrawsNoise(Right):
    def encode(self, params, x, settings):
        return super().encode(params, x, settings) * (1 + 1e-3 * torch.rand(()))


@caught_by("global_rng_untouched")
class Reseeds(Right):
    def initialise(self, dims, settings, generator, mean):
        torch.manual_seed(0)
        return super().initialise(dims, settings, generator, mean)


@caught_by("global_rng_untouched")
class DrawsFromNumpy(Right):
    def calibrate(self, params, rows, settings):
        np.random.rand()
        super().calibrate(params, rows, settings)


@caught_by("deterministic")
class RemembersCalls(Right):
    calls = 0

    def encode(self, params, x, settings):
        self.calls += 1
        return super().encode(params, x, settings) * (1 + 1e-4 * self.calls)


@caught_by("rows_are_independent")
class LooksAtTheBatch(Right):
    def encode(self, params, x, settings):
        return super().encode(params, x, settings) * (1 + 0.01 * x.mean().tanh())


@caught_by("rows_are_independent")
class LooksAtTheFirstRow(Right):
    def reconstruct(self, params, x, latents, settings):
        return super().reconstruct(params, x, latents, settings) + 1e-3 * x[..., :1, :]


@caught_by("extreme_rows")
class DividesByTheNorm(Right):
    def encode(self, params, x, settings):
        norm = x.norm(dim=-1, keepdim=True)
        return super().encode(params, x, settings) * (norm / norm)


@caught_by("extreme_rows")
class Overflows(Right):
    def encode(self, params, x, settings):
        latents = super().encode(params, x, settings)
        return latents * latents.exp() / latents.exp()


@caught_by("nonnegative")
class NegativeLatents(Right):
    def encode(self, params, x, settings):
        before = self.pre_activations(params, x, settings)
        return before * (largest(before.abs(), settings.k) != 0)


@caught_by("at_most_k")
class LiesAboutK(Right):
    def encode(self, params, x, settings):
        return largest(self.pre_activations(params, x, settings).relu(), settings.k + 1)


@caught_by("own_target")
class MovesTheTarget(Right):
    def target(self, params, x, y, settings):
        return y * 1.01


@caught_by("own_target")
class BoastsOfATarget(Right):
    traits = Traits(at_most_k=True, own_target=True)


@caught_by("project_in_place")
class ReplacesTensors(Right):
    def project(self, params, settings):
        params["W_dec"] = params["W_dec"] / params["W_dec"].norm(dim=-1, keepdim=True)


@caught_by("project_is_idempotent")
class ShrinksEveryStep(Right):
    def project(self, params, settings):
        params["W_dec"].detach().mul_(0.999)


@caught_by("loss_terms")
class AddsSeedsUp(Right):
    def loss(self, params, batch, settings):
        return {name: value.sum() for name, value in super().loss(params, batch, settings).items()}


@caught_by("loss_terms")
class MinimisesNothing(Right):
    def loss(self, params, batch, settings):
        return {}


@caught_by("loss_terms")
class WarmUpDividesByZero(Right):
    def loss(self, params, batch, settings):
        return {name: value / batch.ramp(0.5) for name, value in super().loss(params, batch, settings).items()}


@caught_by("dead_masks")
class AveragesOverNoDeadLatents(Right):
    def loss(self, params, batch, settings):
        terms: Mapping[str, torch.Tensor] = super().loss(params, batch, settings)
        return terms if batch.dead is None else {**terms, "aux": terms["aux"] / batch.dead.sum(-1)}


@caught_by("gradients")
class DetachesAParameter(Right):
    def loss(self, params, batch, settings):
        return super().loss({**params, "b_enc": params["b_enc"].detach()}, batch, settings)


@caught_by("gradients")
class LearnsWhatIsFixed(Right):
    def loss(self, params, batch, settings):
        threshold = params["threshold"].requires_grad_()
        return {**super().loss(params, batch, settings), "threshold": (threshold - 1).square().sum(-1)}


@caught_by("zero_rows_in_training")
class NormalisesByTheTarget(Right):
    def loss(self, params, batch, settings):
        terms = super().loss(params, batch, settings)
        scale = batch.y.norm(dim=-1)
        return {**terms, "mse": terms["mse"] * (scale / scale).mean()}


@caught_by("seeds_are_separate")
class SharesABias(Right):
    def pre_activations(self, params, x, settings):
        bias = params["b_enc"].expand_as(params["b_enc"]).reshape(-1, params["b_enc"].shape[-1]).mean(0)
        return super().pre_activations({**params, "b_enc": 0.5 * (params["b_enc"] + bias)}, x, settings)

    def calibrate(self, params, rows, settings):
        params["threshold"].zero_()


@caught_by("seeds_are_separate")
class SharesALoss(Right):
    def loss(self, params, batch, settings):
        terms = super().loss(params, batch, settings)
        return {**terms, "mse": terms["mse"] + 0.1 * terms["mse"].detach().mean()}


@caught_by("calibrate")
class CalibratesLearnedParameters(Right):
    def calibrate(self, params, rows, settings):
        params["b_enc"].add_(1e-3)


@caught_by("calibrate")
class CalibratesAllSeedsAlike(Right):
    def calibrate(self, params, rows, settings):
        super().calibrate(params, rows, settings)
        params["threshold"].fill_(params["threshold"].max())


@caught_by("trains")
class TrainsTheWrongWay(Right):
    def loss(self, params, batch, settings):
        return {name: -value for name, value in super().loss(params, batch, settings).items()}


@caught_by("save_and_load")
class ForgetsTheDecoderBias(Right):
    def to_sae_lens(self, params, settings):
        keys, tensors = Exported.to_sae_lens(self, params, settings)
        return keys, {name: value for name, value in tensors.items() if name != "b_dec"}

    def from_sae_lens(self, config, tensors):
        return Exported.from_sae_lens(self, config, {**tensors, "b_dec": torch.zeros(tensors["W_dec"].shape[-1])})


@caught_by("save_and_load")
class WritingScalesTheDecoder(Right):
    def to_sae_lens(self, params, settings):
        params["W_dec"].mul_(1.001)
        return {}, params


@caught_by("settings_restored")
class ReadsAnotherK(Exported):
    def from_sae_lens(self, config, tensors):
        return {"k": config["k"] + 1}, tensors


@caught_by("loads_in_sae_lens")
class WritesAnotherK(Exported):
    def to_sae_lens(self, params, settings):
        keys, tensors = super().to_sae_lens(params, settings)
        return {**keys, "k": settings.k - 1}, tensors

    def from_sae_lens(self, config, tensors):
        return {"k": config["k"] + 1}, tensors


@caught_by("loads_in_sae_lens")
class ReadsWhatItNeverWrites(Exported):
    def to_sae_lens(self, params, settings):
        return {}, params

    def from_sae_lens(self, config, tensors):
        return {"k": 4}, tensors


def failing(architecture: Architecture) -> dict[str, str]:
    (contract,) = architecture_contracts(architecture)
    return zoo.failing(contract)


@pytest.mark.parametrize("kind", [Right, Exported])
def test_a_right_one_breaks_nothing(kind):
    assert failing(kind()) == {}


@ZOO.each()
def test_each_wrong_one_is_caught_by_its_check_and_by_no_other(check, kind):
    if kind is WritesAnotherK:
        pytest.importorskip("sae_lens", reason="what SAELens computes is compared where it is installed")
    zoo.assert_caught(failing(kind()), check)


def test_every_check_can_fail():
    ZOO.assert_complete(CHECKS)


def test_every_check_is_a_rule_and_comes_after_checks_that_exist():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for check in CHECKS:
        assert check.rule.endswith(".")
        assert set(check.after) <= set(names) - {check.name}
