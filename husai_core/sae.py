"""Sparse coders: what an architecture must say about itself, and a coder ready to be measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:
    from torch import Generator, Tensor

Params: TypeAlias = "dict[str, Tensor]"

__all__ = ["Architecture", "Batch", "Coder", "Dims", "Params", "Traits", "dictionary_of"]


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
    step: int = 0
    steps: int = 1
    note_fired: Callable[[Tensor], None] = lambda fired: None
    """For a loss that knows which latents (..., d_sae) were active on this batch: it saves the trainer from looking."""

    def ramp(self, share: float) -> float:
        """From 0 to 1 over the first `share` of training: how far a warm-up has come."""
        return min(1.0, self.step / (share * self.steps)) if share > 0 else 1.0


@dataclass(frozen=True)
class Traits:
    """What an architecture promises of its latents; the contract suite holds it to them."""

    nonnegative: bool = True
    at_most_k: bool = False  # at most `settings.k` latents are active on a row
    own_target: bool = False  # it chooses what it reconstructs, so its errors compare with its own kind only
    transcoder: bool = False  # it writes other activations than it reads: d_out need not be d_in


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
    fixed: ClassVar[frozenset[str]] = frozenset()  # parameters that the optimiser leaves alone, such as a threshold
    stored_by_latent: ClassVar[frozenset[str]] = frozenset()  # of shape (..., d_sae) but laid out latent by latent
    sae_lens_names: ClassVar[Sequence[str]] = ()  # values of `architecture` in a SAELens cfg.json that it can read

    @abstractmethod
    def initialise(self, dims: Dims, settings: Any, generator: Generator, mean: Tensor) -> Params:
        """Fresh parameters of one coder; `mean` (d_out) is the mean of the training targets."""

    @abstractmethod
    def encode(self, params: Params, x: Tensor, settings: Any) -> Tensor:
        """Latents (..., B, d_sae) of activations (B, d_in)."""

    def encode_in_training(self, params: Params, x: Tensor, settings: Any) -> Tensor:
        """Latents as `loss` sees them, which tell the dead; `encode` may use a threshold set only afterwards."""
        return self.encode(params, x, settings)

    @abstractmethod
    def loss(self, params: Params, batch: Batch, settings: Any) -> Mapping[str, Tensor]:
        """Named terms, each with the parameters' leading shape; their sum is minimised."""

    def decode(self, params: Params, latents: Tensor, settings: Any) -> Tensor:
        """Reconstruction (..., B, d_out) of latents."""
        return latents @ params["W_dec"] + params["b_dec"].unsqueeze(-2)

    def reconstruct(self, params: Params, x: Tensor, latents: Tensor, settings: Any) -> Tensor:
        """Output (..., B, d_out); differs from `decode` where something bypasses the latents."""
        return self.decode(params, latents, settings)

    def target(self, params: Params, x: Tensor, y: Tensor, settings: Any) -> Tensor:
        """What the output is compared with; differs from `y` only under the trait `own_target`."""
        return y

    def project(self, params: Params, settings: Any) -> None:  # noqa: B027, most have nothing to restore
        """Restore constraints in place after an optimiser step."""

    def calibrate(self, params: Params, rows: Tensor, settings: Any) -> None:  # noqa: B027, most have nothing to set
        """Set what inference needs, in place, from training rows (N, d_in): after the last step, and for controls."""

    def to_sae_lens(self, params: Params, settings: Any) -> tuple[Mapping[str, Any], Params]:
        """The keys of a SAELens `cfg.json` and the tensors of one coder, as they are saved.

        Where SAELens has no such family, the keys are empty and the tensors are the parameters.
        """
        return {}, params

    def from_sae_lens(self, config: Mapping[str, Any], tensors: Params) -> tuple[Mapping[str, Any], Params]:
        """The settings and parameters behind a saved coder: the inverse of `to_sae_lens`."""
        return {}, tensors


@dataclass(frozen=True)
class Coder:
    """An architecture with parameters: one trained dictionary, or a control made from one."""

    architecture: Architecture
    settings: Any
    dims: Dims
    seed: int
    params: Params
    initial: Params | None  # None: it was trained elsewhere, and nobody knows where it started

    def encode(self, x: Tensor) -> Tensor:
        return self.architecture.encode(self.params, x, self.settings)

    def decode(self, latents: Tensor) -> Tensor:
        return self.architecture.decode(self.params, latents, self.settings)

    def reconstruct(self, x: Tensor, latents: Tensor) -> Tensor:
        return self.architecture.reconstruct(self.params, x, latents, self.settings)

    def target(self, x: Tensor, y: Tensor) -> Tensor:
        return self.architecture.target(self.params, x, y, self.settings)

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
