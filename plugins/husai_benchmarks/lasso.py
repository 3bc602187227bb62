"""Lasso: logistic regression with an L1 penalty, many problems side by side, along a path of penalties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_core import EvaluationError

if TYPE_CHECKING:
    from torch import Tensor

CHECK_EVERY = 10


@dataclass(frozen=True)
class Fits:
    """Weights (problems, penalties, features) on the features as they were given, and intercepts beside them."""

    weights: Tensor
    intercepts: Tensor


def largest_penalty(x: Tensor, y: Tensor, share: Tensor) -> Tensor:
    """The penalty (problems) from which on every weight is zero."""
    base = (share * y).sum(-1, keepdim=True)
    return (x.mT @ (share * (base - y)).unsqueeze(-1)).squeeze(-1).abs().amax(-1)


def fit_path(
    x: Tensor, y: Tensor, share: Tensor, penalties: Tensor, tolerance: float = 1e-6, most_steps: int = 20_000
) -> Fits:
    """Minimise the mean loss + penalty x |weights|_1 for every problem and penalty; the intercept is free.

    `x` is (problems, rows, features), `y` (problems, rows) of 0 and 1, `share` the weight of each row, adding up to 1
    in each problem, `penalties` (problems, n) falling. Accelerated proximal gradient steps, restarted where the
    momentum points uphill, each penalty starting from the one before, until no optimality condition is broken by
    more than `tolerance` times the largest penalty.
    """
    import torch

    centre = (share.unsqueeze(-1) * x).sum(-2, keepdim=True)
    x = x - centre  # the intercept is then orthogonal to the features
    allowed = tolerance * largest_penalty(x, y, share).clamp(min=1e-12)
    step = 1 / (0.25 * _largest_eigenvalue(x, share)).clamp(min=0.25).unsqueeze(-1)
    base = (share * y).sum(-1, keepdim=True)
    intercept = torch.logit(base.clamp(1e-12, 1 - 1e-12))
    weights = torch.zeros_like(x[:, 0])
    found = []
    for penalty in penalties.unbind(-1):
        weights, intercept = _solve(x, y, share, penalty, weights, intercept, step, allowed, most_steps)
        found.append((weights, intercept))
    all_weights = torch.stack([w for w, _ in found], 1)
    moved = (all_weights * centre).sum(-1)
    return Fits(all_weights, torch.cat([b for _, b in found], -1) - moved)


def _solve(
    x: Tensor,
    y: Tensor,
    share: Tensor,
    penalty: Tensor,
    weights: Tensor,
    intercept: Tensor,
    step: Tensor,
    allowed: Tensor,
    most_steps: int,
) -> tuple[Tensor, Tensor]:
    """Both for one penalty per problem, from a first guess."""
    import torch

    at = penalty.unsqueeze(-1)
    ahead_w, ahead_b = weights, intercept
    momentum = torch.ones_like(penalty)
    for number in range(most_steps):
        gradient_w, gradient_b = _gradient(x, y, share, ahead_w, ahead_b)
        moved = ahead_w - step * gradient_w
        new_w = moved.sign() * (moved.abs() - step * at).clamp(min=0)
        new_b = ahead_b - step * gradient_b
        uphill = ((ahead_w - new_w) * (new_w - weights)).sum(-1) + ((ahead_b - new_b) * (new_b - intercept)).sum(-1) > 0
        momentum = momentum.where(~uphill, 1)
        later = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
        push = ((momentum - 1) / later).unsqueeze(-1)
        ahead_w, ahead_b = new_w + push * (new_w - weights), new_b + push * (new_b - intercept)
        weights, intercept, momentum = new_w, new_b, later
        if number % CHECK_EVERY == CHECK_EVERY - 1 and bool(
            (_broken(x, y, share, weights, intercept, at) <= allowed).all()
        ):
            return weights, intercept
    rule = f"an L1 probe had not settled after {most_steps} steps"
    raise EvaluationError("lasso", rule, "look for features of wildly different scale, or ask for fewer features")


def _gradient(x: Tensor, y: Tensor, share: Tensor, weights: Tensor, intercept: Tensor) -> tuple[Tensor, Tensor]:
    wrong = share * (((x @ weights.unsqueeze(-1)).squeeze(-1) + intercept).sigmoid() - y)
    return (x.mT @ wrong.unsqueeze(-1)).squeeze(-1), wrong.sum(-1, keepdim=True)


def _broken(x: Tensor, y: Tensor, share: Tensor, weights: Tensor, intercept: Tensor, at: Tensor) -> Tensor:
    """By how much the optimality conditions of each problem are broken at most."""
    import torch

    gradient_w, gradient_b = _gradient(x, y, share, weights, intercept)
    at_zero = (gradient_w.abs() - at).clamp(min=0)
    elsewhere = (gradient_w + at * weights.sign()).abs()
    worst = torch.where(weights == 0, at_zero, elsewhere).amax(-1)
    return torch.maximum(worst, gradient_b.abs().squeeze(-1))


def _largest_eigenvalue(x: Tensor, share: Tensor) -> Tensor:
    """An upper bound, within a percent, of the largest eigenvalue of each problem's second moments."""
    import torch

    weighted = share.sqrt().unsqueeze(-1) * x
    small = weighted @ weighted.mT if x.shape[-2] < x.shape[-1] else weighted.mT @ weighted
    found: Tensor = torch.linalg.eigvalsh(small)[..., -1]
    return found * 1.01
