"""Agreement: a term that draws the dictionaries of seeds trained together towards one another.

Latents of two seeds are matched one to one by the assignment that makes their |cosines| largest; each matched pair
adds 1 - |cosine|. Every pair of seeds counts alike: no seed is the reference that the others copy.
Seeds trained with this term are not independent runs, and their subjects say so.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Agreement:
    """`weight` is relative to the variance of the targets; the matching is renewed every `match_every` steps."""

    def __init__(self, weight: float, match_every: int) -> None:
        self.weight, self.match_every = weight, match_every
        self._matches: Tensor | None = None  # (pairs, d_sae): the partner in the second seed of each first's latent

    def term(self, dictionaries: Tensor, y: Tensor, step: int) -> Tensor:
        """The term of every seed (seeds,); half of each pair's goes to either side."""
        import torch

        unit = torch.nn.functional.normalize(dictionaries, dim=-1)  # (seeds, d_sae, d_out)
        pairs = list(combinations(range(len(unit)), 2))
        if not pairs:
            return unit.new_zeros(len(unit))
        if self._matches is None or step % self.match_every == 0:
            with torch.no_grad():
                self._matches = torch.stack([best_matching(unit[a], unit[b]) for a, b in pairs])
        scale = self.weight * (y - y.mean(0)).square().sum(-1).mean() / (len(unit) - 1)
        shares: list[list[Tensor]] = [[] for _ in unit]
        for (a, b), partners in zip(pairs, self._matches, strict=True):
            apart = 1 - (unit[a] * unit[b][partners]).sum(-1).abs().mean()
            shares[a].append(apart / 2)
            shares[b].append(apart / 2)
        return scale * torch.stack([torch.stack(parts).sum() for parts in shares])

    def state(self) -> dict[str, Tensor]:
        return {} if self._matches is None else {"matches": self._matches}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._matches = state.get("matches")


def best_matching(first: Tensor, second: Tensor) -> Tensor:
    """For every row of `first` its partner in `second`, one to one, with the largest sum of |cosines|."""
    import torch
    from scipy.optimize import linear_sum_assignment

    _, partners = linear_sum_assignment((first @ second.T).abs().cpu().numpy(), maximize=True)
    return torch.from_numpy(partners).to(first.device)
