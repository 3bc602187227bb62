"""What all families here share: their start, transcoders, and training several seeds at once."""

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

FAMILIES = pytest.mark.parametrize("family", [Relu, TopK, BatchTopK, MatryoshkaBatchTopK, JumpRelu, Gated])


@FAMILIES
def test_start(family):
    architecture, mean = family(), torch.arange(6.0)
    params = architecture.initialise(Dims(6, 40, 6), architecture.Settings(), torch.Generator().manual_seed(3), mean)
    shapes = {k: tuple(v.shape) for k, v in params.items()}
    assert {k: shapes.pop(k) for k in ("W_enc", "W_dec", "b_dec")} == {
        "W_enc": (6, 40),
        "W_dec": (40, 6),
        "b_dec": (6,),
    }
    assert set(shapes.values()) == {(40,)}
    torch.testing.assert_close(params["W_dec"].norm(dim=-1), torch.ones(40))
    assert torch.equal(params["W_enc"], params["W_dec"].T)
    assert all((params[k] == 0).all() for k in shapes if k != "threshold")
    assert torch.equal(params["b_dec"], mean)
    assert params["W_enc"].data_ptr() != params["W_dec"].data_ptr()
    assert params["b_dec"] is not mean


@FAMILIES
def test_stacked_seeds_equal_single_ones(family, coder_of, rows):
    coders = [coder_of(seed=s, family=family) for s in range(3)]
    architecture, settings = coders[0].architecture, coders[0].settings
    stacked = {k: torch.stack([c.params[k] for c in coders]) for k in coders[0].params}
    x = rows(30, 8)
    dead = torch.stack([torch.arange(24) % 3 == s for s in range(3)])
    dead[2] = False

    training = architecture.encode_in_training(stacked, x, settings)
    together = architecture.encode(stacked, x, settings)
    decoded = architecture.decode(stacked, together, settings)
    terms = architecture.loss(stacked, Batch(x, x, dead), settings)
    architecture.project(stacked, settings)
    for s, coder in enumerate(coders):
        torch.testing.assert_close(together[s], coder.encode(x))
        torch.testing.assert_close(training[s], architecture.encode_in_training(coder.params, x, settings))
        torch.testing.assert_close(decoded[s], coder.decode(coder.encode(x)))
        alone = architecture.loss(coder.params, Batch(x, x, dead[s]), settings)
        assert terms.keys() == alone.keys()
        for name in terms:
            assert terms[name].shape == (3,)
            torch.testing.assert_close(terms[name][s], alone[name])
        architecture.project(coder.params, settings)
        for name, value in stacked.items():
            torch.testing.assert_close(value[s], coder.params[name])


@FAMILIES
def test_gradients_of_stacked_seeds_equal_single_ones(family, coder_of, rows):
    coders = [coder_of(seed=s, family=family) for s in range(2)]
    architecture, settings, x = coders[0].architecture, coders[0].settings, rows(30, 8)
    stacked = {k: torch.stack([c.params[k] for c in coders]).requires_grad_() for k in coders[0].params}
    batch = Batch(x, x, torch.arange(24) % 3 == 0, step=1, steps=2)
    torch.stack(list(architecture.loss(stacked, batch, settings).values())).sum().backward()
    for s, coder in enumerate(coders):
        alone = {k: v.clone().requires_grad_() for k, v in coder.params.items()}
        torch.stack(list(architecture.loss(alone, batch, settings).values())).sum().backward()
        for name, value in alone.items():
            if name not in architecture.fixed:
                torch.testing.assert_close(stacked[name].grad[s], value.grad)


@FAMILIES
def test_a_transcoder_of_other_width_says_how(family, coder_of, rows):
    with pytest.raises(ValueError, match="set it to false for a transcoder"):
        coder_of(family=family, dims=(6, 24, 8))
    coder = coder_of(family=family, dims=(6, 24, 8), apply_b_dec_to_input=False)
    assert coder.decode(coder.encode(rows(5, 6))).shape == (5, 8)


@FAMILIES
def test_the_same_generator_gives_the_same_start(family, coder_of):
    first, again, other = (coder_of(seed=s, family=family).initial["W_dec"] for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
