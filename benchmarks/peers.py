"""The other trainers of TopK dictionaries, each brought to one call: a step on a batch, as its own trainer does it.

Needs, beside HUSAI: `pip install sae-lens==6.54.12` and
`pip install --no-deps dictionary-learning==0.1.0 eai-sparsify==1.3.3 natsort schedulefree`.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass

import torch

Step = Callable[[torch.Tensor], None]
LEARNING_RATE = 1e-3
NEVER_DEAD = 10**9  # no latent dies in a few steps; the auxiliary loss is left out of everybody's step


@dataclass(frozen=True)
class Shape:
    """One case: widths, active latents, rows in a batch."""

    d_in: int
    d_sae: int
    k: int
    batch: int


def husai(shape: Shape, rows: torch.Tensor, seeds: int = 1) -> Step:
    """HUSAI's own step; it gathers its batch from `rows` itself, which the others are spared."""
    from husai_architectures.topk import TopK, TopKSettings
    from husai_core import Dims
    from husai_core.engine.trainer import Training, initial_params
    from husai_core.study import Recipe

    dims, settings = Dims(shape.d_in, shape.d_sae, shape.d_in), TopKSettings(k=shape.k)
    mean = rows.mean(0)
    starts = {seed: initial_params(TopK(), settings, dims, seed, mean) for seed in range(seeds)}
    recipe = Recipe(10**6, shape.batch, LEARNING_RATE, data_order_seed=0, dead_after_steps=NEVER_DEAD)
    training = Training(TopK(), settings, starts, rows, rows, recipe)
    return lambda batch: (training.advance(), None)[1]


def sae_lens(shape: Shape, rows: torch.Tensor) -> Step:
    """`SAETrainer` with its defaults: gradient clipping, Adam, sparse decoding."""
    from sae_lens.config import SAETrainerConfig
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=shape.d_in, d_sae=shape.d_sae, k=shape.k))
    config = SAETrainerConfig(
        total_training_samples=shape.batch * 10**6,
        train_batch_size_samples=shape.batch,
        lr=LEARNING_RATE,
        lr_end=LEARNING_RATE,
    )
    trainer = SAETrainer(sae=sae, cfg=config, data_provider=iter([]))
    return lambda batch: (trainer._train_step(sae=sae, sae_in=batch), None)[1]


def dictionary_learning(shape: Shape, rows: torch.Tensor) -> Step:
    """`TopKTrainer.update` with its defaults."""
    # Its package imports nnsight for reading models, which a trainer step never touches.
    stub = types.ModuleType("nnsight")
    stub.LanguageModel = object  # type: ignore[attr-defined]
    sys.modules.setdefault("nnsight", stub)
    from dictionary_learning.trainers.top_k import TopKTrainer

    trainer = TopKTrainer(10**6, shape.d_in, shape.d_sae, shape.k, 0, "none", lr=LEARNING_RATE, device="cpu")
    step = iter(range(1, 10**6))  # step 0 would also compute a geometric median
    return lambda batch: (trainer.update(next(step), batch), None)[1]


def sparsify(shape: Shape, rows: torch.Tensor) -> Step:
    """`SparseCoder` with Adam and what its trainer does around a step: parallel gradients removed, unit rows."""
    from sparsify import SparseCoder, SparseCoderConfig

    coder = SparseCoder(shape.d_in, SparseCoderConfig(num_latents=shape.d_sae, k=shape.k), dtype=torch.float32)
    optimiser = torch.optim.Adam(coder.parameters(), lr=LEARNING_RATE)

    def step(batch: torch.Tensor) -> None:
        coder(batch).fvu.backward()
        coder.remove_gradient_parallel_to_decoder_directions()
        optimiser.step()
        optimiser.zero_grad()
        coder.set_decoder_norm_to_unit_norm()

    return step


def floor(shape: Shape, rows: torch.Tensor) -> Step:
    """No trainer: the one dense product that encoding cannot do without, into memory that is there."""
    weights = torch.randn(shape.d_in, shape.d_sae)
    out = torch.empty(shape.batch, shape.d_sae)
    return lambda batch: (torch.mm(batch, weights, out=out), None)[1]


TRAINERS: dict[str, Callable[[Shape, torch.Tensor], Step]] = {
    "husai": husai,
    "sae_lens": sae_lens,
    "dictionary_learning": dictionary_learning,
    "sparsify": sparsify,
    "floor": floor,
}
