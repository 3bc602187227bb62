"""MyPlugin: a sparse autoencoder that keeps the k largest latents of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_core import Architecture, Batch, Dims, Traits, hookimpl

if TYPE_CHECKING:  # torch is imported in the functions that need it, so that `husai plugins` stays quick without it
    from torch import Generator, Tensor

    Params = dict[str, Tensor]


@dataclass(frozen=True)
class MyPluginSettings:
    """At most `k` latents are active on a row."""

    k: int = 32  # CHANGE THIS: whatever a study may choose, each with a default

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k must be at least 1, not {self.k}")


class MyPlugin(Architecture):
    name = "myplugin"
    version = "1"  # raise it when the same study would give other results
    summary = "The k largest ReLU latents of each row, unit decoder rows."
    Settings = MyPluginSettings
    traits = Traits(nonnegative=True, at_most_k=True)  # what the contract holds your activation to

    def activation(self, pre: Tensor, settings: MyPluginSettings) -> Tensor:
        """Latents (..., B, d_sae) of pre-activations of that shape."""
        # CHANGE THIS: what makes latents sparse is what makes your architecture.
        values, places = pre.relu().topk(min(settings.k, pre.shape[-1]), dim=-1)
        return pre.new_zeros(pre.shape).scatter(-1, places, values)

    def initialise(self, dims: Dims, settings: MyPluginSettings, generator: Generator, mean: Tensor) -> Params:
        """Random unit decoder rows, the encoder their transpose, the decoder bias at the mean."""
        import torch

        if dims.d_in != dims.d_out:
            raise ValueError(f"it reads and writes the same activations, not {dims.d_in} and {dims.d_out} wide")
        directions = torch.randn(dims.d_sae, dims.d_out, generator=generator, dtype=mean.dtype)
        directions /= directions.norm(dim=-1, keepdim=True)
        return {
            "W_enc": directions.T.clone(),  # (d_in, d_sae)
            "b_enc": mean.new_zeros(dims.d_sae),
            "W_dec": directions,  # (d_sae, d_out)
            "b_dec": mean.clone(),
        }

    def encode(self, params: Params, x: Tensor, settings: MyPluginSettings) -> Tensor:
        """Seeds are trained together: parameters may have a leading axis, so write `...`, `@` and `unsqueeze(-2)`."""
        centred = x - params["b_dec"].unsqueeze(-2)
        return self.activation(centred @ params["W_enc"] + params["b_enc"].unsqueeze(-2), settings)

    def loss(self, params: Params, batch: Batch, settings: MyPluginSettings) -> Mapping[str, Tensor]:
        """Named terms whose sum is minimised, each with a value for every seed."""
        output = self.decode(params, self.encode(params, batch.x, settings), settings)
        # CHANGE THIS: add penalties as further terms, such as {"mse": ..., "l1": ...}.
        return {"mse": (batch.y - output).square().sum(-1).mean(-1)}

    def project(self, params: Params, settings: MyPluginSettings) -> None:
        """Decoder rows back to norm 1, in place, after every step."""
        directions = params["W_dec"].detach()
        directions /= directions.norm(dim=-1, keepdim=True).clamp_min(1e-30)


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [MyPlugin()]
