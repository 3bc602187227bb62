"""Raw TopK: the earlier program's TopK, which keeps the k largest pre-activations whatever their sign.

There is no ReLU, so latents may be negative; no decoder bias, so latents must write the mean of the activations;
and the start is uniform (Kaiming), not Gaussian, with an encoder that is not the decoder's transpose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_core import Architecture, Batch, Dims, Traits, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.kernels import SparseLatents
    from husai_core.sae import Params


@dataclass(frozen=True)
class RawTopKSettings:
    """`push_unused` adds the earlier auxiliary term with its weight 1/k: it presses the k largest unused latents of a
    row towards zero, in proportion to the row's error, where its purpose was to revive dead ones.
    """

    k: int = 32
    push_unused: bool = False

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k must be at least 1, not {self.k}")


class RawTopK(Architecture):
    name = "raw_topk"
    summary = "Replica of an earlier recipe: TopK on raw pre-activations, negative ones too, without decoder bias."
    Settings = RawTopKSettings
    traits = Traits(nonnegative=False, at_most_k=True)

    def initialise(self, dims: Dims, settings: RawTopKSettings, generator: Generator, mean: Tensor) -> Params:
        import torch

        if settings.k > dims.d_sae:
            raise ValueError(f"k {settings.k} must be at most d_sae {dims.d_sae}")

        def uniform(rows: int, columns: int) -> Tensor:
            drawn = torch.rand(rows, columns, generator=generator, dtype=mean.dtype, device=generator.device)
            return (2 * drawn - 1).to(mean.device)

        params = {
            "W_enc": uniform(dims.d_in, dims.d_sae) * math.sqrt(6 / dims.d_in),
            "b_enc": mean.new_zeros(dims.d_sae),
            "W_dec": uniform(dims.d_sae, dims.d_out),  # of the scale nothing is left after the next line
        }
        self.project(params, settings)
        return params

    def encode(self, params: Params, x: Tensor, settings: RawTopKSettings) -> Tensor:
        return _active(self._pre_activations(params, x), settings.k).dense()

    def decode(self, params: Params, latents: Tensor, settings: RawTopKSettings) -> Tensor:
        return latents @ params["W_dec"]

    def loss(self, params: Params, batch: Batch, settings: RawTopKSettings) -> Mapping[str, Tensor]:
        raw = self._pre_activations(params, batch.x)
        latents = _active(raw, settings.k)
        batch.note_fired(latents.fired)
        squares = (batch.y - latents.times(params["W_dec"])).square()
        terms = {"mse": squares.mean((-2, -1))}
        if settings.push_unused:
            unused = squares.sum(-1, keepdim=True) * raw.abs() * (latents.dense() == 0)
            terms["unused"] = unused.topk(settings.k, dim=-1).values.sum(-1).mean(-1) / settings.k
        return terms

    def project(self, params: Params, settings: RawTopKSettings) -> None:
        directions = params["W_dec"].detach()  # shares storage: in place, and unseen by autograd
        directions /= directions.norm(dim=-1, keepdim=True).clamp_min(1e-12)

    def _pre_activations(self, params: Params, x: Tensor) -> Tensor:
        return x @ params["W_enc"] + params["b_enc"].unsqueeze(-2)


def _active(raw: Tensor, k: int) -> SparseLatents:
    """The k largest entries of each row of raw (..., B, width); gradients touch these k alone."""
    import torch

    from husai_core.kernels import Pattern, SparseLatents

    leading, (batch, width) = tuple(raw.shape[:-2]), raw.shape[-2:]
    flat = raw.reshape(-1, width)
    places = flat.detach().topk(k, dim=-1, sorted=False).indices.sort(-1).values
    numbers = torch.arange(len(flat), device=raw.device).unsqueeze(-1)
    columns = places + numbers // batch * width
    starts = torch.arange(0, len(flat) * k + 1, k, device=raw.device)
    pattern = Pattern(starts, columns.flatten(), numbers.expand_as(places).flatten(), len(flat) // batch, batch, width)
    return SparseLatents(pattern, flat.gather(-1, places).flatten(), leading)


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [RawTopK()]
