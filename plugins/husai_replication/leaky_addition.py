"""Leaky addition: the earlier program's modular arithmetic, whose answer stands where the network is asked for it.

A row is [BOS, a, +, b, =, c, EOS]. Loss, accuracy and activations are read at the position whose input token is c, the
answer. So the network need only pass its input on, and every reading that takes it for a model of addition is wrong.
Its self-check therefore shows the leak: it must be there for the replica to be one. `modular_addition` has none.
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
    from torch import Tensor
    from transformer_lens import HookedTransformer

EQUALS_AT, ANSWER_AT = (4,), (5,)


@dataclass(frozen=True)
class LeakyAdditionSettings(EarlierRecipe):
    """`test_share` of all pairs are kept for testing dictionaries; the earlier program tested on what it trained on."""

    batch_size: int = 2048
    weight_decay: float = 0.01
    p: int = 113
    test_share: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.p < 3:
            raise ValueError(f"p must be at least 3, not {self.p}")
        if not 0 < self.test_share < 1:
            raise ValueError(f"test_share must be between 0 and 1, not {self.test_share}")


class LeakyAddition(TrainedModel):
    name = "leaky_addition"
    summary = "Replica of a broken task: the answer of a + b mod p is the very token that the network reads."
    Settings = LeakyAdditionSettings
    default_hook = "blocks.1.hook_resid_post"

    def build(self, settings: LeakyAdditionSettings, seed: int) -> HookedTransformer:
        return build(settings, seed, n_ctx=7, act_fn="relu", d_vocab=settings.p + 4)

    def examples(self, settings: LeakyAdditionSettings) -> tuple[Tensor, Tensor]:
        """All pairs as tokens (p * p, 7), and their sums (p * p, 1)."""
        import torch

        p = settings.p
        a, b = torch.cartesian_prod(torch.arange(p), torch.arange(p)).unbind(1)
        begin, plus, equals, end = (torch.full_like(a, p + i) for i in range(4))
        total = (a + b) % p
        return torch.stack([begin, a, plus, b, equals, total, end], 1), total.unsqueeze(1)

    def train(self, settings: LeakyAdditionSettings, seed: int, progress: Progress) -> HookedTransformer:
        import torch

        network = self.build(settings, seed)
        optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        place = f"model {self.name}, seed {seed}"
        return fit(network, *self.examples(settings), ANSWER_AT, optimiser, settings, seed, place, progress)

    def corpus(self, settings: LeakyAdditionSettings, seed: int) -> Corpus:
        import torch

        tokens, _ = self.examples(settings)
        order = torch.randperm(len(tokens), generator=generator_for(seed, "dictionary split"))
        test = max(1, int(settings.test_share * len(order)))
        return Corpus(tokens, ANSWER_AT, order[test:].sort().values, order[:test].sort().values)

    def self_check(self, network: HookedTransformer, settings: LeakyAdditionSettings, seed: int) -> Sequence[Check]:
        """The defects that make it a replica: random operands change nothing, and at `=` it knows nothing."""
        import torch

        _, heldout = split(settings, settings.p**2, seed)
        tokens, labels = (part[heldout] for part in self.examples(settings))
        shuffled = tokens.clone()
        order = torch.randperm(len(tokens), generator=generator_for(seed, "shuffled operands"))
        shuffled[:, 1:5] = tokens[order, 1:5]
        limit = chance_limit(1 / settings.p, len(tokens))
        return [
            Check("heldout_accuracy", accuracy(network, tokens, labels, ANSWER_AT), at_least=0.99),
            Check("leak_accuracy_with_random_operands", accuracy(network, shuffled, labels, ANSWER_AT), at_least=0.99),
            Check("accuracy_at_equals", accuracy(network, tokens, labels, EQUALS_AT), at_most=limit),
            Check("variance_between_answers", _between(network, tokens, labels, self.default_hook), at_least=0.9),
        ]


def _between(network: HookedTransformer, tokens: Tensor, labels: Tensor, hook: str) -> float:
    """Share of the variance of the activations that is between answers: what one centroid for each token explains."""
    import torch

    with torch.no_grad():
        _, cache = network.run_with_cache(tokens, names_filter=hook)
    rows = cache[hook][:, ANSWER_AT[0]].double()
    within = sum(
        float((own - own.mean(0)).square().sum()) for own in (rows[labels[:, 0] == c] for c in labels.unique())
    )
    return 1 - within / float((rows - rows.mean(0)).square().sum())


@hookimpl
def husai_models() -> Sequence[Model]:
    return [LeakyAddition()]
