"""Latents taken out of the means against the official code, which takes them out of every token."""

from __future__ import annotations

import pytest

CODE = """
import random
import numpy
import torch
from sae_lens import SAE, StandardSAE, StandardSAEConfig, TopKSAE, TopKSAEConfig
from sae_bench.evals.scr_and_tpp import main
from sae_bench.evals.sparse_probing.probe_training import Probe
from husai_official.ablation import remove_latents_by_their_means

torch.set_num_threads(1)
torch.set_grad_enabled(False)
WIDTH, LATENTS = 12, 40
about = dict(d_in=WIDTH, d_sae=LATENTS, dtype="float32", device="cpu")
saes = {
    "relu": StandardSAE(StandardSAEConfig(**about)),
    "topk": TopKSAE(TopKSAEConfig(k=6, **about)),
    "rescaled": TopKSAE(TopKSAEConfig(k=6, rescale_acts_by_decoder_norm=True, **about)),
}
draw = torch.Generator().manual_seed(0)
for sae in saes.values():
    for parameter in sae.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.5)
acts = {name: torch.randn(21, 9, WIDTH, generator=draw) + shift for name, shift in (("a", 0), ("b", 1), ("c", -1))}
for rows in acts.values():
    for number in range(len(rows)):
        rows[number, 9 - number % 5 :] = 0  # padding
probes = {}
for name in acts:
    probes[name] = Probe(WIDTH, torch.float32)
    probes[name].net.weight.copy_(torch.randn(1, WIDTH, generator=draw))
    probes[name].net.bias.copy_(torch.randn(1, generator=draw))
effects = {name: torch.randn(LATENTS, generator=draw).abs() for name in acts}
seen = []
def seed():
    random.seed(0)
    numpy.random.seed(0)
    torch.manual_seed(0)
def means(probes, classes, found, *rest):
    seen.append({name: rows.clone() for name, rows in found.items()})
    return official_accuracy(probes, classes, found, *rest)
official_accuracy, main.get_probe_test_accuracy = main.get_probe_test_accuracy, means
answer = {}
for kind, sae in saes.items():
    seen.clear()
    given = (probes, sae, 8, acts, effects, [1, 5, 20], list(acts), 16, False)
    seed()  # the rows that a probe is held against are drawn
    theirs = main.perform_feature_ablations(*given)
    before = len(seen)
    seed()
    ours = remove_latents_by_their_means(*given)
    apart = max(float((seen[i][n] - seen[i + before][n]).abs().max()) for i in range(before) for n in acts)
    moved = max(float((seen[i][n] - seen[0][n]).abs().max()) for i in range(before) for n in acts)
    answer[kind] = {"apart": apart, "moved": moved, "calls": [before, len(seen)], "same": theirs == ours}
"""


@pytest.mark.official
def test_means_and_scores_are_the_official_ones_padding_and_all(run_officially):
    found = run_officially(CODE)
    assert found.keys() == {"relu", "topk", "rescaled"}
    for kind, about in found.items():
        assert about["calls"] == [9, 18], kind
        assert about["moved"] > 0.1, "the ablations do something"
        assert about["apart"] < 1e-4, kind
        assert about["same"], kind
