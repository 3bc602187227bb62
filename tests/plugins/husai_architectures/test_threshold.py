"""Thresholds: exactly the wanted number of activations exceeds them, however the rows are cut."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_architectures import threshold

ACTIVATIONS = st.integers(0, 2**32).map(
    lambda seed: torch.randn(2, 30, 7, generator=torch.Generator().manual_seed(seed)).relu()
)


@settings(max_examples=20)
@given(ACTIVATIONS, st.integers(1, 6), st.sampled_from([7, 30]), st.sampled_from([1e-30, 1e-3, 1.0, 1e6]))
def test_exactly_the_wanted_number_exceeds_it(values, k, at_once, scale):
    values = values * scale
    cut = threshold.calibrated(lambda: values.split(at_once, dim=1), k * 30)
    positive = (values > 0).flatten(1).sum(-1)
    assert ((values > cut[:, None, None]).flatten(1).sum(-1) == positive.clamp(max=k * 30)).all()


def test_ties_do_not_exceed_the_wanted_number():
    values = torch.tensor([[[3.0, 2.0, 2.0, 2.0, 1.0, -0.0]]])
    cut = threshold.calibrated(lambda: [values], 2)
    assert cut.item() == 2.0


def test_a_threshold_lies_between_its_neighbours():
    values = torch.tensor([[[4.0, 1.0, 2.0, 8.0]]])
    assert threshold.calibrated(lambda: [values], 2).item() == pytest.approx(3.0)


def test_above_is_strict_and_never_negative():
    pre = torch.tensor([[-2.0, -0.5, 0.5, 1.0, 2.0]])
    assert threshold.above(pre, torch.ones(5)).tolist() == [[0, 0, 0, 0, 2]]
    assert threshold.above(pre, -torch.ones(5)).tolist() == [[0, 0, 0.5, 1, 2]]
