"""Sequence copy: a two-layer attention-only transformer that repeats random letters after a separator.

A row is [BOS] s1 .. sn [SEP] s1 .. s(n-1). From [SEP] on, each letter is predicted from the tokens up
to there. The letters are independent, so those already copied say nothing about the next: without its source,
a network that does not leak is right once in `letters` times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from husai_core import Check, Corpus, Model, hookimpl
from husai_core.model import Progress, TrainedModel
from husai_models.toy_transformer import Recipe, accuracy, build, chance_limit, fit, generator_for

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from transformer_lens import HookedTransformer

CHECKED_ROWS = 512


@dataclass(frozen=True)
class SequenceCopySettings(Recipe):
    """The alphabet, the length to copy, and how many sequences the dictionary is given (80 % to train on)."""

    layers: int = 2
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    letters: int = 20
    length: int = 10
    rows: int = 2000

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("letters", 2), ("length", 1), ("rows", 5)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")


class SequenceCopy(TrainedModel):
    name = "sequence_copy"
    summary = "A two-layer attention-only transformer that copies random letters."
    Settings = SequenceCopySettings
    # After the last block, as for modular addition: the letter at hand, its position and the letter to be
    # copied are all in this stream, and the answer is read from it linearly.
    default_hook = "blocks.1.hook_resid_post"
    predicts_next = True  # from the separator on, which is where the corpus reads

    def build(self, settings: SequenceCopySettings, seed: int) -> HookedTransformer:
        n = settings.letters
        length = 2 * settings.length + 1
        return build(settings, seed, n_ctx=length, attn_only=True, d_vocab=n + 2, d_vocab_out=n)

    def examples(self, settings: SequenceCopySettings, rows: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Fresh random rows (rows, 2 * length + 1), and the letters to predict (rows, length)."""
        import torch

        source = torch.randint(settings.letters, (rows, settings.length), generator=generator)
        begin = torch.full((rows, 1), settings.letters)
        return torch.cat([begin, source, begin + 1, source[:, :-1]], 1), source

    def train(self, settings: SequenceCopySettings, seed: int, progress: Progress) -> HookedTransformer:
        network = self.build(settings, seed)
        positions = self._positions(settings)
        tokens, labels = self.examples(settings, CHECKED_ROWS, generator_for(seed, "stopping"))

        def score() -> float:
            return accuracy(network, tokens, labels, positions)

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            generator = generator_for(seed, "batches")
            while True:
                yield self.examples(settings, settings.batch_size, generator)

        place = f"model {self.name}, seed {seed}"
        return fit(network, batches(), positions, score, settings, place, progress)

    def corpus(self, settings: SequenceCopySettings, seed: int) -> Corpus:
        import torch

        tokens, _ = self.examples(settings, settings.rows, generator_for(seed, "corpus"))
        cut = settings.rows // 5
        return Corpus(tokens, self._positions(settings), torch.arange(cut, settings.rows), torch.arange(cut))

    def self_check(self, network: HookedTransformer, settings: SequenceCopySettings, seed: int) -> Sequence[Check]:
        """Fresh letters are copied; with other letters in the source, the copy half as it was, it guesses."""
        positions = self._positions(settings)
        generator = generator_for(seed, "self check")
        tokens, labels = self.examples(settings, CHECKED_ROWS, generator)
        replaced = tokens.clone()
        replaced[:, 1 : settings.length + 1] = self.examples(settings, CHECKED_ROWS, generator)[1]
        limit = chance_limit(1 / settings.letters, labels.numel())
        return [
            Check("heldout_accuracy", accuracy(network, tokens, labels, positions), at_least=0.99),
            Check("shuffled_accuracy", accuracy(network, replaced, labels, positions), at_most=limit),
        ]

    def _positions(self, settings: SequenceCopySettings) -> tuple[int, ...]:
        return tuple(range(settings.length + 1, 2 * settings.length + 1))


@hookimpl
def husai_models() -> Sequence[Model]:
    return [SequenceCopy()]
