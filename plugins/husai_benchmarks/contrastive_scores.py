"""Contrastive scores: how far the mean latents of two stories lie apart, and those of both from nothing or the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class StoryMeans:
    """The mean latents of the first story, of the second, and of the tokens of both together, (d_sae,) each."""

    first: Tensor
    second: Tensor
    both: Tensor


@dataclass(frozen=True)
class Scores:
    """The three scores of one row."""

    contrastive: float
    independent: float
    interpretability: float


def story_means(first: Tensor, second: Tensor) -> StoryMeans:
    """From latents (tokens, d_sae). Sums grow token by token in float32: bit for bit what the published code has."""
    import torch

    width = first.shape[1]
    sums = torch.zeros(width), torch.zeros(width)
    both = torch.zeros(width)
    for total, latents in zip(sums, (first, second), strict=True):
        for token in latents.float():
            total += token
            both += token
    return StoryMeans(sums[0] / len(first), sums[1] / len(second), both / (len(first) + len(second)))


def official(means: StoryMeans) -> Scores:
    """As the published code computes them: the average that independence is meant from is zero.

    Each distance is centred over latents and divided by its standard deviation, and the largest counts; so no score
    is above (d_sae - 1) / sqrt(d_sae). Interpretability adds the distances, not the scores.
    """
    import torch

    average = torch.zeros_like(means.both)  # the published sum over rows adds to itself what was zero
    contrast = (means.first - means.second).abs()
    independence = (means.both - average).abs()
    together = contrast + independence
    return Scores(
        _largest(contrast, _centred(contrast)),
        _largest(independence, _centred(independence)),
        _largest(together, together),
    )


def paper(means: StoryMeans, average: Tensor) -> Scores:
    """As the paper describes them: `average` is the mean of `both` over the rows, and scores are added."""
    contrastive, independent = _apart(means.first, means.second), _apart(means.both, average)
    return Scores(contrastive, independent, contrastive + independent)


def _centred(distance: Tensor) -> Tensor:
    return distance - distance.mean()


def _largest(distance: Tensor, spread: Tensor) -> float:
    """The largest deviation from the mean over latents, in standard deviations of `spread` unless that is zero."""
    deviation, centred = spread.std(), _centred(distance)
    return float((centred / deviation if deviation != 0 else centred).max())


def _apart(one: Tensor, other: Tensor) -> float:
    """The largest distance of two vectors, in standard deviations of the numbers of both together."""
    import torch

    deviation = torch.cat([one.double(), other.double()]).std()
    distance = (one.double() - other.double()).abs().max()
    return float(distance / deviation) if deviation > 0 else 0.0
