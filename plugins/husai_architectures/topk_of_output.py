"""TopK of output: the SAE that a transcoder is matched with at one site (arXiv 2501.18823).

The site reads what the transcoder reads and, last, what it writes: `hook_in = [A, B]`, `hook_out = B`. This dictionary
reads B alone, a transcoder with `beside_output` A alone, and everything else about the two is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from husai_architectures.topk import TopK, TopKSettings
from husai_core import Architecture, Batch, Dims, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params


class TopKOfOutput(TopK):
    name = "topk_of_output"
    summary = "TopK SAE of what a transcoder's site writes, which the site must also read, last."
    sae_lens_names: Sequence[str] = ()

    def initialise(self, dims: Dims, settings: TopKSettings, generator: Generator, mean: Tensor) -> Params:
        if dims.d_in <= dims.d_out:
            raise ValueError(
                f"d_in must be more than d_out, not {dims.d_in} and {dims.d_out}: give the site a list of hooks to "
                "read, the last of them the one it writes"
            )
        return super().initialise(Dims(dims.d_out, dims.d_sae, dims.d_out), settings, generator, mean)

    def encode(self, params: Params, x: Tensor, settings: TopKSettings) -> Tensor:
        return super().encode(params, _written(params, x), settings)

    def loss(self, params: Params, batch: Batch, settings: TopKSettings) -> Mapping[str, Tensor]:
        return super().loss(params, replace(batch, x=_written(params, batch.x)), settings)

    def to_sae_lens(self, params: Params, settings: TopKSettings) -> tuple[Mapping[str, Any], Params]:
        return {}, params  # SAELens would hand it the whole row


def _written(params: Params, x: Tensor) -> Tensor:
    """The last columns, as many as are written."""
    return x[..., -params["b_dec"].shape[-1] :]


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [TopKOfOutput()]
