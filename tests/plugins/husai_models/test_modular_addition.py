"""Modular addition groks, answers without a leak, and a network that does not add fails its own check."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from husai_core import EvaluationError
from husai_models.modular_addition import ModularAddition, ModularAdditionSettings, husai_models

model = ModularAddition()
# The task of the defaults on half their widths, which groks in a third of their time. That the defaults grok is what
# the site of every committed bundle that is made from them records.
HALF = ModularAdditionSettings(d_model=64, d_mlp=128)
SMALL = ModularAdditionSettings(p=11, d_model=16, heads=2, d_mlp=16, target_accuracy=0.01)


def ignore(fraction: float, note: str) -> None:
    """Progress that nobody listens to."""


@pytest.fixture(scope="module")
def trained():
    torch.set_deterministic_debug_mode("error")
    try:
        yield model.train(HALF, 0, ignore)
    finally:
        torch.set_deterministic_debug_mode("default")


def test_the_module_offers_it():
    assert [m.name for m in husai_models()] == ["modular_addition"]


def test_it_groks(trained):
    heldout, shuffled = model.self_check(trained, HALF, 0)
    assert heldout.value >= 0.99
    assert heldout.holds
    assert shuffled.value < 0.03
    assert shuffled.at_most < 0.04
    assert shuffled.holds


def test_the_activations_are_read_where_the_answer_is_made(trained):
    corpus = model.corpus(HALF, 0)
    rows = corpus.tokens[corpus.test]
    _, cache = trained.run_with_cache(rows, names_filter=model.default_hook)
    (position,) = corpus.positions
    answers = trained.unembed(cache[model.default_hook][:, [position]]).argmax(-1)[:, 0]
    assert (answers == rows[:, :2].sum(1) % 59).double().mean() > 0.99


def test_an_untrained_and_a_half_trained_network_fail_the_check():
    settings = replace(HALF, target_accuracy=0.01, train_fraction=0.3)
    for network in (model.build(settings, 0), model.train(settings, 0, ignore)):
        heldout, _ = model.self_check(network, settings, 0)
        assert not heldout.holds


class Leaking(ModularAddition):
    """The earlier program's task: the answer stands where the network is asked for it."""

    def examples(self, settings):
        tokens, labels = super().examples(settings)
        return torch.cat([tokens[:, :2], labels], 1), labels


def copies_its_input(tokens):
    return torch.nn.functional.one_hot(tokens, 60).double()


copies_its_input.cfg = SimpleNamespace(device="cpu")


def test_a_network_that_copies_a_leaked_answer_fails_the_check():
    heldout, shuffled = Leaking().self_check(copies_its_input, ModularAdditionSettings(), 0)
    assert heldout.holds
    assert shuffled.value == 1
    assert not shuffled.holds


def test_corpus_holds_all_pairs_and_no_answer():
    corpus = model.corpus(SMALL, 4)
    assert len({tuple(row) for row in corpus.tokens.tolist()}) == 121
    assert (corpus.tokens[:, corpus.positions[0]] == 11).all()
    assert corpus.tokens[:, :2].max() < 11
    assert sorted(torch.cat([corpus.train, corpus.test]).tolist()) == list(range(121))
    assert len(corpus.test) == 24
    assert torch.equal(corpus.test, model.corpus(SMALL, 4).test)
    assert not torch.equal(corpus.test, model.corpus(SMALL, 5).test)


def test_training_is_a_function_of_the_seed_and_restores():
    notes = []
    first = model.train(SMALL, 3, lambda fraction, note: notes.append(fraction))
    again, other = model.train(SMALL, 3, ignore).state_dict(), model.train(SMALL, 4, ignore).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.state_dict().items())
    assert not all(torch.equal(value, other[name]) for name, value in first.state_dict().items())
    assert notes == sorted(notes)
    assert 0 < notes[-1] <= 1

    restored = model.build(SMALL, 9)
    restored.load_state_dict(first.state_dict())
    tokens = model.corpus(SMALL, 0).tokens
    assert torch.equal(restored(tokens), first(tokens))


def test_build_is_a_function_of_the_seed():
    first, again, other = (model.build(SMALL, s).W_E for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_training_that_does_not_arrive_says_so():
    with pytest.raises(EvaluationError, match=r"model modular_addition, seed 0: held-out accuracy .* 2 steps"):
        model.train(ModularAdditionSettings(p=11, d_model=16, max_steps=2), 0, ignore)


def test_progress_may_stop_the_training():
    def stop(fraction: float, note: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.train(SMALL, 0, stop)


@pytest.mark.parametrize(
    "wrong",
    [
        {"p": 2},
        {"d_mlp": 0},
        {"train_fraction": 1.0},
        {"train_fraction": 0.0},
        {"d_model": 30},
        {"heads": 0},
        {"learning_rate": float("nan")},
        {"weight_decay": -1.0},
        {"target_accuracy": 1.1},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ModularAdditionSettings(**wrong)


def test_it_knows_operands_sums_and_the_embedding_of_the_numbers(tmp_path):
    model.prepare(SMALL, 3, tmp_path, ignore)
    corpus = model.tokenise(SMALL, 3, tmp_path)
    labels = model.labels(SMALL, 3, tmp_path, corpus, corpus.test)
    assert {name: tuple(label.shape) for name, label in labels.items()} == dict.fromkeys("ab", (24, 1)) | {
        "sum": (24, 1)
    }
    _, sums = model.examples(SMALL)
    assert torch.equal(labels["sum"], sums[corpus.test])
    assert torch.equal(torch.cat([labels["a"], labels["b"]], 1), corpus.tokens[corpus.test, :2])
    network = model.load(SMALL, 3, tmp_path)
    _, cache = network.run_with_cache(torch.arange(11).unsqueeze(1), names_filter="hook_embed")
    assert torch.equal(model.tables(SMALL, 3, tmp_path)["embedding"], cache["hook_embed"][:, 0])
