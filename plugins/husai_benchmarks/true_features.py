"""How a dictionary tracks true features: matched by direction, counted as detectors, beside what chance would give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def cosines(dictionary: Tensor, features: Tensor) -> Tensor:
    """|cosine| of every latent's direction and every true feature (latents, features)."""
    return (_unit(dictionary, "the dictionary") @ _unit(features, "the true features").T).abs()


def _unit(rows: Tensor, what: str) -> Tensor:
    norms = rows.double().norm(dim=-1, keepdim=True)
    bad = (~((norms > 0) & norms.isfinite())).flatten().nonzero().flatten()
    if len(bad):
        raise ValueError(f"row {int(bad[0])} of {what} has norm {norms[bad[0]].item()}: it has no direction")
    return rows.double() / norms


def directions(close: Tensor, recovered_at: float) -> dict[str, float]:
    """What |cosines| (latents, features) say alone: the best matching, recovery and uniqueness."""
    from scipy.optimize import linear_sum_assignment

    table = close.cpu().numpy()
    return {
        "feature_mcc": min(1.0, float(table[linear_sum_assignment(table, maximize=True)].mean())),
        "feature_recovery": float((close.amax(0) >= recovered_at).double().mean()),
        "feature_uniqueness": len(close.argmax(1).unique()) / len(close),
    }


def random_directions(latents: int, features: Tensor, recovered_at: float, draws: int, seed: int) -> dict[str, float]:
    """The mean of `directions` over dictionaries of independent random directions, a pure function of the seed."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    shape = (latents, features.shape[1])
    found = [directions(cosines(torch.randn(shape, generator=generator), features), recovered_at) for _ in range(draws)]
    return {name: sum(one[name] for one in found) / draws for name in found[0]}


@dataclass(frozen=True)
class Detection:
    """Rows counted for every latent: where it fires, where its feature does, where both do."""

    rows: int
    latent: Tensor  # (latents,), float64 as are the others
    feature: Tensor
    both: Tensor

    def scores(self) -> dict[str, float]:
        """Precision, recall and F1, means over latents."""
        return self._means(self.both)

    def shuffled(self) -> dict[str, float]:
        """The expectation of `scores` where the rows of the features are shuffled: exact, all are linear in `both`."""
        return self._means(self.latent * self.feature / self.rows)

    def _means(self, both: Tensor) -> dict[str, float]:
        parts = {
            "feature_precision": (both, self.latent),
            "feature_recall": (both, self.feature),
            "feature_f1": (2 * both, self.latent + self.feature),
        }
        return {name: float((top / bottom.clamp(min=1)).mean()) for name, (top, bottom) in parts.items()}


def detect(slices: Iterable[tuple[Tensor, Tensor]], matched: Tensor) -> Detection:
    """Counts over slices of latents (B, latents) and true activations (B, features); `matched` is each latent's."""
    rows, counts = 0, matched.new_zeros(3, len(matched))  # whole numbers
    for latents, truth in slices:
        if not latents.isfinite().all():
            raise ValueError("latents are not finite")
        fires, due = latents != 0, (truth > 0)[:, matched]
        rows += len(latents)
        counts[0] += fires.sum(0)
        counts[1] += due.sum(0)
        counts[2] += (fires & due).sum(0)
    latent, feature, both = counts.double()
    return Detection(rows, latent, feature, both)
