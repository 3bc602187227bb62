"""Gated: one projection read twice, to decide which latents are active and how strongly (arXiv 2404.16014).

The penalty and the second reconstruction see the gates alone. As in SAELens, and unlike the paper, the decoder
learns from that reconstruction too, and its norms weigh the penalty in place of a unit-norm constraint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from husai_architectures.affine import AffineArchitecture, squared_error
from husai_architectures.relu import ReluSettings
from husai_core import Architecture, Batch, Dims, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params


class Gated(AffineArchitecture):
    name = "gated"
    summary = "Gates choose the latents and magnitudes their size; L1 on the gates (SAELens's gated)."
    Settings = ReluSettings
    sae_lens_names = ("gated",)

    def initialise(self, dims: Dims, settings: ReluSettings, generator: Generator, mean: Tensor) -> Params:
        start = super().initialise(dims, settings, generator, mean)
        zeros = start.pop("b_enc")
        return {**start, "b_gate": zeros, "r_mag": zeros.clone(), "b_mag": zeros.clone()}

    def encode(self, params: Params, x: Tensor, settings: ReluSettings) -> Tensor:
        return self._encode(params, x, settings)[0]

    def _encode(self, params: Params, x: Tensor, settings: ReluSettings) -> tuple[Tensor, Tensor]:
        """Latents, and the pre-activations of their gates."""
        if settings.apply_b_dec_to_input:
            x = x - params["b_dec"].unsqueeze(-2)
        shared = x @ params["W_enc"]
        gates = shared + params["b_gate"].unsqueeze(-2)
        magnitudes = shared * params["r_mag"].exp().unsqueeze(-2) + params["b_mag"].unsqueeze(-2)
        return magnitudes.relu() * (gates > 0), gates

    def loss(self, params: Params, batch: Batch, settings: ReluSettings) -> Mapping[str, Tensor]:
        latents, gates = self._encode(params, batch.x, settings)
        gates = gates.relu()
        sparsity = (gates * params["W_dec"].norm(dim=-1).unsqueeze(-2)).sum(-1).mean(-1)
        return {
            "mse": squared_error(self.residual(params, latents, batch, settings)),
            "l1": settings.l1_coefficient * batch.ramp(settings.l1_warm_up) * sparsity,
            "aux": squared_error(self.residual(params, gates, batch, settings)),
        }

    def to_sae_lens(self, params: Params, settings: ReluSettings) -> tuple[Mapping[str, Any], Params]:
        return {"architecture": "gated", "apply_b_dec_to_input": settings.apply_b_dec_to_input}, params


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [Gated()]
