"""Matryoshka: prefixes of the dictionary that reconstruct on their own."""

from __future__ import annotations

import pytest
import torch

from husai_architectures.matryoshka_batch_topk import MatryoshkaBatchTopK, MatryoshkaSettings, husai_architectures
from husai_core import Batch


def test_the_module_offers_matryoshka_batch_topk():
    assert [a.name for a in husai_architectures()] == ["matryoshka_batch_topk"]


def test_terms_are_the_errors_of_the_prefixes(coder_of, rows):
    coder, x, y = coder_of(family=MatryoshkaBatchTopK, prefixes=(0.25, 0.5, 1.0)), rows(30, 8), rows(30, 8, seed=1)
    terms = coder.architecture.loss(coder.params, Batch(x, y), coder.settings)
    assert set(terms) == {"inner_mse_6", "inner_mse_12", "mse"}
    latents = coder.architecture.encode_in_training(coder.params, x, coder.settings)
    for name, width in (("inner_mse_6", 6), ("inner_mse_12", 12), ("mse", 24)):
        alone = latents * (torch.arange(24) < width)
        expected = (coder.decode(alone) - y).square().sum(-1).mean()
        torch.testing.assert_close(terms[name], expected)


@pytest.mark.parametrize(
    "prefixes",
    [(), (0.5,), (0.5, 0.25, 1.0), (0.5, 0.5, 1.0), (0.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0), (0.5, 2.0)],
)
def test_impossible_prefixes_are_refused(prefixes):
    with pytest.raises(ValueError, match="prefixes must"):
        MatryoshkaSettings(prefixes=prefixes)


def test_a_prefix_without_latents_of_its_own_is_refused(coder_of):
    with pytest.raises(ValueError, match=r"widths \[0, 2, 4\] of d_sae 4"):
        coder_of(family=MatryoshkaBatchTopK, dims=(8, 4, 8), prefixes=(0.1, 0.5, 1.0))
