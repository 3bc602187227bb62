"""The earlier program's transformer: two layers with LayerNorm, trained until the first epoch that solves its task."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_core import EvaluationError
from husai_core.model import Progress

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from torch.optim import Optimizer
    from transformer_lens import HookedTransformer


@dataclass(frozen=True)
class EarlierRecipe:
    """What both tasks share; `train_share` of the examples are learned, and the rest say when to stop."""

    d_model: int = 128
    heads: int = 4
    layers: int = 2
    batch_size: int = 256
    learning_rate: float = 1e-3
    train_share: float = 0.9
    max_epochs: int = 500

    def __post_init__(self) -> None:
        for name in ("d_model", "heads", "layers", "batch_size", "max_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.d_model % self.heads:
            raise ValueError(f"d_model {self.d_model} must be a multiple of heads {self.heads}")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ValueError(f"learning_rate must be positive and finite, not {self.learning_rate}")
        if not 0 < self.train_share < 1:
            raise ValueError(f"train_share must be between 0 and 1, not {self.train_share}")


def generator_for(seed: int, purpose: str) -> Generator:
    """A stream of its own for every purpose."""
    import torch

    digest = hashlib.sha256(f"earlier {purpose}:{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def build(recipe: EarlierRecipe, seed: int, **config: Any) -> HookedTransformer:
    """An untrained network; the global random state is left as it was."""
    import torch
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    shape = HookedTransformerConfig(
        n_layers=recipe.layers,
        d_model=recipe.d_model,
        n_heads=recipe.heads,
        d_head=recipe.d_model // recipe.heads,
        d_mlp=4 * recipe.d_model,
        normalization_type="LN",
        device="cpu",
        **config,
    )
    # TransformerLens draws from the global generator, and its own `seed` would reseed numpy and random too.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="HookedTransformer is deprecated")
        torch.default_generator.manual_seed(seed)
        return HookedTransformer(shape).eval()


def split(recipe: EarlierRecipe, examples: int, seed: int) -> tuple[Tensor, Tensor]:
    """The numbers of the examples that the network learns, and of those that say when to stop."""
    import torch

    order = torch.randperm(examples, generator=generator_for(seed, "network split"))
    seen = int(recipe.train_share * examples)
    return order[:seen], order[seen:]


def accuracy(network: HookedTransformer, tokens: Tensor, labels: Tensor, positions: Sequence[int]) -> float:
    """Share of labels (rows, positions) that the network ranks first."""
    import torch

    with torch.no_grad():
        answers = network(tokens)[:, list(positions)].argmax(-1)
    return float((answers == labels).double().mean())


def chance_limit(chance: float, trials: int) -> float:
    """Chance plus five binomial standard errors: a blind guesser exceeds it about once in a million runs."""
    return chance + 5 * math.sqrt(chance * (1 - chance) / trials)


def fit(
    network: HookedTransformer,
    tokens: Tensor,
    labels: Tensor,
    positions: Sequence[int],
    optimiser: Optimizer,
    recipe: EarlierRecipe,
    seed: int,
    place: str,
    progress: Progress,
) -> HookedTransformer:
    """Epochs over the learned examples until every held-out answer is right at the end of one."""
    import torch

    seen, heldout = split(recipe, len(tokens), seed)
    order = generator_for(seed, "batches")
    reached = 0.0
    for epoch in range(1, recipe.max_epochs + 1):
        for rows in seen[torch.randperm(len(seen), generator=order)].split(recipe.batch_size):
            logits = network(tokens[rows])[:, list(positions)]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[rows].flatten())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        reached = accuracy(network, tokens[heldout], labels[heldout], positions)
        progress(epoch / recipe.max_epochs, f"epoch {epoch}, held-out accuracy {reached:.4f}")
        if reached == 1:
            return network
    raise EvaluationError(
        place, f"held-out accuracy {reached:.4f} after {recipe.max_epochs} epochs", "raise max_epochs, or try a seed"
    )
