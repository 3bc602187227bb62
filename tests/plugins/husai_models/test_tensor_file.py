"""A file of activations: read without a pickle, split without a leak, and refused with the way out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy
import pytest
import torch
from safetensors.torch import save_file

from husai_core import UsageError
from husai_models.tensor_file import TensorFile, TensorFileSettings, husai_models

ROWS = numpy.random.default_rng(0).normal(size=(50, 6)).astype("f4")


@pytest.fixture
def model(tmp_path: Path):
    numpy.save(tmp_path / "rows.npy", ROWS)
    save_file({"x": torch.from_numpy(ROWS), "y": torch.from_numpy(ROWS[:, :2].copy())}, tmp_path / "two.safetensors")
    return husai_models()[0].beside(tmp_path)


def corpus_of(model: TensorFile, **settings):
    return model.tokenise(TensorFileSettings(**settings), 0, Path())


@pytest.mark.parametrize("settings", [{"file": "rows.npy"}, {"file": "two.safetensors", "tensor": "x"}])
def test_the_rows_are_those_of_the_file(model, settings):
    chosen = TensorFileSettings(**settings)
    network = model.load(chosen, 0, Path())
    _, shown = network.run_with_cache(torch.tensor([[3], [7]]), names_filter=["input"], stop_at_layer=None)
    assert torch.equal(shown["input"][:, 0], torch.from_numpy(ROWS[[3, 7]]))
    assert all(check.holds for check in model.examine(network, model.tokenise(chosen, 0, Path()), chosen, 0))


def test_the_digest_of_the_file_is_recorded(model):
    settings = TensorFileSettings(file="rows.npy")
    expected = "sha256:" + hashlib.sha256((model.folder / "rows.npy").read_bytes()).hexdigest()
    assert model.inputs(settings) == {"input": expected}
    assert model.weights(settings, Path()) == expected


def test_the_split_follows_the_seed_and_covers_every_row(model):
    first, again = (model.tokenise(TensorFileSettings(file="rows.npy"), 1, Path()) for _ in range(2))
    other = model.tokenise(TensorFileSettings(file="rows.npy"), 2, Path())
    assert torch.equal(first.test, again.test)
    assert not torch.equal(first.test, other.test)
    assert len(first.test) == 10
    assert sorted(torch.cat([first.train, first.test]).tolist()) == list(range(50))


def test_equal_rows_are_never_on_both_sides(model):
    numpy.save(model.folder / "rows.npy", ROWS[numpy.arange(50) % 5])
    corpus = corpus_of(model, file="rows.npy")
    assert {int(n) % 5 for n in corpus.train} & {int(n) % 5 for n in corpus.test} == set()


def test_a_group_is_never_split(model):
    numpy.save(model.folder / "groups.npy", numpy.arange(50) // 10)
    corpus = corpus_of(model, file="rows.npy", groups="groups.npy")
    assert {int(n) // 10 for n in corpus.train} & {int(n) // 10 for n in corpus.test} == set()
    assert len(corpus.test) == 10


def test_groups_that_leak_and_rows_that_are_broken_fail_the_check(model):
    rows = ROWS.copy()
    rows[1] = rows[0]
    rows[2, 3] = numpy.nan
    numpy.save(model.folder / "rows.npy", rows)
    numpy.save(model.folder / "groups.npy", numpy.arange(50))
    settings = TensorFileSettings(file="rows.npy", groups="groups.npy", test_share=0.5)
    network = model.load(settings, 0, Path())
    corpora = [model.tokenise(settings, seed, Path()) for seed in range(20)]
    apart = next(c for c in corpora if (0 in c.train) != (1 in c.train))
    failed = {check.name for check in model.examine(network, apart, settings, 0) if not check.holds}
    assert failed == {"finite_columns", "test_rows_in_train"}
    numpy.save(model.folder / "rows.npy", numpy.ones((50, 2), "f4"))
    constant = model.load(settings, 0, Path())
    assert "varying_columns" in {c.name for c in model.examine(constant, apart, settings, 0) if not c.holds}


def test_a_target_is_a_second_hook(model):
    numpy.save(model.folder / "target.npy", 2 * ROWS[:, :3])
    network = model.load(TensorFileSettings(file="rows.npy", target="target.npy"), 0, Path())
    assert set(network.hook_dict) == {"input", "target"}
    _, shown = network.run_with_cache(torch.tensor([[4]]), names_filter=["target"], stop_at_layer=None)
    assert torch.equal(shown["target"][0, 0], torch.from_numpy(2 * ROWS[4, :3]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"file": "absent.npy"}, r"file absent.npy: is not there"),
        ({"file": "two.safetensors"}, r"set tensor; known: x, y"),
        ({"file": "two.safetensors", "tensor": "z"}, r"set tensor; known: x, y"),
        ({"file": "flat.npy"}, r"float64 of shape \(5,\), not floats of shape \(rows, width\)"),
        ({"file": "objects.npy"}, r"cannot be read: .*numpy.save"),
        ({"file": "noise.safetensors"}, r"is no safetensors file"),
        ({"file": "rows.npy", "target": "short.npy"}, r"has 49 rows, rows.npy has 50"),
        ({"file": "rows.npy", "groups": "flat.npy"}, r"not 50 whole numbers"),
        ({"file": "equal.npy"}, r"1 group of rows that differ"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_way_out(model, settings, message):
    numpy.save(model.folder / "flat.npy", numpy.zeros(5))
    numpy.save(model.folder / "objects.npy", numpy.array([{}], dtype=object), allow_pickle=True)
    numpy.save(model.folder / "short.npy", ROWS[:49])
    numpy.save(model.folder / "equal.npy", numpy.ones((9, 2)))
    (model.folder / "noise.safetensors").write_bytes(b"\x80\x04noise")
    with pytest.raises(UsageError, match=message):
        corpus_of(model, **settings)


@pytest.mark.parametrize("target", ["", "target.npy"])
def test_zeros_that_are_to_be_reconstructed_are_refused_before_any_training(model, target):
    """On the train side they stand: the contract of architectures has rows of zeros in training."""
    settings = TensorFileSettings(file="rows.npy", target=target)
    written = target or "rows.npy"
    numpy.save(model.folder / "target.npy", 2 * ROWS)
    corpus = model.tokenise(settings, 0, Path())
    in_train, in_test = int(corpus.train[0]), int(corpus.test[3])
    for empty in (in_train, in_test):
        rows = ROWS.copy()
        rows[empty] = 0
        numpy.save(model.folder / written, rows)
        network = model.load(settings, 0, Path())
        if empty == in_train:
            assert all(check.holds for check in model.examine(network, corpus, settings, 0))
            continue
        with pytest.raises(UsageError, match=f"file {written} row {in_test}: is all zeros, and it is a test row") as e:
            model.examine(network, corpus, settings, 0)
        assert e.value.next_step == "leave rows of padding out of the file"


@pytest.mark.parametrize("wrong", [{"file": "rows.pt"}, {"file": "a.npy", "groups": "g.pkl"}, {"test_share": 1.0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=r"pickles are not read|test_share"):
        TensorFileSettings(**{"file": "rows.npy", **wrong})
