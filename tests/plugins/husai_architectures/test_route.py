"""Route: which layer is chosen, what is reconstructed, the relative error."""

from __future__ import annotations

import pytest
import torch

from husai_architectures.route import Route, RouteSettings, husai_architectures
from husai_core import Batch, Dims

DIMS = (24, 40, 8)  # three layers of width 8


def by_hand(params, x, standardise=True):
    """Layer, probability and routed row, one row at a time."""
    layers, routed = [], []
    for row in x:
        parts = row.split(8)
        if standardise:
            parts = [(p - p.mean()) / (p.std() + 1e-6) for p in parts]
        logits = sum(parts) @ params["W_router"]
        probabilities = torch.exp(logits) / torch.exp(logits).sum()
        best = int(probabilities.argmax())
        layers.append(best)
        routed.append(probabilities[best] * parts[best])
    return torch.tensor(layers), torch.stack(routed)


def test_the_module_offers_it_with_its_own_target():
    (route,) = husai_architectures()
    assert route.name == "route"
    assert route.traits.own_target


@pytest.mark.parametrize("standardise", [True, False])
def test_every_row_takes_its_likeliest_layer(coder_of, rows, standardise):
    coder, x = coder_of(family=Route, dims=DIMS, k=4, standardise=standardise), rows(60, 24)
    layers, routed = by_hand(coder.params, x, standardise)
    chosen, probability = coder.architecture.route(coder.params, x, coder.settings)
    assert set(layers.tolist()) == {0, 1, 2}
    assert torch.equal(chosen, layers)
    assert ((probability >= 1 / 3) & (probability <= 1)).all()
    torch.testing.assert_close(coder.target(x, torch.zeros(60, 8)), routed)


def test_latents_and_loss_are_those_of_the_routed_rows(coder_of, rows):
    coder, x = coder_of(family=Route, dims=DIMS, k=4), rows(30, 24)
    p = coder.params
    _, routed = by_hand(p, x)
    pre = torch.relu((routed - p["b_dec"]) @ p["W_enc"] + p["b_enc"])
    latents = torch.where(pre >= pre.sort(-1, descending=True).values[:, 3:4], pre, 0.0)
    torch.testing.assert_close(coder.encode(x), latents)
    error = routed - latents @ p["W_dec"] - p["b_dec"]
    expected = ((error**2).mean(-1) / (routed**2).mean(-1)).mean()
    terms = coder.architecture.loss(p, Batch(x, torch.zeros(30, 8)), coder.settings)
    assert set(terms) == {"relative_error"}
    torch.testing.assert_close(terms["relative_error"], expected)


def test_the_loss_is_blind_to_how_sure_the_router_is(coder_of, rows):
    """Halving every row and the bias, as an unsure router would, changes nothing of the relative error."""
    coder, x = coder_of(family=Route, dims=DIMS, k=4), rows(30, 24)
    p = {**coder.params, "b_enc": torch.zeros(40), "b_dec": torch.zeros(8)}
    certain = {**p, "W_router": 1e3 * p["W_router"]}
    unsure = {**p, "W_router": 1e-3 * p["W_router"]}
    errors = [
        coder.architecture.loss(q, Batch(x, x[:, :8]), coder.settings)["relative_error"] for q in (certain, unsure)
    ]
    torch.testing.assert_close(*errors, rtol=1e-4, atol=1e-5)


def test_a_row_of_nothing_counts_nothing(coder_of, rows):
    coder, x = coder_of(family=Route, dims=DIMS, k=4), rows(30, 24)
    loss = coder.architecture.loss(coder.params, Batch(x, x[:, :8]), coder.settings)["relative_error"]
    more = torch.cat([x, torch.zeros(30, 24)])
    diluted = coder.architecture.loss(coder.params, Batch(more, more[:, :8]), coder.settings)["relative_error"]
    torch.testing.assert_close(diluted, loss / 2)


def test_aux_is_relative_to_the_residual(coder_of, rows):
    coder, x = coder_of(family=Route, dims=DIMS, k=2, aux_k=3, aux_coefficient=0.5), rows(40, 24)
    dead = torch.arange(40) >= 20
    aux = coder.architecture.loss(coder.params, Batch(x, x[:, :8], dead), coder.settings)["aux"]
    p = coder.params
    _, routed = by_hand(p, x)
    residual = routed - coder.decode(coder.encode(x))
    pre = torch.relu((routed - p["b_dec"]) @ p["W_enc"] + p["b_enc"])[:, 20:]
    kept = torch.where(pre >= pre.sort(-1, descending=True).values[:, 2:3], pre, 0.0)
    error = ((kept @ p["W_dec"][20:] - residual) ** 2).sum(1).mean()
    torch.testing.assert_close(aux, 0.5 * error / residual.var(0, correction=0).sum())


def test_a_planted_layer_is_found(rows):
    """A router whose first column points along the sum sends such rows to the first layer."""
    route, settings = Route(), RouteSettings(k=2, standardise=False)
    params = route.initialise(Dims(*DIMS), settings, torch.Generator().manual_seed(0), torch.zeros(8))
    direction = torch.ones(8)
    params["W_router"] = torch.stack([direction, torch.zeros(8), -direction], dim=-1)
    up, down = torch.ones(5, 24), -torch.ones(5, 24)
    assert route.route(params, up, settings)[0].tolist() == [0] * 5
    assert route.route(params, down, settings)[0].tolist() == [2] * 5


@pytest.mark.parametrize("d_in", [8, 20])
def test_widths_that_are_no_layers_are_refused(d_in):
    with pytest.raises(ValueError, match="list of hooks"):
        Route().initialise(Dims(d_in, 40, 8), RouteSettings(k=2), torch.Generator(), torch.zeros(8))


def test_it_has_no_sae_lens_equivalent(coder_of):
    coder = coder_of(family=Route, dims=DIMS, k=2)
    assert coder.architecture.to_sae_lens(coder.params, coder.settings) == ({}, coder.params)
