"""OrthogonalTopK: TopK in which latents that compete for the same rows are pushed apart.

With m_b the mask of the k largest latents of row b, the competition of latents i and j is the share of rows on which
both are active, c_ij = mean_b m_bi m_bj, and 0 below a threshold. The penalty is the sum over pairs i < j of
c_ij |f_i . f_j| with f the unit decoder rows: for a mean row, the |cosines| of its pairs, less the rare ones.

This is our reading of sparsity-guided orthogonality, known to us by its description only. Choices: masks carry no
gradient; a latent counts as active where it is above zero; the coefficient is relative to the variance of the target,
as AuxK's is. Pairs are counted from the lists of active latents, and at most k (k - 1) / 2 / threshold of them can
pass it, so nothing of d_sae x d_sae is ever made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_architectures.affine import at_least_zero
from husai_architectures.topk import TopK, TopKSettings, variance
from husai_core import Architecture, Batch, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.sae import Params

PAIRS_AT_ONCE = 16384  # rows of the decoder gathered at once; a slice is made again on the way back


@dataclass(frozen=True)
class OrthogonalTopKSettings(TopKSettings):
    """Competition below `competition_threshold` is none; it is counted on the first `competition_rows` of a batch."""

    orthogonality_coefficient: float = 0.1
    competition_threshold: float = 0.01
    competition_rows: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_zero("orthogonality_coefficient", self.orthogonality_coefficient)
        if not 0 <= self.competition_threshold <= 1:
            raise ValueError(f"competition_threshold must be from 0 to 1, not {self.competition_threshold}")
        if self.competition_rows < 1:
            raise ValueError(f"competition_rows must be at least 1, not {self.competition_rows}")


class OrthogonalTopK(TopK):
    name = "orthogonal_topk"
    summary = "TopK with a penalty on the cosine of latents that are active on the same rows."
    Settings = OrthogonalTopKSettings
    sae_lens_names: Sequence[str] = ()

    def loss(self, params: Params, batch: Batch, settings: OrthogonalTopKSettings) -> Mapping[str, Tensor]:
        latents = self.active(params, batch.x, settings)
        batch.note_fired(latents.fired)
        terms = self.errors(params, latents, batch, settings)
        if settings.orthogonality_coefficient > 0:
            counted = latents.dense().detach()[..., : settings.competition_rows, :]
            pairs, competition = competing_pairs(counted, settings.k, settings.competition_threshold)
            overlap = weighted_overlap(params["W_dec"], pairs, competition)
            terms["orthogonality"] = settings.orthogonality_coefficient * variance(batch.y) * overlap
        return terms


def competing_pairs(latents: Tensor, k: int, threshold: float) -> tuple[Tensor, Tensor]:
    """Pairs (P, 2) of rows of the decoders, one after another, that share rows of `latents`, with those rows' share."""
    import torch

    rows, d_sae = latents.shape[-2:]
    values, places = latents.reshape(-1, d_sae).topk(min(k, d_sae), dim=-1)
    seed = torch.arange(len(places), device=places.device) // rows
    places = (places + d_sae * seed.unsqueeze(-1)).sort(-1)  # so that i < j
    active = (values > 0).gather(-1, places.indices)
    i, j = torch.triu_indices(places.values.shape[-1], places.values.shape[-1], offset=1, device=values.device)
    both = active[:, i] & active[:, j]
    width = d_sae * (seed[-1] + 1)
    keys, counts = (places.values[:, i] * width + places.values[:, j])[both].unique(return_counts=True)
    shares = counts.to(latents.dtype) / rows
    kept = shares >= threshold
    keys = keys[kept]
    return torch.stack([keys // width, keys % width], dim=-1), shares[kept]


def weighted_overlap(directions: Tensor, pairs: Tensor, weights: Tensor) -> Tensor:
    """The sum over pairs of weight x |cosine| for each decoder of (..., d_sae, d), with their leading shape."""
    from torch.utils.checkpoint import checkpoint

    d_sae = directions.shape[-2]
    table, norms = directions.flatten(0, -2), directions.norm(dim=-1).flatten().clamp_min(1e-30)
    total = table.new_zeros(len(table) // d_sae)

    def part(table: Tensor, norms: Tensor, pairs: Tensor, weights: Tensor) -> Tensor:
        i, j = pairs.unbind(-1)
        cosine = (table[i] * table[j]).sum(-1) / (norms[i] * norms[j])
        return total.new_zeros(total.shape).index_add(0, i // d_sae, weights * cosine.abs())

    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        some = slice(start, start + PAIRS_AT_ONCE)
        sums: Any = checkpoint(
            part, table, norms, pairs[some], weights[some], use_reentrant=False, preserve_rng_state=False
        )
        total = total + sums
    return total.reshape(directions.shape[:-2])


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [OrthogonalTopK()]
