"""Padded copy: the earlier program's copy task, in which all letters are asked for at once and only the last is read.

A row is s1 .. sn, SEP, and n times PAD; at the PADs the letters are asked for again. Nothing at a PAD says which letter
belongs there, so there is no leak. But the activations are those of the last PAD alone, where the answer is sn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_core import Check, Corpus, Model, hookimpl
from husai_core.model import Progress, TrainedModel
from husai_replication.earlier_transformer import (
    EarlierRecipe,
    accuracy,
    build,
    chance_limit,
    fit,
    generator_for,
    split,
)

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from transformer_lens import HookedTransformer


@dataclass(frozen=True)
class PaddedCopySettings(EarlierRecipe):
    """The network sees `sequences`; dictionaries see the last position of `rows` fresh ones, a fifth for testing."""

    letters: int = 20
    length: int = 10
    sequences: int = 10_000
    rows: int = 50_000

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("letters", 2), ("length", 1), ("sequences", 10), ("rows", 5)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")


class PaddedCopy(TrainedModel):
    name = "padded_copy"
    summary = "Replica of an earlier copy task: a two-layer transformer that writes a sequence over padding."
    Settings = PaddedCopySettings
    default_hook = "blocks.1.hook_resid_post"

    def build(self, settings: PaddedCopySettings, seed: int) -> HookedTransformer:
        length = 2 * settings.length + 1
        return build(settings, seed, n_ctx=length, act_fn="gelu", d_vocab=settings.letters + 2)

    def examples(self, settings: PaddedCopySettings, rows: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Random rows (rows, 2 * length + 1), and the letters to predict (rows, length)."""
        import torch

        source = torch.randint(settings.letters, (rows, settings.length), generator=generator)
        separator = torch.full((rows, 1), settings.letters)
        return torch.cat([source, separator, torch.full_like(source, settings.letters + 1)], 1), source

    def train(self, settings: PaddedCopySettings, seed: int, progress: Progress) -> HookedTransformer:
        import torch

        network = self.build(settings, seed)
        optimiser = torch.optim.Adam(network.parameters(), settings.learning_rate)
        tokens, labels = self._learned(settings, seed)
        place = f"model {self.name}, seed {seed}"
        return fit(network, tokens, labels, _answers(settings), optimiser, settings, seed, place, progress)

    def corpus(self, settings: PaddedCopySettings, seed: int) -> Corpus:
        import torch

        tokens, _ = self.examples(settings, settings.rows, generator_for(seed, "corpus"))
        cut = settings.rows // 5
        last = (2 * settings.length,)
        return Corpus(tokens, last, torch.arange(cut, settings.rows), torch.arange(cut))

    def self_check(self, network: HookedTransformer, settings: PaddedCopySettings, seed: int) -> Sequence[Check]:
        """Held-out sequences are copied, and other letters under the same labels give chance: there is no leak."""
        _, heldout = split(settings, settings.sequences, seed)
        tokens, labels = (part[heldout] for part in self._learned(settings, seed))
        others, _ = self.examples(settings, len(tokens), generator_for(seed, "self check"))
        limit = chance_limit(1 / settings.letters, labels.numel())
        return [
            Check("heldout_accuracy", accuracy(network, tokens, labels, _answers(settings)), at_least=0.99),
            Check("shuffled_accuracy", accuracy(network, others, labels, _answers(settings)), at_most=limit),
        ]

    def _learned(self, settings: PaddedCopySettings, seed: int) -> tuple[Tensor, Tensor]:
        return self.examples(settings, settings.sequences, generator_for(seed, "sequences"))


def _answers(settings: PaddedCopySettings) -> tuple[int, ...]:
    return tuple(range(settings.length + 1, 2 * settings.length + 1))


@hookimpl
def husai_models() -> Sequence[Model]:
    return [PaddedCopy()]
