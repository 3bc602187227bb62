"""Acme's metric: the values that can be read off."""

import pytest
import torch

from acme_sparse.concentration import Concentration
from husai_core import Reconstruction


@pytest.mark.parametrize(
    ("latents", "expected"), [([[0.0, 5.0]], 1.0), ([[1.0, 1.0], [0.0, 0.0]], 0.5), ([[0.0, 0.0]], 0.0)]
)
def test_concentration(latents, expected):
    rows = torch.tensor(latents)
    metric = Concentration()
    state = metric.update(None, Reconstruction(rows, rows, rows))
    assert metric.finish(state) == expected
