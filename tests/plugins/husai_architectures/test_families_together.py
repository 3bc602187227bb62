"""What every family must do, whatever it computes: seeds side by side, gradients, files, learning."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from husai_architectures.hierarchical_topk import HierarchicalTopK
from husai_architectures.orthogonal_topk import OrthogonalTopK
from husai_architectures.route import Route
from husai_architectures.skip_transcoder import SkipTranscoder
from husai_architectures.topk_transcoder import TopKTranscoder
from husai_core import Batch, Dims, interchange

AE, LAYERS, ACROSS = (8, 24, 8), (24, 24, 8), (6, 24, 10)
FAMILIES: dict[str, tuple[Any, tuple[int, int, int], dict[str, Any]]] = {
    "hierarchical_topk": (HierarchicalTopK, AE, {"k": 6, "budgets": (2, 6)}),
    "hierarchical_topk_every": (HierarchicalTopK, AE, {"k": 6}),
    "orthogonal_topk": (OrthogonalTopK, AE, {"k": 6}),
    "route": (Route, LAYERS, {"k": 6}),
    "route_raw": (Route, LAYERS, {"k": 6, "standardise": False}),
    "topk_transcoder": (TopKTranscoder, ACROSS, {"k": 6}),
    "skip_transcoder": (SkipTranscoder, ACROSS, {"k": 6}),
}


@pytest.fixture(params=FAMILIES)
def family(request: Any) -> Any:
    return FAMILIES[request.param]


@pytest.fixture
def coders(family: Any, coder_of: Any) -> list[Any]:
    made, dims, settings = family
    return [coder_of(seed, dims=dims, family=made, **settings) for seed in (1, 2, 3)]


def stacked(coders: list[Any]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([c.params[name] for c in coders]) for name in coders[0].params}


def test_seeds_side_by_side_are_the_seeds_alone(coders, rows):
    one = coders[0]
    x, y = rows(30, one.dims.d_in), rows(30, one.dims.d_out, seed=1)
    together = stacked(coders)
    dead = torch.arange(24) >= torch.tensor([[4], [12], [30]])
    latents = one.architecture.encode(together, x, one.settings)
    outputs = one.architecture.reconstruct(together, x, latents, one.settings)
    targets = one.architecture.target(together, x, y, one.settings)
    terms = one.architecture.loss(together, Batch(x, y, dead), one.settings)
    for i, coder in enumerate(coders):
        torch.testing.assert_close(latents[i], coder.encode(x))
        torch.testing.assert_close(outputs[i], coder.reconstruct(x, coder.encode(x)))
        torch.testing.assert_close(targets[i] if targets.dim() == 3 else targets, coder.target(x, y))
        alone = coder.architecture.loss(coder.params, Batch(x, y, dead[i]), coder.settings)
        assert set(alone) == set(terms)
        for name, term in alone.items():
            assert term.shape == ()
            torch.testing.assert_close(terms[name][i], term)


def test_gradients_are_finite_reach_everything_and_do_not_cross_seeds(coders, rows):
    one = coders[0]
    x, y = rows(60, one.dims.d_in), rows(60, one.dims.d_out, seed=1)
    together = {name: value.requires_grad_() for name, value in stacked(coders).items()}
    terms = one.architecture.loss(together, Batch(x, y, torch.zeros(3, 24, dtype=torch.bool)), one.settings)
    total = sum(terms.values())
    (total[0] + total[2]).backward()
    for name, value in together.items():
        assert value.grad.isfinite().all(), name
        assert (value.grad[0] != 0).any(), name
        assert (value.grad[2] != 0).any(), name
        assert (value.grad[1] == 0).all(), name


def test_promises_about_latents_hold(coders, rows):
    for coder in coders:
        latents = coder.encode(rows(200, coder.dims.d_in))
        assert (latents >= 0).all()
        assert (latents != 0).sum(-1).max() <= coder.settings.k
        assert coder.architecture.traits.at_most_k
        assert coder.architecture.traits.nonnegative


def test_a_saved_coder_reads_back_as_it_was(coders, rows):
    for coder in coders:
        files = interchange.saved_files(coder, "model", "hook")
        read = interchange.read_params(coder.architecture, files)
        assert set(read) == set(coder.params)
        for name, value in coder.params.items():
            assert torch.equal(read[name], value)


def test_the_same_generator_gives_the_same_start(family, coder_of):
    made, dims, settings = family
    one, other = (coder_of(7, dims=dims, family=made, **settings) for _ in range(2))
    assert all(torch.equal(one.initial[name], other.initial[name]) for name in one.initial)


def test_a_short_training_lowers_the_loss(family, rows):
    made, widths, settings = family
    dims = Dims(*widths)
    architecture, chosen = made(), made.Settings(**settings)
    hidden = rows(512, 5, seed=3).relu()
    x, y = hidden @ rows(5, dims.d_in, seed=4), hidden @ rows(5, dims.d_out, seed=5)
    start = architecture.initialise(dims, chosen, torch.Generator().manual_seed(1), y.mean(0))
    params = {name: value.clone().requires_grad_() for name, value in start.items()}
    optimiser = torch.optim.Adam(params.values(), lr=0.01)
    for step in range(60):
        part = slice(64 * (step % 8), 64 * (step % 8) + 64)
        optimiser.zero_grad()
        sum(architecture.loss(params, Batch(x[part], y[part], None, step, 60), chosen).values()).backward()
        optimiser.step()
        with torch.no_grad():
            architecture.project(params, chosen)
    with torch.no_grad():
        before, after = (float(sum(architecture.loss(p, Batch(x, y), chosen).values())) for p in (start, params))
    assert math.isfinite(after)
    assert after < 0.7 * before
