"""A network drawn anew: the moments of every parameter stay, what they say is gone, and the draw is the seed's."""

from __future__ import annotations

import copy

import numpy
import pytest
import torch

from husai_controls.random_model import RandomModel
from husai_core import EvaluationError
from husai_models import toy_transformer
from husai_models.tensor_file import Table

CONTROL = RandomModel()
HOOK = "blocks.0.hook_resid_post"


@pytest.fixture(scope="module")
def network():
    recipe = toy_transformer.Recipe(d_model=32, layers=2)
    return toy_transformer.build(recipe, seed=5, n_ctx=4, d_vocab=50, d_mlp=64, act_fn="relu")


def altered(network, **settings):
    return CONTROL.alter(copy.deepcopy(network), CONTROL.Settings(**settings))


def parameters(network):
    return {name: value.detach() for name, value in network.named_parameters()}


def test_every_parameter_keeps_its_moments_and_nothing_else(network):
    old, new = parameters(network), parameters(altered(network))
    assert old.keys() == new.keys()
    for name, before in old.items():
        after = new[name]
        assert after.shape == before.shape
        assert after.dtype == before.dtype
        if before.std(correction=0) == 0:
            assert torch.equal(after, before), "a tensor of one value has no other draw"
            continue
        few = 5 * before.std() / before.numel() ** 0.5
        assert abs(float(after.mean() - before.mean())) < few
        assert float(after.std() / before.std()) == pytest.approx(1, abs=5 / before.numel() ** 0.5)
        correlation = torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1]
        assert abs(float(correlation)) < 5 / before.numel() ** 0.5


def test_a_mean_and_a_spread_of_any_size_are_kept():
    holder = torch.nn.Module()
    holder.gain = torch.nn.Parameter(1000 + 0.01 * torch.randn(20_000, generator=torch.Generator().manual_seed(1)))
    old = holder.gain.detach().double()
    new = CONTROL.alter(holder, CONTROL.Settings()).gain.detach().double()
    assert float(new.mean() - old.mean()) == pytest.approx(0, abs=5e-4)
    assert float(new.std() / old.std()) == pytest.approx(1, abs=0.03)


def test_the_seed_decides(network):
    one, again, other = (parameters(altered(network, seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["embed.W_E"], other["embed.W_E"])
    assert not torch.equal(one["blocks.0.mlp.W_in"], one["blocks.1.mlp.W_in"]), "each parameter has a stream of its own"


def test_embeddings_may_be_kept(network):
    old, new = parameters(network), parameters(altered(network, embeddings=False))
    kept = {name for name in old if old[name].std(correction=0) > 0 and torch.equal(old[name], new[name])}
    assert kept == {"embed.W_E", "pos_embed.W_pos"}
    drawn = parameters(altered(network))
    assert torch.equal(new["blocks.0.mlp.W_in"], drawn["blocks.0.mlp.W_in"])


def test_layers_that_were_left_out_change_nothing_below_them(network):
    cut = copy.deepcopy(network)
    cut.blocks = cut.blocks[:1]
    cut.unembed, cut.cfg.n_layers = torch.nn.Identity(), 1
    tokens = torch.arange(8).view(2, 4)
    shown = [
        CONTROL.alter(n, CONTROL.Settings()).run_with_cache(tokens, names_filter=[HOOK], stop_at_layer=1)[1][HOOK]
        for n in (cut, copy.deepcopy(network))
    ]
    assert torch.equal(*shown)


def test_activations_of_a_network_that_learned_nothing_keep_their_scale_and_are_others(network):
    tokens = torch.arange(48).view(12, 4)
    old, new = (
        n.run_with_cache(tokens, names_filter=[HOOK], stop_at_layer=1)[1][HOOK].detach().flatten()
        for n in (network, altered(network))
    )
    assert float(new.norm() / old.norm()) == pytest.approx(1, abs=0.3)
    assert abs(float(torch.cosine_similarity(old, new, dim=0))) < 0.2


def test_rows_from_a_file_have_no_other_model():
    with pytest.raises(EvaluationError, match=r"no weights to draw anew \(leave this control out"):
        CONTROL.alter(Table({"input": numpy.zeros((3, 2), "f4")}), CONTROL.Settings())
    holder = torch.nn.Module()
    holder.embed = torch.nn.Linear(3, 2, device="meta")
    with pytest.raises(EvaluationError, match="no weights but its embeddings"):
        CONTROL.alter(holder, CONTROL.Settings(embeddings=False))
