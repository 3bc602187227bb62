"""Directions: how Acme draws and compares unit vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor


def drawn(rows: int, width: int, generator: Generator, like: Tensor) -> Tensor:
    import torch

    return unit(torch.randn(rows, width, generator=generator, dtype=like.dtype))


def unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12)
