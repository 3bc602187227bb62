"""Straight-through: gradients for thresholds, which the jump they set does not have (arXiv 2407.14435)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@cache
def straight_through() -> Any:
    """The jump and the mean L0 in one pass over the pre-activations; a class, made when torch is there."""
    import torch

    class StraightThrough(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, pre: Tensor, edge: Tensor, bandwidth: float) -> tuple[Tensor, Tensor]:
            ctx.save_for_backward(pre, edge)
            ctx.bandwidth = bandwidth
            active = pre > edge.unsqueeze(-2)
            return pre * active, active.sum(-1, dtype=pre.dtype).mean(-1)

        @staticmethod
        def backward(ctx: Any, to_latents: Tensor, to_l0: Tensor) -> tuple[Tensor, Tensor, None]:
            """d latent / d edge is -edge / bandwidth and d l0 / d edge is -1 / bandwidth within half a bandwidth."""
            pre, edge = ctx.saved_tensors
            near = (pre - edge.unsqueeze(-2)).abs() < ctx.bandwidth / 2
            to_edge = edge * (to_latents * near).sum(-2) + to_l0.unsqueeze(-1) * near.to(pre.dtype).mean(-2)
            return to_latents * (pre > edge.unsqueeze(-2)), -to_edge / ctx.bandwidth, None

    return StraightThrough
