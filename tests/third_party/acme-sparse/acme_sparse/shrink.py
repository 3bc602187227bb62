"""Shrink: latents above a learned threshold, less that threshold; it also reads one place and writes another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acme_sparse.directions import drawn
from husai_core import Architecture, Batch, Dims, Traits, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    Params = dict[str, Tensor]


@dataclass(frozen=True)
class ShrinkSettings:
    """`sparsity` weighs the sum of latents; it grows to that over the first share `warm_up` of training."""

    sparsity: float = 0.3
    warm_up: float = 0.1
    start: float = 0.1

    def __post_init__(self) -> None:
        for name in ("sparsity", "warm_up", "start"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be finite and not negative, not {getattr(self, name)}")


class Shrink(Architecture):
    name = "acme_shrink"
    version = "2"
    summary = "Soft thresholding: relu of pre-activations less a learned threshold of each latent."
    Settings = ShrinkSettings
    traits = Traits(nonnegative=True, transcoder=True)

    def initialise(self, dims: Dims, settings: ShrinkSettings, generator: Generator, mean: Tensor) -> Params:
        written = drawn(dims.d_sae, dims.d_out, generator, mean)
        read = written if dims.d_in == dims.d_out else drawn(dims.d_sae, dims.d_in, generator, mean)
        return {
            "W_enc": read.T.clone(),
            "b_enc": mean.new_zeros(dims.d_sae),
            "threshold": mean.new_full((dims.d_sae,), settings.start),
            "W_dec": written,
            "b_dec": mean.clone(),
        }

    def encode(self, params: Params, x: Tensor, settings: ShrinkSettings) -> Tensor:
        shift = params["b_enc"] - params["threshold"].abs()
        return (x @ params["W_enc"] + shift.unsqueeze(-2)).relu()

    def loss(self, params: Params, batch: Batch, settings: ShrinkSettings) -> Mapping[str, Tensor]:
        latents = self.encode(params, batch.x, settings)
        error = (batch.y - self.decode(params, latents, settings)).square().sum(-1).mean(-1)
        lengths = params["W_dec"].norm(dim=-1).unsqueeze(-2)
        weight = settings.sparsity * batch.ramp(settings.warm_up)
        return {"error": error, "sparsity": weight * (latents * lengths).sum(-1).mean(-1)}


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [Shrink()]
