"""Permuted dimensions: the same training on activations whose dimensions no longer belong to the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_core import hookimpl
from husai_core.control import AnyControl, TrainedControl

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class PermutedDimensionsSettings:
    """Nothing to choose."""


class PermutedDimensions(TrainedControl):
    name = "permuted_dimensions"
    summary = (
        "The base's recipe on activations whose dimensions are each permuted across rows: only marginals are kept."
    )
    expectation = (
        "what remains of pwmcc and mcc is what marginals and training give without any relation between dimensions, "
        "in the limit the neuron basis; features that rest on such relations are lost, so on the real rows "
        "explained_variance and cosine fall below the base's and mse rises; l0 of an architecture with k is the "
        "base's; cosine_to_initial is below 1 as for any training."
    )
    Settings = PermutedDimensionsSettings

    def write_rows(
        self,
        x: Tensor,
        y: Tensor,
        new_x: Tensor,
        new_y: Tensor,
        settings: PermutedDimensionsSettings,
        generator: Generator,
    ) -> None:
        """One column at a time, each in an order of its own; what a transcoder writes is permuted on its own, too."""
        import torch

        for old, new in [(x, new_x)] if y is x else [(x, new_x), (y, new_y)]:
            for column in range(old.shape[-1]):
                new[:, column] = old[torch.randperm(len(old), generator=generator), column]


@hookimpl
def husai_controls() -> Sequence[AnyControl]:
    return [PermutedDimensions()]
