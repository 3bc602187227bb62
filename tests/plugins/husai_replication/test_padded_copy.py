"""Padded copy has no leak: the letters to copy stand before the padding and nowhere else."""

from __future__ import annotations

import pytest
import torch

from husai_replication.padded_copy import PaddedCopy, PaddedCopySettings, husai_models

model = PaddedCopy()
SMALL = PaddedCopySettings(letters=5, length=2, sequences=300, rows=50, d_model=32, batch_size=32, learning_rate=3e-3)


def ignore(fraction: float, note: str) -> None:
    """Progress that nobody listens to."""


def test_the_module_offers_it():
    assert [m.name for m in husai_models()] == ["padded_copy"]


def test_what_is_asked_for_is_padding():
    tokens, labels = model.examples(SMALL, 20, torch.Generator().manual_seed(0))
    assert torch.equal(tokens[:, :2], labels)
    assert (tokens[:, 2] == 5).all()
    assert (tokens[:, 3:] == 6).all()


def test_it_copies_without_a_leak():
    network = model.train(SMALL, 0, ignore)
    heldout, shuffled = model.self_check(network, SMALL, 0)
    assert heldout.value == 1
    assert shuffled.value < 0.5
    assert heldout.holds
    assert not model.self_check(model.build(SMALL, 0), SMALL, 0)[0].holds


def test_dictionaries_see_the_last_position_of_fresh_sequences():
    corpus = model.corpus(SMALL, 0)
    assert corpus.positions == (4,)
    assert len(corpus.train) == 40
    assert len(corpus.test) == 10


@pytest.mark.parametrize("wrong", [{"letters": 1}, {"length": 0}, {"sequences": 5}, {"rows": 1}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PaddedCopySettings(**wrong)
