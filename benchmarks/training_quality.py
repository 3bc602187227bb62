"""Dictionaries trained by HUSAI and by SAELens's own trainer on the same activations, at equal tokens.

    python benchmarks/training_quality.py [--seeds 5] [--steps 1500] [--out FILE]

Activations are those of the modular-addition model at its `=`, scaled to unit mean square. Both sides see the same
batches in the same order, with the same learning rate, decay and window for dead latents; each family has the same
settings on both. Otherwise each trains as it does by default: SAELens starts at decoder norms of 0.1 and clips
gradients, HUSAI starts with the decoder bias at the mean. Both are measured as they are released: on held-out rows, by
thresholds where a family has one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy
import scipy.stats
import torch

from husai_core import Coder, Dims, interchange
from husai_core.engine.batches import Batches
from husai_core.engine.trainer import initial_params, train
from husai_core.plugins import PluginTable
from husai_core.study import Recipe

D_SAE, BATCH, LEARNING_RATE, WINDOW = 256, 512, 3e-3, 200
K = 8
FAMILIES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    # ours, its settings, SAELens's training class, its settings
    "TopK": ("topk", {"k": K}, "TopKTrainingSAE", {"k": K}),
    "BatchTopK": ("batch_topk", {"k": K}, "BatchTopKTrainingSAE", {"k": K}),
    "JumpReLU": (
        "jumprelu",
        {"sparsity": "step", "l0_coefficient": 0.5, "l0_warm_up": 0.2, "bandwidth": 0.1, "initial_threshold": 0.1},
        "JumpReLUTrainingSAE",
        {"l0_coefficient": 0.5, "jumprelu_bandwidth": 0.1, "jumprelu_init_threshold": 0.1},
    ),
    "Matryoshka": (
        "matryoshka_batch_topk",
        {"k": K, "prefixes": (0.25, 0.5, 1.0)},
        "MatryoshkaBatchTopKTrainingSAE",
        {"k": K, "matryoshka_widths": [D_SAE // 4, D_SAE // 2, D_SAE]},
    ),
}


def activations() -> tuple[torch.Tensor, torch.Tensor]:
    """Training and held-out rows of the model that the toy study uses."""
    model = PluginTable().get("models", "modular_addition", "benchmark").item
    settings = model.Settings()
    network, corpus = model.train(settings, 0, lambda done, note: None), model.corpus(settings, 0)
    with torch.no_grad():
        _, seen = network.run_with_cache(corpus.tokens, names_filter=[model.default_hook])
    rows = seen[model.default_hook][:, corpus.positions[0]]
    rows = rows / rows.square().mean().sqrt()
    return rows[corpus.train].contiguous(), rows[corpus.test].contiguous()


def ours(name: str, table: dict[str, Any], seeds: range, steps: int, rows: torch.Tensor) -> list[Coder]:
    """All seeds together, as `husai run` trains them."""
    architecture = PluginTable().get("architectures", name, "benchmark").item
    settings, dims = architecture.Settings(**table), Dims(rows.shape[1], D_SAE, rows.shape[1])
    starts = {seed: initial_params(architecture, settings, dims, seed, rows.mean(0)) for seed in seeds}
    recipe = Recipe(steps, BATCH, LEARNING_RATE, data_order_seed=0, dead_after_steps=WINDOW)
    trained = train(architecture, settings, starts, rows, rows, recipe, lambda done, note: None)
    return [Coder(architecture, settings, dims, seed, params, None) for seed, params in trained.items()]


def theirs(kind: str, table: dict[str, Any], seed: int, steps: int, rows: torch.Tensor) -> Coder:
    """One seed by `SAETrainer`, saved for inference and read back by us."""
    import sae_lens
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    torch.manual_seed(seed)
    warm_up = {"l0_warm_up_steps": steps // 5} if "l0_coefficient" in table else {}
    config = getattr(sae_lens, f"{kind}Config")(d_in=rows.shape[1], d_sae=D_SAE, **table, **warm_up)
    sae = getattr(sae_lens, kind)(config)
    trainer = SAETrainer(
        sae=sae,
        cfg=SAETrainerConfig(
            total_training_samples=steps * BATCH,
            train_batch_size_samples=BATCH,
            lr=LEARNING_RATE,
            lr_end=LEARNING_RATE / 1000,
            lr_decay_steps=steps // 5,
            dead_feature_window=WINDOW,
        ),
        data_provider=iter([]),
    )
    batches = Batches(len(rows), BATCH, 0)
    for _ in range(steps):
        trainer._train_step(sae=sae, sae_in=rows[batches.next()])
        trainer.n_training_steps += 1
        trainer.n_training_samples += BATCH
    architectures = [plugin.item for plugin in PluginTable().of_kind("architectures")]
    with tempfile.TemporaryDirectory() as folder:
        sae.save_inference_model(folder)
        return interchange.load_coder(Path(folder), architectures).coder


def measured(coder: Coder, rows: torch.Tensor) -> dict[str, float]:
    with torch.no_grad():
        latents = coder.encode(rows)
        residual = rows - coder.reconstruct(rows, latents)
    return {
        "explained_variance": 1 - float(residual.square().sum() / (rows - rows.mean(0)).square().sum()),
        "dead_fraction": float((latents == 0).all(0).double().mean()),
        "l0": float((latents != 0).double().sum(-1).mean()),
    }


def interval(values: list[float]) -> list[float]:
    """Mean and half the width of its 95 % interval over seeds (t)."""
    half = scipy.stats.sem(values) * scipy.stats.t.ppf(0.975, len(values) - 1) if len(values) > 1 else float("nan")
    return [round(float(numpy.mean(values)), 4), round(float(half), 4)]


def gap(mine: list[float], others: list[float]) -> list[float]:
    """95 % interval of ours minus theirs (Welch)."""
    if len({*mine, *others}) == 1:
        return [0.0, 0.0]
    found = scipy.stats.ttest_ind(mine, others, equal_var=False).confidence_interval(0.95)
    return [round(float(found.low), 4), round(float(found.high), 4)]


def side_by_side(mine: list[float], others: list[float]) -> dict[str, list[float]]:
    return {"husai": interval(mine), "sae_lens": interval(others), "difference": gap(mine, others)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    train_rows, test_rows = activations()
    table = {}
    for family, (name, settings, kind, their_settings) in FAMILIES.items():
        mine = [measured(c, test_rows) for c in ours(name, settings, range(options.seeds), options.steps, train_rows)]
        others = [
            measured(theirs(kind, their_settings, seed, options.steps, train_rows), test_rows)
            for seed in range(options.seeds)
        ]
        table[family] = {
            metric: side_by_side([row[metric] for row in mine], [row[metric] for row in others]) for metric in mine[0]
        }
        print(family, json.dumps(table[family]), flush=True)
    result = {
        "command": " ".join(["python", "benchmarks/training_quality.py", *sys.argv[1:]]),
        "rows": len(train_rows),
        "d_in": train_rows.shape[1],
        "d_sae": D_SAE,
        "steps": options.steps,
        "batch": BATCH,
        "learning_rate": LEARNING_RATE,
        "seeds": options.seeds,
        "mean_and_half_width_of_95_percent": table,
        "versions": {name: version(name) for name in ("torch", "sae-lens")},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, shared",
    }
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
