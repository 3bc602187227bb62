"""Route: one TopK dictionary behind a router that picks a layer for every row (arXiv 2503.08200, EMNLP 2025 main.346).

The site reads several hooks: x is their activations one after another, so d_in is the number of layers times d_out.
As in the paper's code: every layer's row is standardised, the layers are summed, one matrix and a softmax give each
layer's probability, and the row of the likeliest, times its probability, is what is encoded and reconstructed. The loss
is the error of a row relative to its squared length, mean over rows, which a router cannot lower by being unsure. AuxK
on the same target is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from husai_architectures.topk import TopK, TopKSettings, variance
from husai_core import Architecture, Batch, Dims, Traits, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params

TINY = 1e-6  # keeps a row of equal numbers from dividing by zero; the paper's code has the same


@dataclass(frozen=True)
class RouteSettings(TopKSettings):
    """`standardise` gives every layer's row mean 0 and deviation 1; without it the longest layer rules the router."""

    standardise: bool = True


class Route(TopK):
    name = "route"
    summary = "A router picks one of several layers for each row; one TopK dictionary serves them all."
    Settings = RouteSettings
    traits = Traits(nonnegative=True, at_most_k=True, own_target=True)
    sae_lens_names: Sequence[str] = ()

    def initialise(self, dims: Dims, settings: RouteSettings, generator: Generator, mean: Tensor) -> Params:
        import torch

        if dims.d_in % dims.d_out or dims.d_in == dims.d_out:
            raise ValueError(
                f"d_in must be several times d_out, not {dims.d_in} and {dims.d_out}: "
                "give the site a list of hooks to read and one of them to write"
            )
        nowhere = torch.zeros_like(mean)  # the routed rows are not known yet, and their mean is not that of y
        params = super().initialise(Dims(dims.d_out, dims.d_sae, dims.d_out), settings, generator, nowhere)
        drawn = torch.rand(dims.d_out, dims.d_in // dims.d_out, generator=generator, dtype=mean.dtype)
        return {**params, "W_router": ((2 * drawn - 1) / dims.d_out**0.5).to(mean.device)}

    def route(self, params: Params, x: Tensor, settings: RouteSettings) -> tuple[Tensor, Tensor]:
        """Which layer each row (..., B) takes, and its probability."""
        pooled = self._layers(params, x, settings).sum(-2)
        likeliest = (pooled @ params["W_router"]).softmax(-1).max(-1)
        return likeliest.indices, likeliest.values

    def target(self, params: Params, x: Tensor, y: Tensor, settings: RouteSettings) -> Tensor:
        """The chosen layer's row times its probability; `y` is not looked at."""
        layer, probability = self.route(params, x, settings)
        rows = self._layers(params, x, settings)
        rows = rows.expand(*layer.shape, *rows.shape[-2:])
        index = layer[..., None, None].expand(*layer.shape, 1, rows.shape[-1])
        return rows.gather(-2, index).squeeze(-2) * probability.unsqueeze(-1)

    def encode(self, params: Params, x: Tensor, settings: RouteSettings) -> Tensor:
        return super().encode(params, self.target(params, x, x, settings), settings)

    def loss(self, params: Params, batch: Batch, settings: RouteSettings) -> Mapping[str, Tensor]:
        routed = self.target(params, batch.x, batch.y, settings)
        latents = self.active(params, routed, settings)
        batch.note_fired(latents.fired)
        residual = routed - self.output(params, routed, latents)
        own = replace(batch, x=routed.detach(), y=routed.detach())
        aux = self.auxiliary(params, residual.detach(), own, settings)
        relative = {name: term / variance(own.y).clamp_min(1e-30) for name, term in aux.items()}
        return {"relative_error": relative_error(residual, routed), **relative}

    def _layers(self, params: Params, x: Tensor, settings: RouteSettings) -> Tensor:
        rows = x.unflatten(-1, (params["W_router"].shape[-1], -1))  # (..., B, layers, d)
        if settings.standardise:
            centred = rows - rows.mean(-1, keepdim=True)
            rows = centred / (rows.std(-1, keepdim=True) + TINY)
        return rows

    def to_sae_lens(self, params: Params, settings: RouteSettings) -> tuple[Mapping[str, Any], Params]:
        return {}, params  # SAELens has no family with a router


def relative_error(residual: Tensor, rows: Tensor) -> Tensor:
    """Squared error over squared length, mean over rows (..., B); a row of next to no length has none and counts 0."""
    lengths = rows.square().sum(-1)
    floor = TINY * lengths.detach().mean(-1, keepdim=True)
    return (residual.square().sum(-1) * (lengths > floor) / lengths.clamp_min(1e-30)).mean(-1)


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [Route()]
