"""TopK: the k largest latents of each row, with an auxiliary loss for dead ones (arXiv 2406.04093)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_architectures.affine import AffineArchitecture, AffineSettings, at_least_zero, squared_error
from husai_core import Architecture, Batch, Dims, Traits, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params


@dataclass(frozen=True)
class TopKSettings(AffineSettings):
    """`aux_k` dead latents explain what the live ones leave over; None is half of d_in, as in the paper."""

    k: int = 32
    aux_k: int | None = None
    aux_coefficient: float = 1 / 32

    def __post_init__(self) -> None:
        for name, value in (("k", self.k), ("aux_k", self.aux_k)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        at_least_zero("aux_coefficient", self.aux_coefficient)


class TopK(AffineArchitecture):
    name = "topk"
    summary = "The k largest ReLU latents of each row, unit decoder rows, AuxK for dead latents."
    Settings = TopKSettings
    sae_lens_names = ("topk",)
    traits = Traits(nonnegative=True, at_most_k=True)

    def initialise(self, dims: Dims, settings: TopKSettings, generator: Generator, mean: Tensor) -> Params:
        if settings.k > dims.d_sae:
            raise ValueError(f"k {settings.k} must be at most d_sae {dims.d_sae}")
        return super().initialise(dims, settings, generator, mean)

    def encode(self, params: Params, x: Tensor, settings: TopKSettings) -> Tensor:
        return largest(self.pre_activations(params, x, settings).relu(), settings.k)

    def loss(self, params: Params, batch: Batch, settings: TopKSettings) -> Mapping[str, Tensor]:
        candidates = self.pre_activations(params, batch.x, settings).relu()
        residual = self.residual(params, largest(candidates, settings.k), batch, settings)
        terms = {"mse": squared_error(residual)}
        if batch.dead is not None and settings.aux_coefficient > 0:
            aux = self.auxiliary(params, candidates, residual.detach(), batch, settings)
            terms["aux"] = settings.aux_coefficient * aux
        return terms

    def auxiliary(
        self, params: Params, candidates: Tensor, residual: Tensor, batch: Batch, settings: TopKSettings
    ) -> Tensor:
        """Error of the dead latents on the residual, relative to its variance; 0 where none is dead.

        The paper divides both terms by the variance of what they reconstruct. Here `mse` is in raw units, so
        this one is multiplied by the variance of y: the sum is the paper's objective times that variance.
        """
        assert batch.dead is not None
        width = settings.aux_k or batch.x.shape[-1] // 2
        revived = largest(candidates * batch.dead.unsqueeze(-2), width) @ params["W_dec"]
        relative = squared_error(revived - residual) / variance(residual).clamp_min(1e-30)
        return relative * variance(batch.y) * batch.dead.any(-1)

    def project(self, params: Params, settings: TopKSettings) -> None:
        directions = params["W_dec"].detach()  # shares storage: in place, and unseen by autograd
        directions /= directions.norm(dim=-1, keepdim=True).clamp_min(1e-30)

    def to_sae_lens(self, params: Params, settings: TopKSettings) -> tuple[Mapping[str, Any], Params]:
        keys = {
            "architecture": "topk",
            "k": settings.k,
            "apply_b_dec_to_input": settings.apply_b_dec_to_input,
            "rescale_acts_by_decoder_norm": False,
        }
        return keys, params

    def from_sae_lens(self, config: Mapping[str, Any], tensors: Params) -> tuple[Mapping[str, Any], Params]:
        return {key: config[key] for key in ("k", "apply_b_dec_to_input")}, tensors


def largest(latents: Tensor, k: int) -> Tensor:
    """The k largest entries of each row where they stand, zeros elsewhere."""
    values, places = latents.topk(min(k, latents.shape[-1]), dim=-1, sorted=False)
    return latents.new_zeros(latents.shape).scatter(-1, places, values)


def variance(rows: Tensor) -> Tensor:
    """Squared error of predicting every row of (..., B, d) by their mean."""
    return squared_error(rows - rows.mean(-2, keepdim=True))


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [TopK()]
