"""Sparse kernels give what the dense formulas give, values and gradients alike."""

from __future__ import annotations

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_core.kernels import encode_largest, encode_largest_of_batch, encoding, pattern, selection
from husai_core.kernels.selection import largest_places


def dense_largest(x, w_enc, b_enc, k, subtract):
    centred = x if subtract is None else x - subtract.unsqueeze(-2)
    candidates = (centred @ w_enc + b_enc.unsqueeze(-2)).relu()
    values, places = candidates.topk(min(k, candidates.shape[-1]), dim=-1)
    return torch.zeros_like(candidates).scatter(-1, places, values)


def dense_largest_of_batch(x, w_enc, b_enc, k, subtract):
    centred = x if subtract is None else x - subtract.unsqueeze(-2)
    candidates = (centred @ w_enc + b_enc.unsqueeze(-2)).relu()
    flat = candidates.flatten(-2)
    values, places = flat.topk(min(k * len(x), flat.shape[-1]), dim=-1)
    return torch.zeros_like(flat).scatter(-1, places, values).view(candidates.shape)


FORMS = {"row": (encode_largest, dense_largest), "batch": (encode_largest_of_batch, dense_largest_of_batch)}


def drawn(leading, d=6, width=20, batch=9, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    x = normal(batch, d)
    params = [normal(*leading, d, width), normal(*leading, width), normal(*leading, d), normal(*leading, width, d)]
    return x, [p.requires_grad_() for p in params]


@pytest.mark.parametrize("leading", [(), (1,), (3,)], ids=["alone", "one seed", "three seeds"])
@pytest.mark.parametrize("with_subtract", [True, False], ids=["centred", "as it is"])
@pytest.mark.parametrize("k", [1, 4, 20])
@pytest.mark.parametrize("block", [encoding.BLOCK, 50], ids=["one block", "many blocks"])
@pytest.mark.parametrize("form", FORMS)
def test_values_and_gradients_equal_the_dense_ones(leading, with_subtract, k, block, form, monkeypatch):
    encode, dense_encode = FORMS[form]
    monkeypatch.setattr(encoding, "BLOCK", block)
    x, (w_enc, b_enc, b_dec, w_dec) = drawn(leading)
    subtract = b_dec if with_subtract else None
    used = [w_enc, b_enc, w_dec] + [b_dec] * with_subtract

    sparse = encode(x, w_enc, b_enc, k, subtract)
    output = sparse.times(w_dec)
    weights = torch.randn_like(output)
    gradients = torch.autograd.grad((output * weights).sum() + sparse.values.square().sum(), used)

    dense = dense_encode(x, w_enc, b_enc, k, subtract)
    expected = dense @ w_dec
    expected_gradients = torch.autograd.grad((expected * weights).sum() + dense.square().sum(), used)

    torch.testing.assert_close(sparse.dense(), dense)
    torch.testing.assert_close(output, expected)
    assert torch.equal(sparse.fired, (dense > 0).any(-2))
    for mine, theirs in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_without_mkl_the_same(monkeypatch):
    x, (w_enc, b_enc, b_dec, w_dec) = drawn((2,))

    def gradient():
        return torch.autograd.grad(encode_largest(x, w_enc, b_enc, 4, b_dec).times(w_dec).square().sum(), w_enc)[0]

    expected = gradient()
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    monkeypatch.setattr(pattern, "PIECE", 30)
    torch.testing.assert_close(gradient(), expected)


@pytest.mark.parametrize("quick", [True, False], ids=["numpy", "torch"])
@given(data=st.data())
@settings(max_examples=60)
def test_the_largest_are_those_of_a_sort_whatever_ties(quick, data):
    rows, width, k = (data.draw(st.integers(1, n)) for n in (5, 12, 12))
    numbers = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])
    block = torch.tensor(data.draw(st.lists(numbers, min_size=rows * width, max_size=rows * width))).view(rows, width)
    before, selection.QUICK_PARTITION = selection.QUICK_PARTITION, quick
    try:
        row_of, column_of = largest_places(block, k)
    finally:
        selection.QUICK_PARTITION = before
    places = row_of * width + column_of
    assert torch.equal(places, places.unique())
    for row in range(rows):
        kept = sorted(block.view(-1)[places[places // width == row]].tolist(), reverse=True)
        assert kept == [v for v in sorted(block[row].tolist(), reverse=True)[:k] if v > 0]


@pytest.mark.parametrize("k", [2, 9])
def test_not_a_number_stays_visible(k):
    block = torch.rand(3, 9)
    block[1, 4] = numpy.nan
    rows, columns = largest_places(block, k)
    assert (1, 4) in zip(rows.tolist(), columns.tolist(), strict=True)


def test_rows_without_a_positive_entry_have_no_latents():
    latents = encode_largest(torch.ones(2, 3), -torch.ones(3, 5), torch.zeros(5), 2)
    assert len(latents.values) == 0
    assert torch.equal(latents.times(torch.ones(5, 3)), torch.zeros(2, 3))


def test_weights_stored_by_latent_keep_their_layout():
    """The optimiser's fused step needs gradients laid out as the parameters are."""
    x, (w_enc, b_enc, b_dec, w_dec) = drawn((2,))
    stored = w_enc.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    encode_largest(x, stored, b_enc, 3, b_dec).times(w_dec).sum().backward()
    assert stored.grad is not None
    assert stored.grad.stride() == stored.stride()


def test_parts_and_ranks_are_those_of_the_dense_latents():
    x, (w_enc, b_enc, b_dec, _) = drawn((2,))
    sparse = encode_largest(x, w_enc, b_enc, 5, b_dec)
    dense = sparse.dense()
    part = dense.clone()
    part[..., :3], part[..., 11:] = 0, 0
    torch.testing.assert_close(sparse.between(3, 11).dense(), part)
    values, places = sparse.ranked(5)
    torch.testing.assert_close(values, dense.topk(5).values)
    torch.testing.assert_close(dense.gather(-1, places)[values > 0], values[values > 0])


def test_every_seed_may_have_rows_of_its_own():
    x, (w_enc, b_enc, b_dec, w_dec) = drawn((2,))
    rows = torch.stack([x, 2 * x]).requires_grad_()
    gradient = torch.autograd.grad(encode_largest(rows, w_enc, b_enc, 3, b_dec).times(w_dec).square().sum(), rows)[0]
    dense = dense_largest(rows, w_enc, b_enc, 3, b_dec)
    torch.testing.assert_close(gradient, torch.autograd.grad((dense @ w_dec).square().sum(), rows)[0])
