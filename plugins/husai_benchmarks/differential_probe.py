"""Differential probe: an L1 probe on the most selective latents, all of it chosen on training documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_benchmarks.classification import auc
from husai_benchmarks.contrast import active_enough, ranking, selectivity
from husai_benchmarks.lasso import Fits, fit_path, largest_penalty

if TYPE_CHECKING:
    from torch import Tensor

FOLDS = 4
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Selection:
    """What makes a latent count as selective."""

    threshold: float
    documents: int  # in which it must be active

    def of(self, means: Tensor, labels: Tensor) -> Tensor:
        """Those that are, by number, the most selective first."""
        return ranking(selectivity(means, labels), active_enough(means, self.documents), self.threshold)


@dataclass(frozen=True)
class DifferentialProbe:
    """Weights on a few latents; a higher decision value means class 1."""

    latents: Tensor  # (n)
    weights: Tensor  # (n)
    intercept: float

    def decide(self, means: Tensor) -> Tensor:
        """Decision values (documents) of document means (documents, d_sae)."""
        found: Tensor = means[:, self.latents] @ self.weights + self.intercept
        return found

    @property
    def used(self) -> int:
        """How many weights are not zero."""
        return int(self.weights.count_nonzero())


def learn(
    means: Tensor, labels: Tensor, selection: Selection, features: int, penalties: int, weakest: float
) -> DifferentialProbe:
    """The probe on at most so many latents whose penalty did best in folds of the training documents.

    Latents are selected anew within each fold, so that no fold is judged on latents that it helped to select. Of
    penalties that do equally well the heaviest is taken; they run from the one that leaves no weight to `weakest`
    times that.
    """
    import torch

    fold = fold_of(labels)
    inner = torch.stack([fold != number for number in range(FOLDS)])
    chosen = [selection.of(means[use], labels[use])[:features] for use in inner]
    values = _path(means, labels, inner, chosen, penalties, weakest)[1]
    held = (~inner).unsqueeze(1).expand(values.shape)
    score = auc(values, labels.expand(values.shape), held).mean(0)
    best = int((score >= score.max() - 1e-12).int().argmax())
    latents = selection.of(means, labels)[:features]
    fits, _ = _path(means, labels, torch.ones(1, len(labels), dtype=torch.bool), [latents], penalties, weakest)
    return DifferentialProbe(latents, fits.weights[0, best, : len(latents)], float(fits.intercepts[0, best]))


def fold_of(labels: Tensor) -> Tensor:
    """The fold of every document: each class is dealt out in turn."""
    import torch

    fold = torch.zeros_like(labels)
    for label in (0, 1):
        members = (labels == label).nonzero().squeeze(1)
        fold[members] = torch.arange(len(members)) % FOLDS
    return fold


def _path(
    means: Tensor, labels: Tensor, uses: Tensor, chosen: list[Tensor], penalties: int, weakest: float
) -> tuple[Fits, Tensor]:
    """Fits on these documents, each on its own latents, and their values (fits, penalties, documents) on all."""
    import torch

    width = max(1, *(len(latents) for latents in chosen))
    x = torch.zeros(len(chosen), len(means), width, dtype=torch.float64)  # a column of zeros gets no weight
    for part, latents in zip(x, chosen, strict=True):
        part[:, : len(latents)] = means[:, latents]
    share = uses.double() / uses.sum(-1, keepdim=True)
    centre = (share.unsqueeze(-1) * x).sum(1, keepdim=True)
    scale = (share.unsqueeze(-1) * (x - centre).square()).sum(1, keepdim=True).sqrt()
    scale = scale.where(scale > 0, 1)
    y = labels.double().expand(len(chosen), -1)
    falls = torch.logspace(0, torch.log10(torch.tensor(weakest, dtype=torch.float64)), penalties, dtype=torch.float64)
    heaviest = largest_penalty(x / scale, y, share)
    fits = fit_path(x / scale, y, share, heaviest.unsqueeze(-1) * falls, TOLERANCE)
    fits = Fits(fits.weights / scale, fits.intercepts)
    return fits, (x @ fits.weights.mT).mT + fits.intercepts.unsqueeze(-1)
