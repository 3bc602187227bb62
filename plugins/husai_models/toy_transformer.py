"""A toy transformer: how it is built, trained until it solves its task, and scored."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_core import EvaluationError
from husai_core.model import Progress

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from transformer_lens import HookedTransformer

WARM_UP, EVERY, COOL_DOWN = 10, 10, 100  # steps
NEARLY = 0.9  # accuracy from which cooling down is worth a try


@dataclass(frozen=True)
class Recipe:
    """Settings that every toy transformer has: its width, its optimiser, and when it may stop."""

    d_model: int = 128
    heads: int = 4
    layers: int = 1
    batch_size: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 0.5
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
    """AdamW until `score` is nearly there, then a cool-down; again until it is there at the end of one.

    At the full rate a nearly solved task still flickers: stopping at a lucky step would choose the step.
    """
    import torch

    optimiser = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
    )
    done = 0

    def run(rates: Iterable[float]) -> float:
        nonlocal done
        for rate in rates:
            done += 1
            optimiser.param_groups[0]["lr"] = recipe.learning_rate * rate * min(1.0, done / WARM_UP)
            tokens, labels = next(batches)
            logits = network(tokens)[:, list(positions)]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        reached = score()
        progress(min(1.0, done / recipe.max_steps), f"step {done}, held-out accuracy {reached:.3f}")
        return reached

    reached = 0.0
    while done < recipe.max_steps:
        reached = run([1.0] * min(EVERY, recipe.max_steps - done))
        if reached >= min(NEARLY, recipe.target_accuracy):
            reached = run(left / COOL_DOWN for left in range(COOL_DOWN, 0, -1))
            if reached >= recipe.target_accuracy:
                return network
    raise EvaluationError(
        place,
        f"held-out accuracy {reached:.4f} < {recipe.target_accuracy} after {done} steps",
        "raise max_steps, or try another seed or learning_rate",
    )
