"""Acme's architecture."""

import torch

from acme_sparse.shrink import Shrink, ShrinkSettings
from husai_core.testing import architecture_contract

test_contract = architecture_contract("acme_shrink")


def test_what_is_left_is_what_stands_above_the_threshold():
    params = {"W_enc": torch.eye(3), "b_enc": torch.zeros(3), "threshold": torch.tensor([1.0, -1.0, 4.0])}
    latents = Shrink().encode(params, torch.tensor([[3.0, 2.0, 1.0]]), ShrinkSettings())
    assert latents.tolist() == [[2.0, 1.0, 0.0]]
