"""ReLU: the standard sparse autoencoder, with an L1 penalty weighted by the decoder norms.

The penalty is `sum_i f_i * ||W_dec_i||`: shrinking a latent and growing its direction gains nothing, so the
decoder needs no unit norm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_architectures.affine import AffineArchitecture, AffineSettings, at_least_zero, squared_error
from husai_core import Architecture, Batch, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.sae import Params


@dataclass(frozen=True)
class ReluSettings(AffineSettings):
    """The weight of the sparsity term beside the squared error; it grows from 0 over the share `l1_warm_up`."""

    l1_coefficient: float = 1.0
    l1_warm_up: float = 0.0

    def __post_init__(self) -> None:
        at_least_zero("l1_coefficient", self.l1_coefficient)
        at_least_zero("l1_warm_up", self.l1_warm_up)


class Relu(AffineArchitecture):
    name = "relu"
    summary = "ReLU latents with a decoder-norm-weighted L1 penalty (SAELens's standard)."
    Settings = ReluSettings
    sae_lens_names = ("standard", "transcoder")

    def encode(self, params: Params, x: Tensor, settings: ReluSettings) -> Tensor:
        return self.pre_activations(params, x, settings).relu()

    def loss(self, params: Params, batch: Batch, settings: ReluSettings) -> Mapping[str, Tensor]:
        latents = self.encode(params, batch.x, settings)
        norms = params["W_dec"].norm(dim=-1)
        sparsity = (latents * norms.unsqueeze(-2)).sum(-1).mean(-1)
        return {
            "mse": squared_error(self.residual(params, latents, batch, settings)),
            "l1": settings.l1_coefficient * batch.ramp(settings.l1_warm_up) * sparsity,
        }

    def to_sae_lens(self, params: Params, settings: ReluSettings) -> tuple[Mapping[str, Any], Params]:
        d_in, d_out = params["W_enc"].shape[-2], params["W_dec"].shape[-1]
        if d_in != d_out:
            return {"architecture": "transcoder", "apply_b_dec_to_input": False, "d_out": d_out}, params
        return {"architecture": "standard", "apply_b_dec_to_input": settings.apply_b_dec_to_input}, params


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [Relu()]
