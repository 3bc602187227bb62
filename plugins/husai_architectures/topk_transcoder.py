"""TopK transcoder: TopK latents of one place explain another, such as an MLP's input its output (arXiv 2501.18823).

SAELens's transcoders have ReLU or JumpReLU latents, so it has no equivalent of this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from husai_architectures.affine import unit_rows
from husai_architectures.topk import TopK, TopKSettings
from husai_core import Architecture, Batch, Dims, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params


@dataclass(frozen=True)
class TopKTranscoderSettings(TopKSettings):
    """Nothing is subtracted from the input: the decoder bias lives in the space that is written.

    `beside_output` is for a site that reads what it writes, too, last of all: for the SAE that this one is matched
    with (`topk_of_output`). Those columns are then left unread.
    """

    apply_b_dec_to_input: bool = False
    beside_output: bool = False

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
        d_in = dims.d_in - dims.d_out if settings.beside_output else dims.d_in
        if d_in < 1:
            raise ValueError(
                f"beside_output needs d_in above d_out, not {dims.d_in} and {dims.d_out}: give the site a list of "
                "hooks to read, the last of them the one it writes"
            )
        params = super().initialise(Dims(d_in, dims.d_sae, dims.d_out), settings, generator, mean)
        return {**params, "W_enc": unit_rows(dims.d_sae, d_in, generator, mean).T.clone()}

    def read(self, params: Params, x: Tensor, settings: TopKTranscoderSettings) -> Tensor:
        """The columns that are read: all, or those before the output's."""
        return x[..., : -params["b_dec"].shape[-1]] if settings.beside_output else x

    def encode(self, params: Params, x: Tensor, settings: TopKTranscoderSettings) -> Tensor:
        return super().encode(params, self.read(params, x, settings), settings)

    def loss(self, params: Params, batch: Batch, settings: TopKTranscoderSettings) -> Mapping[str, Tensor]:
        return super().loss(params, replace(batch, x=self.read(params, batch.x, settings)), settings)

    def to_sae_lens(self, params: Params, settings: TopKTranscoderSettings) -> tuple[Mapping[str, Any], Params]:
        return {}, params


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [TopKTranscoder()]
