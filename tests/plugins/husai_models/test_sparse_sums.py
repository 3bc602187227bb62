"""Sparse sums are what they are called, follow the seed, and say what is true of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from husai_models.sparse_sums import SparseSums, SparseSumsSettings, Sums


def drawn(folder: Path, seed: int = 0, **settings) -> Sums:
    folder.mkdir(exist_ok=True)
    SparseSums().prepare(SparseSumsSettings(**settings), seed, folder, lambda *_: None)
    return SparseSums().load(SparseSumsSettings(**settings), seed, folder)


def test_rows_are_sums_of_as_many_unit_directions_as_asked(tmp_path):
    sums = drawn(tmp_path, active=2, features=10, width=6, rows=40, bias=3.0)
    assert torch.equal((sums.codes > 0).sum(-1), torch.full((40,), 2))
    torch.testing.assert_close(sums.features.norm(dim=-1), torch.ones(10))
    torch.testing.assert_close(sums.bias.norm(), torch.tensor(3.0))
    torch.testing.assert_close(sums.codes @ sums.features + sums.bias, sums.rows)


def test_the_seed_decides(tmp_path):
    first, again, other = (drawn(tmp_path / str(n), seed) for n, seed in enumerate((1, 1, 2)))
    assert torch.equal(first.rows, again.rows)
    assert not torch.equal(first.rows, other.rows)


def test_no_test_row_is_a_training_row_and_every_row_is_one(tmp_path):
    sums, settings = drawn(tmp_path), SparseSumsSettings()
    corpus = SparseSums().tokenise(settings, 0, tmp_path)
    assert sorted([*corpus.train.tolist(), *corpus.test.tolist()]) == list(range(2048))
    assert not {tuple(r) for r in sums.rows[corpus.train].tolist()} & {
        tuple(r) for r in sums.rows[corpus.test].tolist()
    }


def test_it_knows_what_made_a_row(tmp_path):
    sums, settings = drawn(tmp_path), SparseSumsSettings()
    model, corpus = SparseSums(), SparseSums().tokenise(SparseSumsSettings(), 0, tmp_path)
    truth = model.labels(settings, 0, tmp_path, corpus, corpus.test)["features"][:, 0]
    tables = model.tables(settings, 0, tmp_path)
    torch.testing.assert_close(truth @ tables["features"] + tables["bias"], sums.rows[corpus.test])


def test_the_checks_hold_and_see_rows_that_are_something_else(tmp_path):
    sums, settings = drawn(tmp_path), SparseSumsSettings()
    corpus = SparseSums().tokenise(settings, 0, tmp_path)
    assert all(check.holds for check in SparseSums().examine(sums, corpus, settings, 0))
    sums.rows[5] += 1
    sums.codes[7] = 0
    failed = {check.name for check in SparseSums().examine(sums, corpus, settings, 0) if not check.holds}
    assert failed == {"largest_error_of_a_sum", "fewest_active"}


@pytest.mark.parametrize("wrong", [{"features": 1}, {"active": 0}, {"active": 33}, {"rows": 2}, {"bias": -1.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SparseSumsSettings(**wrong)
