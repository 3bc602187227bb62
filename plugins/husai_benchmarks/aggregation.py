"""Aggregations: what people do to the latents of a document before a probe reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

POOLINGS = ("mean", "max", "last")


def pool(rows: Tensor, how: str) -> Tensor:
    """One row (k) for the tokens (n, k) of a document."""
    return rows.mean(0) if how == "mean" else rows.amax(0) if how == "max" else rows[-1]


def plain(x: Tensor, top: int) -> Tensor:
    """As they are."""
    return x


def binary(x: Tensor, top: int) -> Tensor:
    """Whether a latent is above zero."""
    return (x > 0).to(x.dtype)


def log1p(x: Tensor, top: int) -> Tensor:
    """log(1 + |x|) with the sign of x."""
    return x.sign() * x.abs().log1p()


def top_k(x: Tensor, top: int) -> Tensor:
    """The `top` largest of each document, the others zero."""
    import torch

    kept = x.topk(min(top, x.shape[-1]), -1)
    return torch.zeros_like(x).scatter(-1, kept.indices, kept.values)


def z_score(x: Tensor, top: int) -> Tensor:
    """Standard deviations from the mean over the documents of the same set; 0 where the latent is the same in all."""
    centred = x - x.mean(-2, keepdim=True)
    spread = centred.square().mean(-2, keepdim=True).sqrt()
    return (centred / spread).where(spread > 1e-12 * x.abs().amax(-2, keepdim=True), centred.new_zeros(()))


def quantile(x: Tensor, top: int) -> Tensor:
    """The share of the documents of the same set that have less of the latent; those with as much count half."""
    import torch

    columns = x.mT.contiguous()
    ordered = columns.sort(-1).values
    below = torch.searchsorted(ordered, columns) + torch.searchsorted(ordered, columns, right=True)
    return (below.to(x.dtype) / (2 * x.shape[-2])).mT


AGGREGATIONS: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "plain": plain,
    "binary": binary,
    "zscore": z_score,
    "log1p": log1p,
    "quantile": quantile,
    "topk": top_k,
}
OF_ACTIVATIONS = ("plain", "zscore", "quantile")  # zero is a threshold of latents alone


def aggregated(sets: Sequence[Tensor], name: str, top: int) -> Iterator[Tensor]:
    """The documents (n, k) of each set under one aggregation; no set sees another."""
    return (AGGREGATIONS[name](one.double(), top) for one in sets)
