"""JumpReLU: ReLU with a learned threshold per latent, trained on L0 itself (arXiv 2407.14435).

A jump has no gradient, so the thresholds learn from the activations within half a bandwidth of them. They are
parameters themselves, as in SAELens and dictionary_learning, and not logarithms as in the paper: Adam moves a
parameter by about the learning rate per step, which raises a small threshold too slowly when that is its logarithm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_architectures import threshold
from husai_architectures.affine import (
    AffineArchitecture,
    AffineSettings,
    at_least_zero,
    restore_unit_rows,
    squared_error,
    variance,
)
from husai_architectures.straight_through import straight_through
from husai_core import Architecture, Batch, Dims, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params


@dataclass(frozen=True)
class JumpReluSettings(AffineSettings):
    """`sparsity` is "target", `(L0 / target_l0 - 1)^2` in units of the variance of y, or "step", L0 itself.

    The coefficient of either grows from 0 over the share `l0_warm_up` of training. Bandwidth and thresholds are in
    units of the activations. `pre_act_coefficient` pulls dead latents towards their thresholds.
    """

    sparsity: str = "target"
    target_l0: float = 32.0
    l0_coefficient: float = 1.0
    l0_warm_up: float = 0.1
    bandwidth: float = 0.1
    initial_threshold: float = 0.1
    pre_act_coefficient: float = 0.0

    def __post_init__(self) -> None:
        if self.sparsity not in ("target", "step"):
            raise ValueError(f"sparsity must be 'target' or 'step', not '{self.sparsity}'")
        for name in ("l0_coefficient", "l0_warm_up", "initial_threshold", "pre_act_coefficient"):
            at_least_zero(name, getattr(self, name))
        for name in ("target_l0", "bandwidth"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")


class JumpRelu(AffineArchitecture):
    name = "jumprelu"
    summary = "ReLU above a learned threshold per latent, straight-through gradients, an L0 target or penalty."
    Settings = JumpReluSettings
    sae_lens_names = ("jumprelu",)

    def initialise(self, dims: Dims, settings: JumpReluSettings, generator: Generator, mean: Tensor) -> Params:
        start = super().initialise(dims, settings, generator, mean)
        return {**start, "threshold": mean.new_full((dims.d_sae,), settings.initial_threshold)}

    def encode(self, params: Params, x: Tensor, settings: JumpReluSettings) -> Tensor:
        return threshold.above(self.pre_activations(params, x, settings), params["threshold"])

    def loss(self, params: Params, batch: Batch, settings: JumpReluSettings) -> Mapping[str, Tensor]:
        pre = self.pre_activations(params, batch.x, settings)
        latents, l0 = straight_through().apply(pre, params["threshold"], settings.bandwidth)
        if settings.sparsity == "target":
            l0 = (l0 / settings.target_l0 - 1).square() * variance(batch.y)
        terms = {
            "mse": squared_error(self.residual(params, latents, batch, settings)),
            "l0": settings.l0_coefficient * batch.ramp(settings.l0_warm_up) * l0,
        }
        if batch.dead is not None and settings.pre_act_coefficient > 0:
            short = (params["threshold"].unsqueeze(-2) - pre).relu() * batch.dead.unsqueeze(-2)
            weighted = (short * params["W_dec"].norm(dim=-1).unsqueeze(-2)).sum(-1)
            terms["pre_act"] = settings.pre_act_coefficient * weighted.mean(-1)
        return terms

    def project(self, params: Params, settings: JumpReluSettings) -> None:
        restore_unit_rows(params)
        params["threshold"].detach().clamp_(min=0)

    def to_sae_lens(self, params: Params, settings: JumpReluSettings) -> tuple[Mapping[str, Any], Params]:
        return {"architecture": "jumprelu", "apply_b_dec_to_input": settings.apply_b_dec_to_input}, params

    def from_sae_lens(self, config: Mapping[str, Any], tensors: Params) -> tuple[Mapping[str, Any], Params]:
        if "log_threshold" in tensors:  # older checkpoints hold the logarithm
            tensors = dict(tensors)
            tensors["threshold"] = tensors.pop("log_threshold").exp()
        return super().from_sae_lens(config, tensors)


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [JumpRelu()]
