"""Gaussian matched: the same training on Gaussian noise with the activations' mean and covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_controls.moments import SLICE_ROWS, moments
from husai_core import hookimpl
from husai_core.control import AnyControl, TrainedControl

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class GaussianMatchedSettings:
    """Nothing to choose."""


class GaussianMatched(TrainedControl):
    name = "gaussian_matched"
    summary = "The base's recipe on Gaussian noise with the mean and covariance of the activations."
    expectation = (
        "pwmcc and mcc are what second moments and training give without any sparse feature, in earlier work most of "
        "the consistency that training seems to add; on the real rows explained_variance and cosine are below the "
        "base's where there is structure beyond covariance, and mse above; l0 of an architecture with k is the "
        "base's, and with the others sparsity is that of noise; cosine_to_initial is below 1 as for any training."
    )
    Settings = GaussianMatchedSettings

    def write_rows(
        self,
        x: Tensor,
        y: Tensor,
        new_x: Tensor,
        new_y: Tensor,
        settings: GaussianMatchedSettings,
        generator: Generator,
    ) -> None:
        """z @ C^(1/2) + mean in slices; the two sides of a transcoder are drawn together and stay correlated."""
        import torch

        mean, covariance = moments(*([x] if y is x else [x, y]))
        values, columns = torch.linalg.eigh(covariance)
        root = columns * values.clamp_min(0).sqrt() @ columns.T  # rounding can leave an eigenvalue below 0
        for start in range(0, len(x), SLICE_ROWS):
            count = len(new_x[start : start + SLICE_ROWS])
            drawn = torch.randn(count, len(mean), generator=generator, dtype=mean.dtype) @ root + mean
            new_x[start : start + count] = drawn[:, : x.shape[-1]]
            if y is not x:
                new_y[start : start + count] = drawn[:, x.shape[-1] :]


@hookimpl
def husai_controls() -> Sequence[AnyControl]:
    return [GaussianMatched()]
