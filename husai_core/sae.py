"""Sparse coders: what an architecture must say about itself, and a coder ready to be measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import Generator, Tensor

    Params = dict[str, Tensor]


@dataclass(frozen=True)
class Dims:
    """Widths: what is read, the dictionary, what is written."""

    d_in: int
    d_sae: int
    d_out: int


@dataclass(frozen=True)
class Batch:
    """One training batch: `x` (B, d_in) is encoded, `y` (B, d_out) is the target, `dead` marks silent latents."""

    x: Tensor
    y: Tensor
    dead: Tensor | None = None  # (..., d_sae) bool


@dataclass(frozen=True)
class Traits:
    """What an architecture promises of its latents; the contract suite holds it to them."""

    nonnegative: bool = True
    at_most_k: bool = False  # at most `settings.k` latents are active on a row


class Architecture(ABC):
    """A family of sparse coders.

    Parameters are plain tensors named as SAELens names them: `W_enc` (d_in, d_sae), `b_enc` (d_sae),
    `W_dec` (d_sae, d_out), `b_dec` (d_out). Every method must accept parameters with extra leading axes
    (one per seed trained together): use `@`, `...` and `unsqueeze(-2)` for biases.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    summary: ClassVar[str]
    requires: ClassVar[Sequence[str]] = ("torch",)
    Settings: ClassVar[type]
    traits: ClassVar[Traits] = Traits()

    @abstractmethod
    def initialise(self, dims: Dims, settings: Any, generator: Generator, mean: Tensor) -> Params:
        """Fresh parameters of one coder; `mean` (d_out) is the mean of the training targets."""

    @abstractmethod
    def encode(self, params: Params, x: Tensor, settings: Any) -> Tensor:
        """Latents (..., B, d_sae) of activations (B, d_in)."""

    @abstractmethod
    def loss(self, params: Params, batch: Batch, settings: Any) -> Mapping[str, Tensor]:
        """Named terms, each with the parameters' leading shape; their sum is minimised."""

    def decode(self, params: Params, latents: Tensor, settings: Any) -> Tensor:
        """Reconstruction (..., B, d_out) of latents."""
        return latents @ params["W_dec"] + params["b_dec"].unsqueeze(-2)

    def project(self, params: Params, settings: Any) -> None:  # noqa: B027, most have nothing to restore
        """Restore constraints in place after an optimiser step."""

    def sae_lens_config(self, settings: Any) -> Mapping[str, Any]:
        """The architecture's own keys of a SAELens `cfg.json`; empty where SAELens has no such family."""
        return {}


@dataclass(frozen=True)
class Coder:
    """An architecture with parameters: one trained dictionary, or a control made from one."""

    architecture: Architecture
    settings: Any
    dims: Dims
    seed: int
    params: Params
    initial: Params

    def encode(self, x: Tensor) -> Tensor:
        return self.architecture.encode(self.params, x, self.settings)

    def decode(self, latents: Tensor) -> Tensor:
        return self.architecture.decode(self.params, latents, self.settings)

    def dictionary(self) -> Tensor:
        """Feature directions (d_sae, d_out), after checking that the axes are what they are called."""
        return dictionary_of(self.params, self.dims)


def dictionary_of(params: Params, dims: Dims) -> Tensor:
    """`W_dec` as (d_sae, d_out). A transposed one is refused: no guess is made from which side is longer."""
    directions: Tensor = params["W_dec"]
    expected = (dims.d_sae, dims.d_out)
    if tuple(directions.shape) != expected:
        raise ValueError(
            f"W_dec has shape {tuple(directions.shape)}, expected (d_sae, d_out) = {expected}: "
            "a transposed dictionary compares the wrong vectors"
        )
    return directions
