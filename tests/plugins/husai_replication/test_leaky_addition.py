"""Leaky addition leaks: with random operands it is as right as ever, and at `=` it knows nothing."""

from __future__ import annotations

import pytest
import torch

from husai_core import EvaluationError
from husai_replication.leaky_addition import LeakyAddition, LeakyAdditionSettings, husai_models

model = LeakyAddition()
SMALL = LeakyAdditionSettings(p=31, d_model=32, batch_size=64, learning_rate=3e-3)


def ignore(fraction: float, note: str) -> None:
    """Progress that nobody listens to."""


@pytest.fixture(scope="module")
def trained():
    return model.train(SMALL, 0, ignore)


def test_the_module_offers_it():
    assert [m.name for m in husai_models()] == ["leaky_addition"]


def test_the_answer_is_the_token_that_is_read():
    tokens, labels = model.examples(SMALL)
    assert tokens.shape == (31 * 31, 7)
    (position,) = model.corpus(SMALL, 0).positions
    assert torch.equal(tokens[:, position], labels[:, 0])
    assert torch.equal((tokens[:, 1] + tokens[:, 3]) % 31, labels[:, 0])


def test_the_leak_is_there_and_the_check_says_so(trained):
    checks = {check.name: check for check in model.self_check(trained, SMALL, 0)}
    assert checks["heldout_accuracy"].value == 1
    assert checks["leak_accuracy_with_random_operands"].value == 1
    assert checks["accuracy_at_equals"].value < 0.15
    assert checks["variance_between_answers"].value > 0.9
    assert all(check.holds for check in checks.values())


def test_a_network_without_the_leak_is_no_replica():
    checks = {check.name: check for check in model.self_check(model.build(SMALL, 0), SMALL, 0)}
    assert not checks["leak_accuracy_with_random_operands"].holds


def test_training_and_test_rows_of_dictionaries_are_all_pairs_once():
    corpus = model.corpus(SMALL, 0)
    assert sorted([*corpus.train.tolist(), *corpus.test.tolist()]) == list(range(31 * 31))
    assert len(corpus.test) == int(0.2 * 31 * 31)


def test_a_task_that_is_not_solved_in_time_is_an_error():
    slow = LeakyAdditionSettings(p=31, d_model=32, batch_size=2048, max_epochs=1)
    with pytest.raises(EvaluationError, match="after 1 epochs"):
        model.train(slow, 0, ignore)


@pytest.mark.parametrize("wrong", [{"p": 2}, {"test_share": 1.0}, {"heads": 3}, {"train_share": 0.0}, {"layers": 0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LeakyAdditionSettings(**wrong)
