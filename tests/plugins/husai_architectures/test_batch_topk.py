"""BatchTopK: its budget belongs to the batch in training, and to a calibrated threshold afterwards."""

from __future__ import annotations

import pytest
import torch

from husai_architectures import threshold
from husai_architectures.batch_topk import BatchTopK, husai_architectures
from husai_architectures.matryoshka_batch_topk import MatryoshkaBatchTopK
from husai_core import Batch

BOTH = pytest.mark.parametrize("family", [BatchTopK, MatryoshkaBatchTopK])


def test_the_module_offers_batch_topk():
    assert [a.name for a in husai_architectures()] == ["batch_topk"]


@BOTH
@pytest.mark.parametrize("at_once", [1, 1 << 22])
def test_calibration_makes_mean_l0_equal_k_for_every_seed(family, coder_of, rows, monkeypatch, at_once):
    monkeypatch.setattr(threshold, "SLICE_ELEMENTS", 24 * 2 * 7 * at_once)
    coders = [coder_of(seed=s, family=family, k=3) for s in range(2)]
    stacked = {k: torch.stack([c.params[k] for c in coders]) for k in coders[0].params}
    x, architecture, settings = rows(50, 8), coders[0].architecture, coders[0].settings
    architecture.calibrate(stacked, x, settings)
    assert (architecture.encode(stacked, x, settings) > 0).sum(-1).float().mean(-1).tolist() == [3, 3]
    for s, coder in enumerate(coders):
        architecture.calibrate(coder.params, x, settings)
        torch.testing.assert_close(coder.params["threshold"], stacked["threshold"][s])
        assert len(set(coder.params["threshold"].tolist())) == 1


def test_calibrating_twice_is_calibrating_once(coder_of, rows):
    coder, x = coder_of(family=BatchTopK), rows(50, 8)
    coder.architecture.calibrate(coder.params, x, coder.settings)
    first = coder.params["threshold"].clone()
    coder.architecture.calibrate(coder.params, x, coder.settings)
    assert torch.equal(first, coder.params["threshold"])


def test_where_fewer_than_k_are_positive_all_of_them_stay(coder_of, rows):
    coder, x = coder_of(family=BatchTopK, k=23), rows(50, 8)
    coder.architecture.calibrate(coder.params, x, coder.settings)
    pre = coder.architecture.pre_activations(coder.params, x, coder.settings)
    torch.testing.assert_close(coder.encode(x), pre.relu())


def test_at_the_start_it_is_a_relu(coder_of, rows):
    coder, x = coder_of(family=BatchTopK), rows(50, 8)
    assert (coder.initial["threshold"] == 0).all()
    pre = coder.architecture.pre_activations(coder.initial, x, coder.settings)
    assert torch.equal(coder.architecture.encode(coder.initial, x, coder.settings), pre.relu())


def test_in_training_rows_share_the_budget(coder_of, rows):
    coder = coder_of(family=BatchTopK, k=2)
    x = rows(40, 8) * torch.linspace(0, 3, 40)[:, None] + coder.params["b_dec"]
    active = (coder.architecture.encode_in_training(coder.params, x, coder.settings) > 0).sum(-1)
    assert active.sum() == 80
    assert active[-10:].sum() > active[:10].sum()


def test_the_threshold_is_no_part_of_the_loss(coder_of, rows):
    coder, x = coder_of(family=BatchTopK), rows(40, 8)
    raised = {**coder.params, "threshold": coder.params["threshold"] + 9}
    batch = Batch(x, x, torch.arange(24) % 3 == 0)
    terms = coder.architecture.loss(coder.params, batch, coder.settings)
    assert terms == coder.architecture.loss(raised, batch, coder.settings)
    assert set(terms) == {"mse", "aux"}
    assert coder.architecture.fixed == {"threshold"}
