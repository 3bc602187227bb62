"""Skip transcoder: a TopK transcoder beside a linear map from input to output (arXiv 2501.18823).

The map starts at zero and takes what is linear, so that latents are left for what is not. SAELens's skip transcoder
has ReLU latents, so it has no equivalent of this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from husai_architectures.topk_transcoder import TopKTranscoder, TopKTranscoderSettings
from husai_core import Architecture, Dims, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.kernels import SparseLatents
    from husai_core.sae import Params


class SkipTranscoder(TopKTranscoder):
    name = "skip_transcoder"
    summary = "TopK transcoder plus a linear map around the latents, zero at the start."

    def initialise(self, dims: Dims, settings: TopKTranscoderSettings, generator: Generator, mean: Tensor) -> Params:
        params = super().initialise(dims, settings, generator, mean)
        return {**params, "W_skip": mean.new_zeros(params["W_enc"].shape[0], dims.d_out)}

    def reconstruct(self, params: Params, x: Tensor, latents: Tensor, settings: TopKTranscoderSettings) -> Tensor:
        return self.decode(params, latents, settings) + self.read(params, x, settings) @ params["W_skip"]

    def output(self, params: Params, x: Tensor, latents: SparseLatents) -> Tensor:
        """As `reconstruct`, of the columns that are read."""
        return super().output(params, x, latents) + x @ params["W_skip"]


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [SkipTranscoder()]
