"""Affine map: how much of what is written a dense linear map of what is read accounts for, on rows it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

FOLDS = 5
PENALTIES = (
    1e-6,
    1e-4,
    1e-3,
    1e-2,
    1e-1,
    1.0,
    10.0,
    100.0,
)  # times the mean eigenvalue of the covariance of what is read


def cross_fitted_residuals(x: Tensor, y: Tensor) -> Tensor:
    """y minus its prediction from x, row by row, by the map fitted to the other four fifths of the rows.

    The fifths are runs of rows, because neighbours are of one text. The map is ridge regression with the penalty that
    is best when each of its own rows is left out in turn: with few rows least squares alone would fit their noise.
    """
    import torch

    x, y = x.double(), y.double()
    residuals = torch.empty_like(y)
    for fold in torch.arange(len(x), device=x.device).tensor_split(FOLDS):
        others = torch.ones(len(x), dtype=torch.bool, device=x.device)
        others[fold] = False
        weights, mean_x, mean_y = _fit(x[others], y[others])
        residuals[fold] = y[fold] - mean_y - (x[fold] - mean_x) @ weights
    return residuals


def _fit(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The weights of the best penalty, and both means."""
    import torch

    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = x - mean_x, y - mean_y
    values, columns = torch.linalg.eigh(x.T @ x)
    values = values.clamp_min(0)
    if not values.any():  # nothing varies, so nothing is explained
        return x.new_zeros(x.shape[1], y.shape[1]), mean_x, mean_y
    turned = x @ columns
    products = turned.T @ y
    best: tuple[float, Tensor] | None = None
    for penalty in PENALTIES:
        shrunk = 1 / (values + penalty * values.mean())
        leverage = (turned.square() * shrunk).sum(1) + 1 / len(x)
        residuals = y - turned @ (shrunk[:, None] * products)
        error = float((residuals / (1 - leverage).clamp_min(1e-12)[:, None]).square().sum())
        if best is None or error < best[0]:
            best = error, columns @ (shrunk[:, None] * products)
    assert best is not None, "there are penalties to choose from"
    return best[1], mean_x, mean_y
