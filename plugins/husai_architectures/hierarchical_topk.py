"""HierarchicalTopK: one dictionary for many sparsities (arXiv 2505.24473, EMNLP 2025 main.515).

The loss is the mean over budgets j of |y - x_j|^2, where x_j is decoded from the j largest latents of each row. The
paper takes every j up to k, or a subset; weights, and AuxK on the error at k, are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_architectures.affine import at_least_zero
from husai_architectures.nested_errors import nested_errors
from husai_architectures.topk import TopK, TopKSettings, largest
from husai_core import Architecture, Batch, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.sae import Params


@dataclass(frozen=True)
class HierarchicalTopKSettings(TopKSettings):
    """`budgets` left out is every one up to k, `weights` left out is equal; latents are encoded at `inference_k`."""

    budgets: tuple[int, ...] | None = None
    weights: tuple[float, ...] | None = None
    inference_k: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        budgets = self.budgets or ()
        if self.budgets is not None and (list(budgets) != sorted({*budgets}) or budgets[-1:] != (self.k,)):
            raise ValueError(f"budgets must increase and end with k = {self.k}, not {list(budgets)}")
        if budgets and budgets[0] < 1:
            raise ValueError(f"budgets must be at least 1, not {budgets[0]}")
        if self.weights is not None:
            for weight in self.weights:
                at_least_zero("weights", weight)
            if len(self.weights) != (len(budgets) or self.k) or not sum(self.weights):
                raise ValueError(f"weights must be one per budget and not all zero, not {list(self.weights)}")
        if self.inference_k is not None and not 1 <= self.inference_k <= self.k:
            raise ValueError(f"inference_k must be from 1 to k = {self.k}, not {self.inference_k}")

    def shares(self) -> list[float]:
        """The weight of the error after each of the k latents; they sum to 1, and are 0 where there is no budget."""
        budgets = self.budgets or range(1, self.k + 1)
        weights = dict(zip(budgets, self.weights or [1.0] * len(budgets), strict=True))
        return [weights.get(j, 0.0) / sum(weights.values()) for j in range(1, self.k + 1)]


class HierarchicalTopK(TopK):
    name = "hierarchical_topk"
    summary = "TopK trained at many budgets at once: the j largest latents must do for every j."
    Settings = HierarchicalTopKSettings
    sae_lens_names: Sequence[str] = ()

    def encode(self, params: Params, x: Tensor, settings: HierarchicalTopKSettings) -> Tensor:
        return largest(self.pre_activations(params, x, settings).relu(), settings.inference_k or settings.k)

    def loss(self, params: Params, batch: Batch, settings: HierarchicalTopKSettings) -> Mapping[str, Tensor]:
        latents = self.active(params, batch.x, settings)
        batch.note_fired(latents.fired)
        values, places = latents.ranked(settings.k)
        start = batch.y - params["b_dec"].unsqueeze(-2)
        errors, residual = nested_errors(start, values, places, params["W_dec"], settings.shares())
        return {"nested_mse": errors.mean(-1), **self.auxiliary(params, residual, batch, settings)}

    def to_sae_lens(self, params: Params, settings: HierarchicalTopKSettings) -> tuple[Mapping[str, Any], Params]:
        """SAELens's TopK at the budget of inference; the other budgets were a matter of training."""
        keys, tensors = super().to_sae_lens(params, settings)
        return {**keys, "k": settings.inference_k or settings.k}, tensors


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [HierarchicalTopK()]
