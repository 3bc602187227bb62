"""Matryoshka BatchTopK: BatchTopK whose first latents must also reconstruct on their own (arXiv 2503.17547).

The squared errors of the nested prefixes are summed, as in the paper and in SAELens. dictionary_learning weighs them
by 1/levels and averages the result, which is the same objective divided by levels squared, so that its auxiliary
term weighs more beside it. With the sum, `mse` means what it means for every other family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_architectures.affine import squared_error
from husai_architectures.batch_topk import BatchTopK
from husai_architectures.topk import TopKSettings
from husai_core import Architecture, Batch, Dims, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.kernels import SparseLatents
    from husai_core.sae import Params


@dataclass(frozen=True)
class MatryoshkaSettings(TopKSettings):
    """`prefixes` are growing shares of the dictionary, the last one the whole of it."""

    prefixes: tuple[float, ...] = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.prefixes or self.prefixes[-1] != 1:
            raise ValueError(f"prefixes must end with 1, the whole dictionary, not {list(self.prefixes)}")
        if any(not a < b for a, b in zip((0, *self.prefixes), self.prefixes, strict=False)):
            raise ValueError(f"prefixes must be positive and grow, not {list(self.prefixes)}")

    def widths(self, d_sae: int) -> list[int]:
        """How many latents each prefix has."""
        return [round(share * d_sae) for share in self.prefixes]


class MatryoshkaBatchTopK(BatchTopK):
    name = "matryoshka_batch_topk"
    summary = "BatchTopK with nested prefixes of the dictionary that each reconstruct, their errors summed."
    Settings = MatryoshkaSettings
    sae_lens_names = ("matryoshka_batchtopk",)

    def initialise(self, dims: Dims, settings: MatryoshkaSettings, generator: Generator, mean: Tensor) -> Params:
        widths = settings.widths(dims.d_sae)
        if len({0, *widths}) <= len(widths):
            raise ValueError(f"prefixes give widths {widths} of d_sae {dims.d_sae}: each must have latents of its own")
        return super().initialise(dims, settings, generator, mean)

    def errors(
        self, params: Params, latents: SparseLatents, batch: Batch, settings: MatryoshkaSettings
    ) -> dict[str, Tensor]:
        """`inner_mse_<width>` of every shorter prefix and `mse` of the whole, each one slice more than the last."""
        terms: dict[str, Tensor] = {}
        residual = batch.y - params["b_dec"].unsqueeze(-2)
        widths = settings.widths(params["W_dec"].shape[-2])
        for start, width in zip([0, *widths], widths, strict=False):
            residual = residual - latents.between(start, width).times(params["W_dec"])
            terms[f"inner_mse_{width}"] = squared_error(residual)
        terms["mse"] = terms.pop(f"inner_mse_{widths[-1]}")
        return {**terms, **self.auxiliary(params, residual.detach(), batch, settings)}

    def to_sae_lens(self, params: Params, settings: MatryoshkaSettings) -> tuple[Mapping[str, Any], Params]:
        keys, tensors = super().to_sae_lens(params, settings)
        keys["metadata"]["training_architecture_details"]["matryoshka_widths"] = settings.widths(
            params["W_dec"].shape[-2]
        )
        return keys, tensors

    def from_sae_lens(self, config: Mapping[str, Any], tensors: Params) -> tuple[Mapping[str, Any], Params]:
        settings, params = super().from_sae_lens(config, tensors)
        details = config.get("metadata", {}).get("training_architecture_details", {})
        widths = config.get("matryoshka_widths", details.get("matryoshka_widths", []))
        shares = {"prefixes": tuple(width / config["d_sae"] for width in widths)} if widths else {}
        return {**settings, **shares}, params


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [MatryoshkaBatchTopK()]
