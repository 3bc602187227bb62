"""Sequence copy copies from its source and from nowhere else."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from husai_models.sequence_copy import SequenceCopy, SequenceCopySettings, husai_models
from husai_models.toy_transformer import chance_limit, generator_for

model = SequenceCopy()
default = SequenceCopySettings()


def ignore(fraction: float, note: str) -> None:
    """Progress that nobody listens to."""


@pytest.fixture(scope="module")
def trained():
    torch.set_deterministic_debug_mode("error")
    try:
        yield model.train(default, 0, ignore)
    finally:
        torch.set_deterministic_debug_mode("default")


def test_the_module_offers_it():
    assert [m.name for m in husai_models()] == ["sequence_copy"]


def test_it_copies_its_source(trained):
    heldout, shuffled = model.self_check(trained, default, 0)
    assert heldout.value >= 0.99
    assert heldout.holds
    assert shuffled.value == pytest.approx(0.05, abs=0.016)
    assert shuffled.holds


def test_it_copies_without_being_given_the_copy(trained):
    tokens, labels = model.examples(default, 64, generator_for(77, "free running"))
    written = tokens[:, :12]
    for _ in range(10):
        with torch.no_grad():
            letter = trained(written)[:, -1].argmax(-1, keepdim=True)
        written = torch.cat([written, letter], 1)
    assert (written[:, 12:] == labels).double().mean() > 0.98


def test_an_untrained_network_fails_the_check():
    heldout, _ = model.self_check(model.build(default, 0), default, 0)
    assert not heldout.holds


class Leaking(SequenceCopy):
    """The copy half is not shifted: every letter stands where it is asked for."""

    def examples(self, settings, rows, generator):
        tokens, labels = super().examples(settings, rows, generator)
        return torch.cat([tokens[:, : settings.length + 1], labels], 1), labels


def copies_its_input(tokens):
    return torch.nn.functional.one_hot(tokens, 22).double()


copies_its_input.cfg = SimpleNamespace(device="cpu")


def test_a_network_that_copies_a_leaked_letter_fails_the_check():
    heldout, shuffled = Leaking().self_check(copies_its_input, default, 0)
    assert heldout.holds
    assert shuffled.value == 1
    assert not shuffled.holds


def test_no_letter_is_predicted_from_itself_or_a_later_one():
    tokens, labels = model.examples(default, 5, generator_for(0, "x"))
    positions = model.corpus(default, 0).positions
    assert tokens.shape == (5, 21)
    assert positions == tuple(range(11, 21))
    assert (tokens[:, 0] == 20).all()
    assert (tokens[:, 11] == 21).all()
    assert torch.equal(tokens[:, 1:11], labels)
    for nth, position in enumerate(positions):
        assert torch.equal(tokens[:, 12 : position + 1], labels[:, :nth])


def test_corpus_is_fresh_and_split_by_row():
    corpus = model.corpus(default, 0)
    assert corpus.tokens.shape == (2000, 21)
    assert sorted(torch.cat([corpus.train, corpus.test]).tolist()) == list(range(2000))
    assert len(corpus.test) == 400
    assert torch.equal(corpus.tokens, model.corpus(default, 0).tokens)
    assert not torch.equal(corpus.tokens, model.corpus(default, 1).tokens)


def test_streams_of_one_seed_differ_by_purpose():
    first, other = (torch.rand(3, generator=generator_for(0, p)) for p in ("a", "b"))
    assert not torch.equal(first, other)


def test_a_guesser_stays_below_the_limit():
    hits = torch.rand(2000, 5120, generator=torch.Generator().manual_seed(0)) < 0.05
    assert hits.double().mean(1).max() < chance_limit(0.05, 5120) < 0.07


@pytest.mark.parametrize("wrong", [{"letters": 1}, {"length": 0}, {"rows": 4}, {"batch_size": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SequenceCopySettings(**wrong)
