"""BatchTopK: the k * B largest activations of a batch; at inference, all above a threshold (arXiv 2412.06410).

The start has threshold 0, which is a plain ReLU. The trainer sets it on training rows after the last step, and
controls are given theirs on the same rows, so that the mean L0 there is k for either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from husai_architectures import threshold
from husai_architectures.topk import TopK, TopKSettings
from husai_core import Architecture, Dims, Traits, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.kernels import SparseLatents
    from husai_core.sae import Params


class BatchTopK(TopK):
    name = "batch_topk"
    summary = "The k*B largest ReLU latents of a batch, a calibrated threshold at inference, AuxK for dead latents."
    traits = Traits(nonnegative=True)
    fixed = frozenset({"threshold"})
    sae_lens_names = ("batchtopk",)

    def initialise(self, dims: Dims, settings: TopKSettings, generator: Generator, mean: Tensor) -> Params:
        start = super().initialise(dims, settings, generator, mean)
        return {**start, "threshold": mean.new_zeros(dims.d_sae)}

    def encode(self, params: Params, x: Tensor, settings: TopKSettings) -> Tensor:
        return threshold.above(self.pre_activations(params, x, settings), params["threshold"])

    def encode_in_training(self, params: Params, x: Tensor, settings: TopKSettings) -> Tensor:
        return self.active(params, x, settings).dense()

    def active(self, params: Params, x: Tensor, settings: TopKSettings) -> SparseLatents:
        from husai_core.kernels import encode_largest_of_batch

        subtract = params["b_dec"] if settings.apply_b_dec_to_input else None
        return encode_largest_of_batch(x, params["W_enc"], params["b_enc"], settings.k, subtract)

    def calibrate(self, params: Params, rows: Tensor, settings: TopKSettings) -> None:
        """Mean L0 over the rows becomes k, or the mean number of positive activations where that is less."""
        seeds, d_sae = params["b_enc"].shape[:-1].numel(), params["b_enc"].shape[-1]
        at_once = max(1, threshold.SLICE_ELEMENTS // (seeds * d_sae))

        def activations() -> Iterator[Tensor]:
            for part in rows.split(at_once):
                yield self.pre_activations(params, part, settings).relu().reshape(seeds, len(part), d_sae)

        params["threshold"].zero_()
        if settings.k < d_sae:
            cut = threshold.calibrated(activations, settings.k * len(rows))
            params["threshold"] += cut.reshape(params["b_enc"].shape[:-1]).unsqueeze(-1)

    def to_sae_lens(self, params: Params, settings: TopKSettings) -> tuple[Mapping[str, Any], Params]:
        """As SAELens itself does: a JumpReLU coder whose metadata says what trained it."""
        trained = {"training_architecture": self.sae_lens_names[0], "training_architecture_details": {"k": settings.k}}
        keys = {"architecture": "jumprelu", "apply_b_dec_to_input": settings.apply_b_dec_to_input, "metadata": trained}
        return keys, params

    def from_sae_lens(self, config: Mapping[str, Any], tensors: Params) -> tuple[Mapping[str, Any], Params]:
        """From what `to_sae_lens` wrote, or from SAELens's training checkpoint with its one threshold for all."""
        details = config.get("metadata", {}).get("training_architecture_details", {})
        if "topk_threshold" in tensors:
            tensors = dict(tensors)
            tensors["threshold"] = tensors.pop("topk_threshold").expand(tensors["b_enc"].shape).clone()
        return super().from_sae_lens({"k": details.get("k"), **config}, tensors)


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [BatchTopK()]
