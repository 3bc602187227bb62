"""TopK transcoder: TopK latents of one place explain another, such as an MLP's input its output (arXiv 2501.18823).

SAELens's transcoders have ReLU or JumpReLU latents, so it has no equivalent of this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_architectures.affine import unit_rows
from husai_architectures.topk import TopK, TopKSettings
from husai_core import Architecture, Dims, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params


@dataclass(frozen=True)
class TopKTranscoderSettings(TopKSettings):
    """Nothing is subtracted from the input: the decoder bias lives in the space that is written."""

    apply_b_dec_to_input: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.apply_b_dec_to_input:
            raise ValueError(
                "apply_b_dec_to_input must be false: a transcoder's decoder bias is not in its input's space"
            )


class TopKTranscoder(TopK):
    name = "topk_transcoder"
    summary = "TopK from one site to another, no bias subtracted from the input."
    Settings = TopKTranscoderSettings
    sae_lens_names: Sequence[str] = ()

    def initialise(self, dims: Dims, settings: TopKTranscoderSettings, generator: Generator, mean: Tensor) -> Params:
        """Unit decoder rows and unit readers of their own: equal widths do not make the two spaces one."""
        params = super().initialise(dims, settings, generator, mean)
        return {**params, "W_enc": unit_rows(dims.d_sae, dims.d_in, generator, mean).T.clone()}

    def to_sae_lens(self, params: Params, settings: TopKTranscoderSettings) -> tuple[Mapping[str, Any], Params]:
        return {}, params


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [TopKTranscoder()]
