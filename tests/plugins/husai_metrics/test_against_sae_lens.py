"""Stream metrics against SAELens's own evaluation, the one SAEBench's `core` descends from, on the same rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

HOOK = "blocks.0.hook_resid_post"
OURS_BY_THEIRS = {
    "l0": "l0",
    "l1": "l1",
    "cossim": "cosine",
    "l2_ratio": "l2_ratio",
    "relative_reconstruction_bias": "relative_reconstruction_bias",
    "explained_variance": "explained_variance",
    "explained_variance_legacy": "explained_variance_per_row",
}


def judged_by_sae_lens(target: torch.Tensor, latents: torch.Tensor, output: torch.Tensor) -> tuple[Any, Any]:
    """What SAELens says of these rows, handed to it as one prompt through a model and an SAE that only recite them."""
    evals = pytest.importorskip("sae_lens.evals", reason="needs sae_lens (see the extra 'bench')")
    keep = SimpleNamespace(scale=lambda rows: rows, unscale=lambda rows: rows)
    metadata = SimpleNamespace(hook_name=HOOK, hook_head_index=None)
    sae = SimpleNamespace(
        cfg=SimpleNamespace(metadata=metadata, d_sae=latents.shape[1]),
        device="cpu",
        encode=lambda rows: latents.unsqueeze(0),
        decode=lambda found: output.unsqueeze(0),
    )
    model = SimpleNamespace(run_with_cache=lambda tokens, **_: (None, {HOOK: target.unsqueeze(0)}))
    store = SimpleNamespace(get_batch_tokens=lambda size: torch.zeros(1, len(target), dtype=torch.long))
    metrics, features = evals.get_sparsity_and_variance_metrics(
        sae=sae,
        model=model,
        activation_store=store,
        activation_scaler=keep,
        n_batches=1,
        compute_l2_norms=True,
        compute_sparsity_metrics=True,
        compute_variance_metrics=True,
        compute_featurewise_density_statistics=True,
        eval_batch_size_prompts=1,
        model_kwargs={},
    )
    return metrics, features


def test_the_same_rows_get_the_same_numbers(rows, score):
    target = 3 * rows(60, 8, 1) + 0.5
    latents = rows(60, 24, 2).relu() * (torch.rand(24, generator=torch.Generator().manual_seed(4)) < 0.6)
    output = 0.8 * target + 0.5 * rows(60, 8, 3)
    theirs, features = judged_by_sae_lens(*(t.double() for t in (target, latents, output)))
    for their_name, our_name in OURS_BY_THEIRS.items():
        for size in (1000, 7):
            assert score(our_name, target, latents, output, size) == pytest.approx(theirs[their_name], rel=1e-6)
    assert score("mse", target, latents, output) == pytest.approx(theirs["mse"] / 8, rel=1e-6)  # theirs sums dimensions
    density = torch.tensor(features["feature_density"])
    assert score("density", target, latents, output) == pytest.approx(float((density > 0.1).double().mean()))
    assert score("dead_fraction", target, latents, output) == pytest.approx(float((density == 0).double().mean()))
