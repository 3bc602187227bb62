"""Affine: the encoder, decoder, start and reconstruction term that the plain architectures share.

Names and formulas are SAELens's, so that a coder trained here loads there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_core import Architecture, Batch, Dims

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params


@dataclass(frozen=True)
class AffineSettings:
    """`apply_b_dec_to_input` subtracts the decoder bias before encoding; set it to false for a transcoder."""

    apply_b_dec_to_input: bool = True


def at_least_zero(name: str, value: float) -> None:
    """Refuse a coefficient that is negative, infinite or NaN."""
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be finite and not negative, not {value}")


class AffineArchitecture(Architecture):
    """Pre-activations `(x - b_dec) @ W_enc + b_enc`; an architecture adds what it does with them."""

    def initialise(self, dims: Dims, settings: Any, generator: Generator, mean: Tensor) -> Params:
        """Random unit decoder rows, encoder their transpose if widths allow, decoder bias at the mean."""
        if settings.apply_b_dec_to_input and dims.d_in != dims.d_out:
            raise ValueError(
                f"apply_b_dec_to_input needs d_in == d_out, not {dims.d_in} and {dims.d_out}: "
                "set it to false for a transcoder"
            )
        directions = unit_rows(dims.d_sae, dims.d_out, generator, mean)
        tied = dims.d_in == dims.d_out
        readers = directions if tied else unit_rows(dims.d_sae, dims.d_in, generator, mean)
        return {
            "W_enc": readers.T.clone(),
            "b_enc": mean.new_zeros(dims.d_sae),
            "W_dec": directions,
            "b_dec": mean.clone(),
        }

    def from_sae_lens(self, config: Mapping[str, Any], tensors: Params) -> tuple[Mapping[str, Any], Params]:
        return {"apply_b_dec_to_input": config["apply_b_dec_to_input"]}, tensors

    def pre_activations(self, params: Params, x: Tensor, settings: AffineSettings) -> Tensor:
        if settings.apply_b_dec_to_input:
            x = x - params["b_dec"].unsqueeze(-2)
        return x @ params["W_enc"] + params["b_enc"].unsqueeze(-2)

    def residual(self, params: Params, latents: Tensor, batch: Batch, settings: AffineSettings) -> Tensor:
        return batch.y - self.reconstruct(params, batch.x, latents, settings)


def squared_error(residual: Tensor) -> Tensor:
    """SAELens's `mse_loss`: summed over dimensions, averaged over the batch."""
    return residual.square().sum(-1).mean(-1)


def variance(rows: Tensor) -> Tensor:
    """Squared error of predicting every row of (..., B, d) by their mean."""
    return squared_error(rows - rows.mean(-2, keepdim=True))


def restore_unit_rows(params: Params) -> None:
    """Decoder rows to norm 1, in place."""
    directions = params["W_dec"].detach()  # shares storage: in place, and unseen by autograd
    directions /= directions.norm(dim=-1, keepdim=True).clamp_min(1e-30)


def unit_rows(rows: int, width: int, generator: Generator, like: Tensor) -> Tensor:
    import torch

    drawn = torch.randn(rows, width, generator=generator, dtype=like.dtype, device=generator.device)
    return (drawn / drawn.norm(dim=-1, keepdim=True)).to(like.device)
