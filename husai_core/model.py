"""The model under the dictionary: where activations come from, and how it proves that it computes what it claims to."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from husai_core.errors import Skipped
from husai_core.settings import settings_table

if TYPE_CHECKING:
    from torch import Tensor
    from transformer_lens import HookedTransformer

__all__ = ["WEIGHTS_FILE", "Check", "Corpus", "Known", "Model", "Network", "Progress", "TrainedModel"]

WEIGHTS_FILE = "model.safetensors"

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


@dataclass(frozen=True)
class Known:
    """What a model knows of the rows at hand, and of itself, by name; empty where it knows nothing.

    A label has one entry per row: the operands of a sum, or the true activations (rows, features) of synthetic data.
    A table belongs to the model as a whole: its `embedding` (tokens, width), its true `features` (features, width).
    """

    labels: Mapping[str, Tensor] = field(default_factory=dict)
    tables: Mapping[str, Tensor] = field(default_factory=dict)


class Depth(Protocol):
    """What the engine reads of a network's configuration."""

    n_layers: int


class Network(Protocol):
    """All that the engine asks of a network; a HookedTransformer has it, and so has any table of vectors."""

    cfg: Depth
    hook_dict: Mapping[str, Any]  # its hook points, by the names that TransformerLens gives them

    def run_with_cache(
        self, tokens: Tensor, *, names_filter: list[str], stop_at_layer: int | None
    ) -> tuple[Any, Mapping[str, Tensor]]:
        """The activations (rows, length, width) at the named hook points for tokens (rows, length).

        Layers from number `stop_at_layer` on need not run; None runs them all.
        """


class Model(ABC):
    """A source of activations: a network and the tokens it reads, whether trained here or brought along."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    summary: ClassVar[str]
    requires: ClassVar[Sequence[str]] = ("torch", "transformer_lens")
    Settings: ClassVar[type]
    default_hook: ClassVar[str]
    predicts_next: ClassVar[bool] = False
    """Its network is a HookedTransformer that predicts, at each position of the corpus, the token after it."""

    def beside(self, folder: Path) -> Model:
        """This model, with the relative paths in its settings meant from `folder`, where the study file lies."""
        return self

    def inputs(self, settings: Any) -> Mapping[str, str]:
        """The digests, by name, of files that results depend on; whatever a setting points at belongs here."""
        return {}

    def prepared_for(self, settings: Any, seed: int) -> Mapping[str, Any]:
        """What the result of `prepare` depends on beside `inputs`: work is shared by all that agree in it."""
        return {"settings": settings_table(settings), "seed": seed}

    @abstractmethod
    def prepare(self, settings: Any, seed: int, folder: Path, progress: Progress) -> None:
        """Train or convert, once, and write what the other methods need into `folder`, which the cache keeps."""

    @abstractmethod
    def load(self, settings: Any, seed: int, folder: Path, layers: int | None = None) -> Network:
        """The network that was prepared; it may leave out the layers from number `layers` on."""

    @abstractmethod
    def tokenise(self, settings: Any, seed: int, folder: Path) -> Corpus:
        """The rows whose activations the dictionary learns from and is tested on."""

    @abstractmethod
    def examine(self, network: Any, corpus: Corpus, settings: Any, seed: int) -> Sequence[Check]:
        """Evidence that the network computes what it claims to; the run stops when one does not hold."""

    def load_reader(self, settings: Any, seed: int, folder: Path, layers: int | None, length: int) -> Network:
        """As `load`, for rows of up to `length` tokens, whatever the length of those in the corpus."""
        return self.load(settings, seed, folder, layers)

    def encode(self, settings: Any, seed: int, folder: Path, texts: Sequence[str]) -> list[list[int]]:
        """Each text as tokens, the first of them one that begins every text and is not read (BOS)."""
        raise Skipped(f"model {self.name}", "it reads no text", "use a language model: smollm2, huggingface")

    def decode(self, settings: Any, seed: int, folder: Path, tokens: Sequence[Sequence[int]]) -> list[str]:
        """The text of each of these runs of tokens."""
        raise Skipped(f"model {self.name}", "it writes no text", "use a language model: smollm2, huggingface")

    def labels(self, settings: Any, seed: int, folder: Path, corpus: Corpus, rows: Tensor) -> Mapping[str, Tensor]:
        """What is known of these rows of the corpus, by name, each (len(rows), positions, ...)."""
        return {}

    def tables(self, settings: Any, seed: int, folder: Path) -> Mapping[str, Tensor]:
        """What is known of the model that was prepared in `folder`, by name."""
        return {}

    def weights(self, settings: Any, folder: Path) -> str:
        """The digest of what was prepared."""
        with (folder / WEIGHTS_FILE).open("rb") as handle:
            return "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()


class TrainedModel(Model):
    """A network trained here. `build` then `load_state_dict` must restore what `train` returned."""

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

    def prepare(self, settings: Any, seed: int, folder: Path, progress: Progress) -> None:
        from safetensors.torch import save_file

        weights = self.train(settings, seed, progress).state_dict()
        save_file({name: weights[name].contiguous() for name in sorted(weights)}, folder / WEIGHTS_FILE)

    def load(self, settings: Any, seed: int, folder: Path, layers: int | None = None) -> Network:
        from safetensors.torch import load_file

        network: Any = self.build(settings, seed)
        network.load_state_dict(load_file(folder / WEIGHTS_FILE))
        loaded: Network = network
        return loaded

    def tokenise(self, settings: Any, seed: int, folder: Path) -> Corpus:
        return self.corpus(settings, seed)

    def examine(self, network: Any, corpus: Corpus, settings: Any, seed: int) -> Sequence[Check]:
        return self.self_check(network, settings, seed)
