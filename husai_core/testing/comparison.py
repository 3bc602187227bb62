"""Comparisons that a check makes: what differs more than it may is Broken, with how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from husai_core.testing.contract import Broken

if TYPE_CHECKING:
    from torch import Tensor


def must_be_close(seen: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    """Refuse a difference above `tolerance`, relative to the larger of 1 and the largest value expected."""
    if seen.shape != expected.shape:
        raise Broken(f"{what} has shape {tuple(seen.shape)}, expected {tuple(expected.shape)}")
    if not seen.numel():
        return
    difference = float((seen.double() - expected.double()).abs().max())
    if not difference <= tolerance * max(1.0, float(expected.abs().max())):
        raise Broken(f"{what} differs by {difference:.3g}, allowed is {tolerance:g}")


def must_be_same(seen: Tensor, expected: Tensor, what: str) -> None:
    """Refuse any difference at all."""
    import torch

    if seen.shape != expected.shape or seen.dtype != expected.dtype or not torch.equal(seen, expected):
        raise Broken(what)


def must_be_finite(value: Tensor, what: str) -> None:
    if not value.isfinite().all():
        raise Broken(f"{what} has {int((~value.isfinite()).sum())} values that are not finite")
