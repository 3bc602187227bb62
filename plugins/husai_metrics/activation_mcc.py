"""Activation MCC: how well the latents of two coders match by what they do, when every latent may be used once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_core import Metric, MetricCard, hookimpl
from husai_core.metric import ActivationPairMetric
from husai_metrics.assignment import best_mean
from husai_metrics.directions import bounded

if TYPE_CHECKING:
    from torch import Tensor

SPARSE = 0.05  # share of latents that are not zero, up to which their products are taken of those alone
ROUNDING = 1e-12  # a variance below this share of the mean square is rounding


@dataclass(frozen=True)
class Sums:
    """Over all rows so far, in float64."""

    rows: int
    first: tuple[Tensor, Tensor]  # sums and sums of squares (m,)
    second: tuple[Tensor, Tensor]  # (n,)
    products: Tensor  # (m, n); added to in place


class ActivationMCC(ActivationPairMetric):
    """Decoders are not looked at: a control that changes nothing else, `random_decoder`, scores what its base does."""

    card = MetricCard(
        name="activation_mcc",
        version="1",
        unit="correlation",
        direction="higher",
        definition="mean Pearson correlation of activations over the test rows under the one-to-one assignment of "
        "latents that makes it largest, over the latents of the smaller dictionary; a latent that does not vary "
        "correlates 0 with everything",
        low=-1.0,
        high=1.0,
    )
    requires = ("torch", "scipy")

    def bytes_held(self, first: int, second: int) -> int:
        return 8 * first * second

    def update(self, state: Sums | None, first: Tensor, second: Tensor) -> Sums:
        import torch

        if state is None:
            products = torch.zeros(first.shape[1], second.shape[1], dtype=torch.float64, device=first.device)
            state = Sums(0, _powers(first[:0]), _powers(second[:0]), products)
        _add_products(state.products, first, second)
        sums = [
            (kept[0] + new[0], kept[1] + new[1])
            for kept, new in ((state.first, _powers(first)), (state.second, _powers(second)))
        ]
        return Sums(state.rows + len(first), sums[0], sums[1], state.products)

    def finish(self, state: Sums) -> float:
        mean_a, scale_a = _centre_and_scale(state.rows, state.first)
        mean_b, scale_b = _centre_and_scale(state.rows, state.second)
        products = state.products
        if products.shape[0] > products.shape[1]:
            products, (mean_a, scale_a, mean_b, scale_b) = products.T, (mean_b, scale_b, mean_a, scale_a)

        def correlations(chosen: Tensor) -> Tensor:
            i = chosen.to(products.device)
            covariances = products[i] / state.rows - mean_a[i, None] * mean_b
            return (covariances * scale_a[i, None] * scale_b).clamp_(-1, 1)

        return bounded(best_mean(correlations, *products.shape))


def _powers(latents: Tensor) -> tuple[Tensor, Tensor]:
    wide = latents.double()
    return wide.sum(0), wide.square().sum(0)


def _centre_and_scale(rows: int, powers: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Means, and 1 over the standard deviation, which is 0 for a latent that does not vary."""
    mean, square = (power / rows for power in powers)
    variance = square - mean.square()
    varies = variance > ROUNDING * square
    return mean, variance.where(varies, 1).rsqrt() * varies


def _add_products(products: Tensor, first: Tensor, second: Tensor) -> None:
    """Adds `first.T @ second` in float64; where both are sparse, without the zeros."""
    shares = [float(latents.count_nonzero()) / latents.numel() for latents in (first, second)]
    if max(shares) > SPARSE or first.is_cuda:
        products.addmm_(first.double().T, second.double())
        return
    import torch
    from scipy.sparse import csr_array

    a, b = (csr_array(latents.cpu().numpy(), dtype="float64") for latents in (first, second))
    found = (a.T @ b).tocoo()
    at = tuple(torch.from_numpy(axis.astype("int64")) for axis in (found.row, found.col))
    products[at] += torch.from_numpy(found.data)


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [ActivationMCC()]
