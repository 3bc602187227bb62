"""Cosine to the initialisation: one when unmoved, refused when the axes are wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from husai_metrics.decoder_movement import CosineToInitial

metric = CosineToInitial()


def test_known_values(coder_of):
    base = coder_of()
    directions = base.initial["W_dec"]
    for factor, expected in ((1, 1), (3, 1), (-1, -1)):
        moved = replace(base, params={**base.params, "W_dec": factor * directions})
        assert metric.of(moved) == pytest.approx(expected, abs=1e-6)
        assert metric.card.allows(metric.of(moved))


def test_agrees_with_torch(coder_of):
    base = coder_of()
    expected = torch.nn.functional.cosine_similarity(base.params["W_dec"], base.initial["W_dec"]).mean()
    assert metric.of(base) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("which", ["params", "initial"])
def test_a_transposed_dictionary_is_refused(which, coder_of):
    base = coder_of()
    turned = {**getattr(base, which), "W_dec": getattr(base, which)["W_dec"].T}
    with pytest.raises(ValueError, match="transposed"):
        metric.of(replace(base, **{which: turned}))


def test_a_coder_without_a_known_start_has_no_value(coder_of):
    assert metric.needs_initial
    with pytest.raises(ValueError, match="no initial weights"):
        metric.of(replace(coder_of(), initial=None))
