"""A toy transformer: how it is built, trained until it solves its task, and scored."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_core import EvaluationError
from husai_core.model import Progress

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from transformer_lens import HookedTransformer

WARM_UP, EVERY, COOL_DOWN = 10, 10, 50  # steps


@dataclass(frozen=True)
class Recipe:
    """Settings that every toy transformer has: its width, its optimiser, and when it may stop."""

    d_model: int = 128
    heads: int = 4
    layers: int = 1
    batch_size: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 1.0
    max_steps: int = 3000
    target_accuracy: float = 0.995

    def __post_init__(self) -> None:
        for name in ("d_model", "heads", "layers", "batch_size", "max_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.d_model % self.heads:
            raise ValueError(f"d_model {self.d_model} must be a multiple of heads {self.heads}")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ValueError(f"learning_rate must be positive and finite, not {self.learning_rate}")
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise ValueError(f"weight_decay must be finite and not negative, not {self.weight_decay}")
        if not 0 < self.target_accuracy <= 1:
            raise ValueError(f"target_accuracy must be above 0 and at most 1, not {self.target_accuracy}")


def generator_for(seed: int, purpose: str) -> Generator:
    """A stream of its own for every purpose, so that one seed never splits two things alike."""
    import torch

    digest = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def build(recipe: Recipe, seed: int, **config: Any) -> HookedTransformer:
    """An untrained network without layer norm; the global random state is left as it was."""
    import torch
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    shape = HookedTransformerConfig(
        n_layers=recipe.layers,
        d_model=recipe.d_model,
        n_heads=recipe.heads,
        d_head=recipe.d_model // recipe.heads,
        normalization_type=None,
        device="cpu",
        **config,
    )
    # TransformerLens draws from the global generator, and its own `seed` would reseed numpy and random too.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="HookedTransformer is deprecated")
        torch.default_generator.manual_seed(seed)
        return HookedTransformer(shape).eval()


def accuracy(network: HookedTransformer, tokens: Tensor, labels: Tensor, positions: Sequence[int]) -> float:
    """Share of labels (rows, positions) that the network ranks first."""
    import torch

    device = network.cfg.device
    with torch.no_grad():
        answers = network(tokens.to(device))[:, list(positions)].argmax(-1)
    return float((answers == labels.to(device)).double().mean())


def chance_limit(chance: float, trials: int) -> float:
    """Chance plus five binomial standard errors: a blind guesser exceeds it about once in a million runs."""
    return chance + 5 * math.sqrt(chance * (1 - chance) / trials)


def fit(
    network: HookedTransformer,
    batches: Iterator[tuple[Tensor, Tensor]],
    positions: Sequence[int],
    score: Callable[[], float],
    recipe: Recipe,
    place: str,
    progress: Progress,
) -> HookedTransformer:
    """AdamW until `score` reaches the target, then a cool-down, so that no lucky step is the last one."""
    import torch

    optimiser = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
    )

    def step(rate: float) -> None:
        tokens, labels = next(batches)
        optimiser.param_groups[0]["lr"] = rate * recipe.learning_rate
        logits = network(tokens)[:, list(positions)]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    reached = 0.0
    for count in range(1, recipe.max_steps + 1):
        step(min(1.0, count / WARM_UP))
        if count % EVERY == 0 or count == recipe.max_steps:
            reached = score()
            progress(count / (recipe.max_steps + COOL_DOWN), f"step {count}, held-out accuracy {reached:.3f}")
            if reached >= recipe.target_accuracy:
                break
    else:
        raise EvaluationError(
            place,
            f"held-out accuracy {reached:.4f} < {recipe.target_accuracy} after {recipe.max_steps} steps",
            "raise max_steps, or try another seed or learning_rate",
        )
    for left in range(COOL_DOWN, 0, -1):
        step(left / COOL_DOWN)
    progress(1.0, f"held-out accuracy {score():.3f}")
    return network
