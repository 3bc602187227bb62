"""Threshold: the value that k activations per row exceed on average, over rows read in slices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SLICE_ELEMENTS = 1 << 22  # activations held at once while calibrating, all seeds together
_DIGIT = 16  # bits of a float32 decided per pass


def above(pre_activations: Tensor, threshold: Tensor) -> Tensor:
    """SAELens's JumpReLU at inference: ReLU where the pre-activation exceeds the latent's threshold."""
    return pre_activations.relu() * (pre_activations > threshold.unsqueeze(-2))


def calibrated(slices: Callable[[], Iterable[Tensor]], kept: int) -> Tensor:
    """Per seed, a threshold that exactly `kept` activations exceed (ties apart), or all positive ones if fewer.

    It lies midway between the two neighbours, so that a last-digit difference in an activation does not matter.
    """
    import torch

    upper, lower = _ranked(slices, (kept, kept + 1))
    middle = lower + (upper - lower) / 2
    return torch.where(middle < upper, middle, lower)


def _ranked(slices: Callable[[], Iterable[Tensor]], ranks: Sequence[int]) -> list[Tensor]:
    """The activations of these ranks, the largest being 1, by radix selection: memory does not grow with the rows.

    The bits of floats that are not negative are in the order of the floats. A pass finds the next 16 bits of each
    value sought by counting the candidates that agree with it so far.
    """
    import torch

    bins = 1 << _DIGIT
    found = left = torch.zeros(0)
    for shift in (_DIGIT, 0):
        counts = torch.zeros(0)
        for values in slices():  # (seeds, rows, d_sae)
            keys = (values.float() + 0.0).flatten(1).view(torch.int32)  # + 0.0 turns -0.0 into 0.0
            if not found.numel():
                found = torch.zeros(len(ranks), len(keys), dtype=torch.long, device=keys.device)
                left = torch.tensor(ranks, device=keys.device)[:, None].expand_as(found).clone()
            if not counts.numel():
                counts = torch.zeros(*found.shape, bins, dtype=torch.long, device=keys.device)
            for place in range(len(ranks)):
                for seed, own in enumerate(keys):
                    agreeing = own if shift else own[(own >> _DIGIT) == found[place, seed]]
                    counts[place, seed] += torch.bincount((agreeing >> shift) & (bins - 1), minlength=bins)
        from_top = counts.flip(-1).cumsum(-1)
        bin_from_top = (from_top < left.unsqueeze(-1)).sum(-1, keepdim=True)
        left = left - (from_top - counts.flip(-1)).gather(-1, bin_from_top).squeeze(-1)
        found = (found << _DIGIT) + (bins - 1 - bin_from_top.squeeze(-1))
    return list(found.to(torch.int32).view(torch.float32))
