"""TopK: the k largest latents of each row, with an auxiliary loss for dead ones (arXiv 2406.04093)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_architectures.affine import (
    AffineArchitecture,
    AffineSettings,
    at_least_zero,
    restore_unit_rows,
    squared_error,
    variance,
)
from husai_core import Architecture, Batch, Dims, Traits, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.kernels import SparseLatents
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
    traits = Traits(nonnegative=True, at_most_k=True)
    stored_by_latent = frozenset({"W_enc"})
    sae_lens_names = ("topk",)

    def initialise(self, dims: Dims, settings: TopKSettings, generator: Generator, mean: Tensor) -> Params:
        if settings.k > dims.d_sae:
            raise ValueError(f"k {settings.k} must be at most d_sae {dims.d_sae}")
        return super().initialise(dims, settings, generator, mean)

    def encode(self, params: Params, x: Tensor, settings: TopKSettings) -> Tensor:
        return largest(self.pre_activations(params, x, settings).relu(), settings.k)

    def active(self, params: Params, x: Tensor, settings: TopKSettings) -> SparseLatents:
        """The latents of `encode`, without the zeros."""
        from husai_core.kernels import encode_largest

        subtract = params["b_dec"] if settings.apply_b_dec_to_input else None
        return encode_largest(x, params["W_enc"], params["b_enc"], settings.k, subtract)

    def loss(self, params: Params, batch: Batch, settings: TopKSettings) -> Mapping[str, Tensor]:
        latents = self.active(params, batch.x, settings)
        batch.note_fired(latents.fired)
        return self.errors(params, latents, batch, settings)

    def errors(self, params: Params, latents: SparseLatents, batch: Batch, settings: TopKSettings) -> dict[str, Tensor]:
        """The terms of reconstructing y from these latents."""
        residual = batch.y - self.output(params, batch.x, latents)
        return {"mse": squared_error(residual), **self.auxiliary(params, residual.detach(), batch, settings)}

    def output(self, params: Params, x: Tensor, latents: SparseLatents) -> Tensor:
        """What `reconstruct` gives for the same latents with their zeros."""
        return latents.times(params["W_dec"]) + params["b_dec"].unsqueeze(-2)

    def auxiliary(self, params: Params, residual: Tensor, batch: Batch, settings: TopKSettings) -> dict[str, Tensor]:
        """The term `aux`: error of the dead latents on the residual, relative to its variance; 0 where none is dead.

        The paper divides both terms by the variance of what they reconstruct. Here `mse` is in raw units, so
        this one is multiplied by the variance of y: the sum is the paper's objective times that variance.
        """
        if batch.dead is None or settings.aux_coefficient == 0:
            return {}
        width = settings.aux_k or batch.x.shape[-1] // 2
        revived = self._revived(params, batch.dead, batch.x, width, settings)
        relative = squared_error(revived - residual) / variance(residual).clamp_min(1e-30)
        return {"aux": settings.aux_coefficient * relative * variance(batch.y) * batch.dead.any(-1)}

    def _revived(self, params: Params, dead: Tensor, x: Tensor, width: int, settings: TopKSettings) -> Tensor:
        """What the dead latents alone make of x; the live ones are not even computed."""
        import torch

        seeds = params["W_dec"].shape[:-2]
        if seeds:  # each has its own dead
            parts = []
            for seed, its_dead in enumerate(dead.expand(*seeds, -1)):
                own = {name: value[seed] for name, value in params.items()}
                parts.append(self._revived(own, its_dead, x[seed] if x.dim() > 2 else x, width, settings))
            return torch.stack(parts)
        which = dead.nonzero().squeeze(-1)
        if not len(which):
            return x.new_zeros(len(x), params["W_dec"].shape[-1])
        some = {"W_enc": params["W_enc"][:, which], "b_enc": params["b_enc"][which], "b_dec": params["b_dec"]}
        return largest(self.pre_activations(some, x, settings).relu(), width) @ params["W_dec"][which]

    def project(self, params: Params, settings: TopKSettings) -> None:
        restore_unit_rows(params)

    def to_sae_lens(self, params: Params, settings: TopKSettings) -> tuple[Mapping[str, Any], Params]:
        if params["W_enc"].shape[-2] != params["W_dec"].shape[-1]:
            return {}, params  # SAELens's TopK has one width
        keys = {
            "architecture": "topk",
            "k": settings.k,
            "apply_b_dec_to_input": settings.apply_b_dec_to_input,
            "rescale_acts_by_decoder_norm": False,
        }
        return keys, params

    def from_sae_lens(self, config: Mapping[str, Any], tensors: Params) -> tuple[Mapping[str, Any], Params]:
        settings, params = super().from_sae_lens(config, tensors)
        return {**settings, "k": config["k"]}, params


def largest(latents: Tensor, k: int) -> Tensor:
    """The k largest entries of each row where they stand, zeros elsewhere."""
    values, places = latents.topk(min(k, latents.shape[-1]), dim=-1, sorted=False)
    return latents.new_zeros(latents.shape).scatter(-1, places, values)


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [TopK()]
