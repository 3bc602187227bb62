"""The model under the dictionary: where activations come from, and how it proves that it learned its task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import Tensor
    from transformer_lens import HookedTransformer

Progress = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and a short note; raising from it stops the work."""


@dataclass(frozen=True)
class Check:
    """One thing a model must show before anything is built on it, such as "shuffled operands give chance"."""

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def holds(self) -> bool:
        above = self.at_least is None or self.value >= self.at_least
        below = self.at_most is None or self.value <= self.at_most
        return above and below


@dataclass(frozen=True)
class Corpus:
    """Token rows, the positions whose activations are read, and which rows are for training and for testing."""

    tokens: Tensor  # (rows, length), int64
    positions: tuple[int, ...]
    train: Tensor  # row numbers
    test: Tensor  # row numbers, disjoint from train


class Model(ABC):
    """A source of activations. `build` then `load_state_dict` must restore what `train` returned."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    summary: ClassVar[str]
    requires: ClassVar[Sequence[str]] = ("torch", "transformer_lens")
    Settings: ClassVar[type]
    default_hook: ClassVar[str]

    @abstractmethod
    def build(self, settings: Any, seed: int) -> HookedTransformer:
        """The untrained network, a pure function of settings and seed."""

    @abstractmethod
    def train(self, settings: Any, seed: int, progress: Progress) -> HookedTransformer:
        """The trained network; deterministic on one machine."""

    @abstractmethod
    def corpus(self, settings: Any, seed: int) -> Corpus:
        """The rows whose activations the dictionary learns from and is tested on."""

    @abstractmethod
    def self_check(self, network: HookedTransformer, settings: Any, seed: int) -> Sequence[Check]:
        """Evidence that the network computes what it claims to; the run stops when one does not hold."""
