"""Probes: logistic regressions under an L2 penalty, many at once, exact to rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_benchmarks.classification import auc
from husai_core import EvaluationError

if TYPE_CHECKING:
    from torch import Tensor

STRENGTHS = tuple(10 ** (5 - 10 * step / 9) for step in range(10))  # those that sae-probes tries, in its order
NUMBERS_AT_ONCE = 1 << 22  # of the rows of all problems that are solved together: 32 MB
MOST_STEPS = 200
CLOSE = 1e-8  # of the last step, in decision values; Newton's steps square it, so what is left is rounding


@dataclass(frozen=True)
class Probes:
    """Linear classifiers: a positive decision value means class 1."""

    weights: Tensor  # (..., k), float64
    bias: Tensor  # (...)

    def decide(self, x: Tensor) -> Tensor:
        """Decision values (..., rows) of rows (..., rows, k)."""
        return (x.double() @ self.weights.unsqueeze(-1)).squeeze(-1) + self.bias.unsqueeze(-1)


def fit(x: Tensor, labels: Tensor, strength: Tensor | float = 1.0, used: Tensor | None = None) -> Probes:
    """The minimum of `|w|²/2 + strength · Σ log(1 + exp(∓(x·w + b)))` over the rows used; `strength` is sklearn's C.

    Rows `x` (..., n, k), labels 0 or 1 (..., n), strengths (...) and rows `used` (..., n) share their leading axes by
    broadcasting, and nothing is copied along an axis that `x` lacks. Newton's method in float64, for each problem with
    its own step size; a problem that is done leaves the batch.
    """
    import torch

    x, labels, strength = x.double(), labels.double(), torch.as_tensor(strength).double()
    used = torch.ones_like(labels) if used is None else used.double()
    lead = torch.broadcast_shapes(x.shape[:-2], labels.shape[:-1], strength.shape, used.shape[:-1])
    held = (labels * used).sum(-1)
    if not bool(((held > 0) & (held < used.sum(-1))).all()):
        raise ValueError("a probe needs rows of both classes")
    turn = None
    if x.shape[-1] > x.shape[-2]:  # the minimum lies in the span of the rows, and no rotation changes the penalty
        turn, lower = torch.linalg.qr(x.mT)
        x = lower.mT
    x = torch.cat([x, torch.ones_like(x[..., :1])], -1)
    shared = [
        (table.flatten(0, -1 - kept), torch.arange(table[(...,) + (0,) * kept].numel()).view(table.shape[:-kept]))
        if table.dim() > kept
        else (table.unsqueeze(0), torch.zeros((), dtype=torch.long))
        for table, kept in ((x, 2), (labels, 1), (used, 1))
    ]
    places = [place.expand(lead).reshape(-1) for _, place in shared]
    strengths = strength.expand(lead).reshape(-1)
    size = max(1, NUMBERS_AT_ONCE // max(1, x.shape[-1] * x.shape[-2]))
    found = torch.cat(
        [
            _newton(*(table[place[cut]] for (table, _), place in zip(shared, places, strict=True)), strengths[cut])
            for cut in (slice(begin, begin + size) for begin in range(0, len(strengths), size))
        ]
    ).view(*lead, -1)
    weights = found[..., :-1]
    return Probes(weights if turn is None else (turn @ weights.unsqueeze(-1)).squeeze(-1), found[..., -1])


def _newton(x: Tensor, labels: Tensor, used: Tensor, strength: Tensor) -> Tensor:
    """The coefficients (b, k) of b problems (b, n, k); the last one is the bias and is not penalised."""
    import torch
    from torch.nn.functional import softplus

    penalty = torch.ones(x.shape[-1], dtype=x.dtype)
    penalty[-1] = 0.0
    found = torch.zeros(len(x), x.shape[-1], dtype=x.dtype)
    signs = 1 - 2 * labels
    here, w, z = torch.arange(len(x)), found.clone(), torch.zeros_like(labels)

    def cost(w: Tensor, z: Tensor) -> Tensor:
        return strength * (used * softplus(signs * z)).sum(-1) + (penalty * w * w).sum(-1) / 2

    for _ in range(MOST_STEPS):
        wrong, right = torch.sigmoid(signs * z), torch.sigmoid(-signs * z)  # 1 - p would be rounded away
        slope = strength.unsqueeze(-1) * ((used * signs * wrong).unsqueeze(-2) @ x).squeeze(-2) + penalty * w
        bend = strength[:, None, None] * (x.mT @ (x * (used * wrong * right).unsqueeze(-1))) + torch.diag(penalty)
        # The bias may bend so little that rounding takes the factorisation away; a trace of the largest brings it back.
        bend.diagonal(dim1=-2, dim2=-1).add_(1e-14 * bend.diagonal(dim1=-2, dim2=-1).amax(-1, keepdim=True))
        step = -torch.cholesky_solve(slope.unsqueeze(-1), torch.linalg.cholesky(bend)).squeeze(-1)
        dz = (x @ step.unsqueeze(-1)).squeeze(-1)
        before, fall, length = cost(w, z), (slope * step).sum(-1), torch.ones_like(strength)
        for _ in range(60):
            ahead = cost(w + length.unsqueeze(-1) * step, z + length.unsqueeze(-1) * dz)
            far = ahead > before + 1e-4 * length * fall + 1e-13 * before.abs()
            if not bool(far.any()):
                break
            length = torch.where(far, length / 2, length)
        w = w + length.unsqueeze(-1) * step
        z = (x @ w.unsqueeze(-1)).squeeze(-1)
        rest = (used * dz.abs()).amax(-1)
        close = rest <= CLOSE * (1 + (used * z.abs()).amax(-1))
        flat = -fall <= torch.finfo(z.dtype).eps * before  # no step could be told from standing still
        going = ((length < 1) | ~close) & ~flat
        if not bool(going.all()):
            found[here] = w  # of those that go on it is overwritten later
            x, used, strength, signs = (part[going] for part in (x, used, strength, signs))
            here, w, z = here[going], w[going], z[going]
        if not len(here):
            return found
    rule = f"{len(here)} logistic regressions have not converged after {MOST_STEPS} steps"
    raise EvaluationError("benchmark probes", rule, "look for latents of extreme scale")


def choose(x: Tensor, labels: Tensor, folds: Tensor, strengths: tuple[float, ...] = STRENGTHS) -> tuple[Probes, Tensor]:
    """Probes at the strength of the best mean AUC over validation folds, fitted on all rows, and that AUC.

    `x` (..., n, k), labels (..., n), and folds (..., f, n), true where a row is trained on; the other rows validate. Of
    strengths that do equally well the first is taken.
    """
    import torch

    tried = torch.tensor(strengths, dtype=torch.float64)
    at = labels.unsqueeze(-2).unsqueeze(-2)
    parts = folds.unsqueeze(-3)
    probes = fit(x.unsqueeze(-3).unsqueeze(-3), at, tried.unsqueeze(-1), parts)
    values = probes.decide(x.unsqueeze(-3).unsqueeze(-3))
    seen = auc(values, at.expand(values.shape), (~parts).expand(values.shape)).mean(-1)
    best = seen.amax(-1)
    first = (seen == best.unsqueeze(-1)).int().argmax(-1)
    return fit(x, labels, tried[first]), best
