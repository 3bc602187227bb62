"""Subspace overlap: whether two dictionaries spend their features on the same few dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from husai_core import Metric, MetricCard, PairMetric, hookimpl
from husai_metrics.directions import TILE, bounded, unit_rows

if TYPE_CHECKING:
    from torch import Tensor

SHARE = 8  # one dimension in so many is leading
TIED = 1e-9  # eigenvalues this close, beside the largest, have no order


def leading(dimensions: int) -> int:
    """How many directions are compared. All of them would be no choice: a wide dictionary spans everything."""
    return max(1, dimensions // SHARE)


class SubspaceOverlap(PairMetric):
    """Where singular values tie at the cut, no directions in particular are leading: each tied one counts in part.

    That is the expectation over all choices among the tied. A dictionary of orthonormal rows has no leading directions
    at all, and its overlap with anything, itself included, is chance.
    """

    card = MetricCard(
        name="subspace_overlap",
        version="1",
        unit="squared cosine",
        direction="higher",
        definition="mean squared cosine of the principal angles between the spans of the two dictionaries' leading "
        "right singular vectors, an eighth of the dimensions (rounded down, at least 1), rows scaled to unit norm "
        "and not centred",
        low=0.0,
        high=1.0,
    )

    def prepare(self, dictionary: Tensor) -> Tensor:
        """(columns, d): their outer products sum to the projector on the leading directions."""
        import torch

        d = dictionary.shape[-1]
        gram = dictionary.new_zeros(d, d, dtype=torch.float64)
        for start in range(0, len(dictionary), TILE):
            rows = unit_rows(dictionary[start : start + TILE], "a dictionary", start)
            gram.addmm_(rows.T, rows)
        values, vectors = torch.linalg.eigh(gram)  # ascending
        cut, tied = values[-leading(d)], TIED * values[-1]
        above, level = values > cut + tied, (values - cut).abs() <= tied
        weights = above.double() + level.double() * ((leading(d) - above.sum()) / level.sum())
        return (vectors * weights.sqrt())[:, weights > 0].T.contiguous()

    def compare(self, first: Tensor, second: Tensor) -> float:
        return bounded(float((first @ second.T).square().sum()) / leading(first.shape[-1]), low=0.0)

    def chance(self, features: int, dimensions: int) -> float:
        """Directions without a preference: r of d dimensions overlap by r / d on average, whatever the features."""
        return leading(dimensions) / dimensions


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [SubspaceOverlap()]
