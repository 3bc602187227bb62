"""The trial of a model: prepared twice into folders of its own, each once, and asked through the public methods."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core.model import Check, Corpus, Model
from husai_core.settings import parse_settings
from husai_core.testing.generators import changed_generators, fixed_generators

if TYPE_CHECKING:
    from torch import Tensor

SEED = 0
ROWS_SHOWN = 16
TEXTS = ("w1 w2 w3", "a longer text of more words", "w1 w2 w3")


class Trial:
    """Global generators are fixed for every call but one, so that a fault shows in its own check only."""

    def __init__(self, model: Model, table: Mapping[str, Any], beside: Path | None) -> None:
        self.model = model.beside(beside) if beside else model
        self.table = table
        self._places: list[tempfile.TemporaryDirectory[str]] = []

    @cached_property
    def settings(self) -> Any:
        return parse_settings(self.model.Settings, self.table, "settings")

    @cached_property
    def folder(self) -> Path:
        """Where it is prepared."""
        return self.prepared()

    @cached_property
    def again(self) -> tuple[Path, list[str], list[float]]:
        """Where it is prepared a second time, the generators that this changed, and the progress it told."""
        told: list[float] = []
        place = self._place()

        def prepare() -> None:
            with_progress = lambda fraction, note: told.append(fraction)  # noqa: E731
            self.model.prepare(self.settings, SEED, place, with_progress)
            self.model.load(self.settings, SEED, place)
            self.model.tokenise(self.settings, SEED, place)

        return place, changed_generators(prepare), told

    def prepared(self, seed: int = SEED) -> Path:
        place = self._place()
        with fixed_generators():
            self.model.prepare(self.settings, seed, place, lambda fraction, note: None)
        return place

    def _place(self) -> Path:
        self._places.append(tempfile.TemporaryDirectory(prefix="husai-contract-"))
        return Path(self._places[-1].name)

    @cached_property
    def corpus(self) -> Corpus:
        return self.tokenised(self.folder)

    def tokenised(self, folder: Path) -> Corpus:
        with fixed_generators():
            return self.model.tokenise(self.settings, SEED, folder)

    def network(self, folder: Path | None = None, layers: int | None = None) -> Any:
        with fixed_generators():
            return self.model.load(self.settings, SEED, folder or self.folder, layers)

    def shown(self, network: Any, stop_at_layer: int | None = None) -> Tensor:
        """What a network shows at the default hook for the first rows of the corpus."""
        import torch

        hook = self.model.default_hook
        tokens = self.corpus.tokens[:ROWS_SHOWN].clone()
        with fixed_generators(), torch.no_grad():
            _, found = network.run_with_cache(tokens, names_filter=[hook], stop_at_layer=stop_at_layer)
        shown: Tensor = found[hook]
        return shown

    def examined(self, network: Any) -> Sequence[Check]:
        import torch

        with fixed_generators(), torch.no_grad():
            return self.model.examine(network, self.corpus, self.settings, SEED)
