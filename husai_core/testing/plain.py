"""A plain sparse coder, and coders of it that are known to be good and known to be bad, for contracts to measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from husai_core.sae import Architecture, Batch, Coder, Dims, Traits

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params

WIDTH, LATENTS, ROWS, ACTIVE = 24, 64, 320, 3
SEEDS = (3, 1, 2)  # in no order, so that one who counts on an order is found out
APART = 0.03  # how far the directions of good seeds are from the true ones


@dataclass(frozen=True)
class PlainSettings:
    """How many latents may be active on a row."""

    k: int = 4


class Plain(Architecture):
    """The largest k latents of a linear encoder, none below zero."""

    name = "plain"
    summary = "The largest k of linear readings; for tests."
    Settings = PlainSettings
    traits = Traits(at_most_k=True)

    def initialise(self, dims: Dims, settings: PlainSettings, generator: Generator, mean: Tensor) -> Params:
        import torch

        directions = unit(torch.randn(dims.d_sae, dims.d_out, generator=generator, dtype=mean.dtype))
        reading = unit(torch.randn(dims.d_sae, dims.d_in, generator=generator, dtype=mean.dtype))
        return {
            "W_enc": (directions if dims.d_in == dims.d_out else reading).T.clone(),
            "b_enc": mean.new_zeros(dims.d_sae),
            "W_dec": directions,
            "b_dec": mean.clone(),
        }

    def encode(self, params: Params, x: Tensor, settings: PlainSettings) -> Tensor:
        import torch

        read = (x @ params["W_enc"] + params["b_enc"].unsqueeze(-2)).relu()
        values, places = read.topk(settings.k, dim=-1)
        return torch.zeros_like(read).scatter(-1, places, values)

    def loss(self, params: Params, batch: Batch, settings: PlainSettings) -> Mapping[str, Tensor]:
        residual = self.decode(params, self.encode(params, batch.x, settings), settings) - batch.y
        return {"mse": residual.square().sum(-1).mean(-1)}


@cache
def true_directions() -> Tensor:
    """What rows are sums of: (LATENTS, WIDTH), each of length 1."""
    import torch

    return unit(torch.randn(LATENTS, WIDTH, generator=torch.Generator().manual_seed(5)))


def codes(rows: int, seed: int) -> Tensor:
    """How much of each true direction is in each row (rows, LATENTS); most are 0."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    firing = torch.rand(rows, LATENTS, generator=generator).argsort(-1) < ACTIVE
    return firing * (1 + torch.rand(rows, LATENTS, generator=generator))


def good_coders() -> tuple[Coder, ...]:
    """Of each seed one that reads and writes the true directions, nearly, each at another latent."""
    return tuple(_coder(seed, good=True) for seed in SEEDS)


def bad_coders() -> tuple[Coder, ...]:
    """Of each seed one that reads random directions and writes other random ones."""
    return tuple(_coder(seed, good=False) for seed in SEEDS)


def _coder(seed: int, good: bool) -> Coder:
    import torch

    generator = torch.Generator().manual_seed(100 * seed + good)
    architecture, settings, dims = Plain(), PlainSettings(), Dims(WIDTH, LATENTS, WIDTH)
    start = architecture.initialise(dims, settings, generator, torch.zeros(WIDTH))
    if good:
        order = torch.randperm(LATENTS, generator=generator)
        pushed = true_directions()[order] + APART * torch.randn(LATENTS, WIDTH, generator=generator)
        written, read = unit(pushed), unit(pushed)
    else:
        written, read = (unit(torch.randn(LATENTS, WIDTH, generator=generator)) for _ in range(2))
    bias = 0.01 * torch.randn(WIDTH, generator=generator)
    params = {"W_enc": read.T.clone(), "b_enc": start["b_enc"].clone(), "W_dec": written, "b_dec": bias}
    return Coder(architecture, settings, dims, seed, params, start)


def unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=-1, keepdim=True)
