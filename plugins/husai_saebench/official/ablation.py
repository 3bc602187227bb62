"""Zero-ablation of latents without encoding again: a mean over tokens is linear in the latents that are taken out.

The official code reconstructs every token with and without the latents and averages; the average of what is taken out
is the average latent times its direction. Same numbers, a twentieth of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def remove_latents_by_their_means(
    probes: Mapping[str, Any],
    sae: Any,
    sae_batch_size: int,
    all_test_acts_BLD: Mapping[str, Any],
    node_effects: Mapping[str, Any],
    top_n_values: list[int],
    chosen_classes: list[str],
    probe_batch_size: int,
    perform_scr: bool,
) -> dict[str, dict[int, dict[str, float]]]:
    """What `perform_feature_ablations` of `scr_and_tpp` gives, and takes the place of."""
    from sae_bench.evals.scr_and_tpp import main

    before = {name: _means(rows, sae, sae_batch_size) for name, rows in all_test_acts_BLD.items()}
    found: dict[str, dict[int, dict[str, float]]] = {}
    for ablated in chosen_classes:
        found[ablated] = {}
        for top_n in top_n_values:
            chosen = main.select_top_n_features(node_effects[ablated], top_n, ablated)
            added = _directions(sae, chosen)
            after = {name: rows - latents[:, chosen] @ added for name, (rows, latents) in before.items()}
            found[ablated][top_n] = main.get_probe_test_accuracy(
                probes, chosen_classes, after, probe_batch_size, perform_scr
            )
    return found


def _directions(sae: Any, chosen: Any) -> Any:
    """What one unit of each chosen latent adds to a reconstruction; some decoders divide by their rows' lengths."""
    import torch

    latents = torch.nn.functional.one_hot(chosen.nonzero().squeeze(1), len(chosen)).to(sae.W_dec)
    return sae.decode(latents) - sae.decode(torch.zeros_like(latents))


def _means(rows_bld: Any, sae: Any, batch_size: int) -> tuple[Any, Any]:
    """Mean activations and mean latents of every document.

    Padding is rows of zeros, which the official code encodes too: their latents count, their number does not.
    """
    import torch

    rows, latents = [], []
    for batch in rows_bld.split(batch_size):
        tokens = (batch.sum(-1) != 0).sum(-1, keepdim=True).to(batch.dtype)
        rows.append(batch.sum(1) / tokens)
        latents.append(sae.encode(batch).sum(1) / tokens)
    return torch.cat(rows), torch.cat(latents)
