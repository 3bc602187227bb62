"""A second of training on rows with a sparse truth lowers the loss and reaches the sparsity asked for."""

from __future__ import annotations

import pytest
import torch

from husai_architectures.batch_topk import BatchTopK
from husai_architectures.gated import Gated
from husai_architectures.jumprelu import JumpRelu
from husai_architectures.matryoshka_batch_topk import MatryoshkaBatchTopK
from husai_architectures.relu import Relu
from husai_architectures.topk import TopK
from husai_core import Batch, Dims
from husai_core.engine import trainer
from husai_core.study import Recipe

L0_ON_TRAINING_ROWS = {
    TopK: ({"k": 4}, (3.5, 4.0)),
    BatchTopK: ({"k": 4}, (4.0, 4.0)),
    MatryoshkaBatchTopK: ({"k": 4, "prefixes": (0.25, 0.5, 1.0)}, (4.0, 4.0)),
    JumpRelu: ({"target_l0": 4.0}, (3.0, 6.0)),
    Relu: ({"l1_coefficient": 0.6}, (6.0, 14.0)),
    Gated: ({"l1_coefficient": 0.6}, (6.0, 14.0)),
}


@pytest.mark.parametrize("family", L0_ON_TRAINING_ROWS)
def test_training_reaches_its_sparsity(family, sparse_rows):
    chosen, (fewest, most) = L0_ON_TRAINING_ROWS[family]
    architecture, x, unseen = family(), sparse_rows(1024), sparse_rows(512, seed=1)
    settings, dims = architecture.Settings(**chosen), Dims(16, 48, 16)
    starts = {0: trainer.initial_params(architecture, settings, dims, 0, x.mean(0))}
    recipe = Recipe(steps=250, batch_size=128, learning_rate=5e-3, data_order_seed=0, dead_after_steps=100)
    params = trainer.train(architecture, settings, starts, x, x, recipe, lambda *_: None)[0]

    def objective(of: dict[str, torch.Tensor]) -> float:
        return float(sum(architecture.loss(of, Batch(unseen, unseen, None, 1, 1), settings).values()))

    assert objective(params) < objective(starts[0]) / 2
    latents = architecture.encode(params, x, settings)
    assert fewest <= float((latents > 0).sum(-1).float().mean()) <= most
    errors = (unseen - architecture.decode(params, architecture.encode(params, unseen, settings), settings)).square()
    assert float(1 - errors.sum() / (unseen - unseen.mean(0)).square().sum()) > 0.6


def test_dead_latents_of_batch_topk_are_those_that_the_batch_left_out(sparse_rows):
    """Before calibration every positive pre-activation passes the threshold: judged by that, none would be dead."""
    architecture, x = BatchTopK(), sparse_rows(512)
    settings = architecture.Settings(k=1)
    start = trainer.initial_params(architecture, settings, Dims(16, 48, 16), 0, x.mean(0))
    start["b_enc"][:24] = -0.7
    seen: list[torch.Tensor] = []

    class Watched(BatchTopK):
        def loss(self, params, batch, settings):
            if batch.dead is not None:
                seen.append(batch.dead[0])
            return super().loss(params, batch, settings)

    recipe = Recipe(steps=25, batch_size=128, learning_rate=1e-6, data_order_seed=0, dead_after_steps=10)
    trainer.train(Watched(), settings, {0: start}, x, x, recipe, lambda *_: None)
    plain = (architecture.encode(start, x, settings) > 0).any(0)
    assert (seen[-1] & plain).any()
