"""Modular addition: a transformer that groks a + b mod p and answers at `=`; no input holds the answer.

There are two splits, from different streams of the seed, so that neither determines the other: the network's
(it trains on some pairs and is checked on the rest), and the dictionary's (80 % of *all* pairs are its
training rows, 20 % its test rows). Training stops by the accuracy on the network's held-out pairs: that number
shows that it generalises and is no unbiased estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from husai_core import Check, Corpus, Model, hookimpl
from husai_core.model import WEIGHTS_FILE, Progress, TrainedModel
from husai_models.toy_transformer import Recipe, accuracy, build, chance_limit, fit, generator_for

if TYPE_CHECKING:
    from torch import Tensor
    from transformer_lens import HookedTransformer

ANSWER_AT = (2,)  # the position of `=` in [a, b, =]


@dataclass(frozen=True)
class ModularAdditionSettings(Recipe):
    """The modulus, the width of the MLP, and the share of pairs that the network sees.

    p = 113 is the long variant, with the same settings.
    """

    p: int = 59
    d_mlp: int = 256
    train_fraction: float = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.p < 3:
            raise ValueError(f"p must be at least 3, not {self.p}")
        if self.d_mlp < 1:
            raise ValueError(f"d_mlp must be at least 1, not {self.d_mlp}")
        if not 1 <= int(self.train_fraction * self.p**2) < self.p**2:
            raise ValueError(f"train_fraction {self.train_fraction} must leave pairs on both sides")


class ModularAddition(TrainedModel):
    name = "modular_addition"
    summary = "A one-layer transformer that adds two numbers modulo p."
    Settings = ModularAdditionSettings
    default_hook = "blocks.0.hook_resid_post"

    def build(self, settings: ModularAdditionSettings, seed: int) -> HookedTransformer:
        p = settings.p
        return build(settings, seed, n_ctx=3, d_mlp=settings.d_mlp, act_fn="relu", d_vocab=p + 1, d_vocab_out=p)

    def examples(self, settings: ModularAdditionSettings) -> tuple[Tensor, Tensor]:
        """All pairs as tokens (p * p, 3), and their sums (p * p, 1)."""
        import torch

        p = settings.p
        pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
        return torch.cat([pairs, torch.full((p * p, 1), p)], 1), pairs.sum(1, keepdim=True) % p

    def train(self, settings: ModularAdditionSettings, seed: int, progress: Progress) -> HookedTransformer:
        network = self.build(settings, seed)
        tokens, labels = self.examples(settings)
        seen, heldout = self._split(settings, seed)
        place = f"model {self.name}, seed {seed}"

        def score() -> float:
            return accuracy(network, tokens[heldout], labels[heldout], ANSWER_AT)

        batches = self._batches(tokens[seen], labels[seen], settings.batch_size, seed)
        return fit(network, batches, ANSWER_AT, score, settings, place, progress)

    def corpus(self, settings: ModularAdditionSettings, seed: int) -> Corpus:
        import torch

        tokens, _ = self.examples(settings)
        order = torch.randperm(len(tokens), generator=generator_for(seed, "dictionary split"))
        test, train = order.split([len(order) // 5, len(order) - len(order) // 5])
        return Corpus(tokens, ANSWER_AT, train.sort().values, test.sort().values)

    def self_check(self, network: HookedTransformer, settings: ModularAdditionSettings, seed: int) -> Sequence[Check]:
        """Held-out pairs are added right; other pairs' operands under the same labels give chance."""
        import torch

        _, heldout = self._split(settings, seed)
        tokens, labels = (part[heldout] for part in self.examples(settings))
        shuffled = tokens.clone()
        order = torch.randperm(len(tokens), generator=generator_for(seed, "shuffled operands"))
        shuffled[:, :2] = tokens[order, :2]
        limit = chance_limit(1 / settings.p, len(tokens))
        return [
            Check("heldout_accuracy", accuracy(network, tokens, labels, ANSWER_AT), at_least=0.99),
            Check("shuffled_accuracy", accuracy(network, shuffled, labels, ANSWER_AT), at_most=limit),
        ]

    def labels(
        self, settings: ModularAdditionSettings, seed: int, folder: Path, corpus: Corpus, rows: Tensor
    ) -> Mapping[str, Tensor]:
        """The operands of each row and their sum."""
        a, b, _ = corpus.tokens[rows].unsqueeze(1).unbind(-1)
        return {"a": a, "b": b, "sum": (a + b) % settings.p}

    def tables(self, settings: ModularAdditionSettings, seed: int, folder: Path) -> Mapping[str, Tensor]:
        """The embedding (p, d_model) of the numbers, without that of `=`."""
        from safetensors.torch import load_file

        return {"embedding": load_file(folder / WEIGHTS_FILE)["embed.W_E"][: settings.p]}

    def _split(self, settings: ModularAdditionSettings, seed: int) -> tuple[Tensor, Tensor]:
        import torch

        order = torch.randperm(settings.p**2, generator=generator_for(seed, "network split"))
        seen = int(settings.train_fraction * len(order))
        return order[:seen], order[seen:]

    def _batches(self, tokens: Tensor, labels: Tensor, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        import torch

        generator = generator_for(seed, "batches")
        while True:
            order = torch.randperm(len(tokens), generator=generator)
            # No ragged last batch: a step on a few rows undoes what hundreds taught.
            for start in range(0, max(1, len(order) - size + 1), size):
                rows = order[start : start + size]
                yield tokens[rows], labels[rows]


@hookimpl
def husai_models() -> Sequence[Model]:
    return [ModularAddition()]
