"""Sources of texts: files are read exactly, or refused with the place; packaged sets are as published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_core import Skipped, TextSet, UsageError
from husai_core.texts import TextPair, same_text
from husai_texts import file, sae_probes


def read(part: str, folder: Path) -> TextSet:
    return file.husai_texts()[0].read(part, folder)


def test_both_kinds_of_file_give_the_same_set(tmp_path: Path) -> None:
    rows = [{"text": 'good, "very" good\nindeed', "label": "yes"}, {"text": "bad", "label": "no"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (tmp_path / "a.csv").write_text('label,text\nyes,"good, ""very"" good\nindeed"\nno,bad\n')
    one, other = read("a.jsonl", tmp_path), read("a.csv", tmp_path)
    assert one.texts == other.texts == (rows[0]["text"], "bad")
    assert one.labels == other.labels == (1, 0)
    assert one.classes == other.classes == ("no", "yes")
    assert one.digest == other.digest


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", '{"text": "x"}\nnot json\n', "line 2"),
        ("a.jsonl", '{"txt": "x"}\n', "no text under 'text'"),
        ("a.jsonl", '{"text": "x", "label": 1}\n{"text": "y"}\n', "line 2"),
        ("a.jsonl", '{"text": "x"}\n{"text": "y", "label": 1}\n', "line 2"),
        ("a.csv", "body\nx\n", "no text under 'text'"),
        ("a.txt", "x", ".jsonl or .csv"),
        ("a.jsonl", None, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path: Path, name: str, content: Any, says: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=says):
        read(name, tmp_path)


WORDS = st.sampled_from(["a", "b", "A", "a ", "B\n", "c"])


@given(st.lists(st.tuples(WORDS, st.integers(0, 1)), min_size=1))
def test_repeats_go_and_a_document_of_two_classes_goes_altogether(rows: Sequence[tuple[str, int]]) -> None:
    found = TextSet("t:t", tuple(text for text, _ in rows), tuple(label for _, label in rows), ("no", "yes"))
    kept = found.without_repeats()
    under: dict[str, set[int]] = {}
    for text, label in rows:
        under.setdefault(same_text(text), set()).add(label)
    assert [same_text(text) for text in kept.texts] == [text for text, labels in under.items() if len(labels) == 1]
    assert all(under[same_text(text)] == {label} for text, label in zip(kept.texts, kept.labels, strict=True))


def test_the_digest_is_of_texts_and_labels_in_their_order() -> None:
    base = TextSet("t:t", ("a", "b"), (0, 1), ("no", "yes"))
    others = [TextSet("t:t", ("b", "a"), (0, 1)), TextSet("t:t", ("a", "b"), (1, 0)), TextSet("t:t", ("a", "b"))]
    assert len({base.digest, *(other.digest for other in others)}) == 4
    with pytest.raises(ValueError, match="1 labels for 2 texts"):
        TextSet("t:t", ("a", "b"), (0,))


def test_without_the_package_it_is_skipped_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("zstandard")
    monkeypatch.setattr(sae_probes, "_files", dict)
    with pytest.raises(Skipped, match="pip install --no-deps sae-probes"):
        sae_probes.husai_texts()[0].read("5_hist_fig_ismale", Path())


def test_the_packaged_sets_are_as_published() -> None:
    pytest.importorskip("zstandard")
    if find_spec("sae_probes") is None:
        pytest.skip("needs the package sae-probes")
    source = sae_probes.husai_texts()[0]
    found = source.read("5_hist_fig_ismale", Path())
    assert set(found.labels) == {0, 1}
    assert found.classes == ("0", "1")
    with pytest.raises(UsageError, match="did you mean '5_hist_fig_ismale'"):
        source.read("5_hist_fig_ismal", Path())


def test_the_binary_sets_are_those_of_the_package_itself() -> None:
    pytest.importorskip("zstandard")
    if find_spec("sae_probes") is None:
        pytest.skip("needs the package sae-probes")
    source = sae_probes.husai_texts()[0]
    binary = source.members("binary")
    assert len(binary) == 113
    assert set(binary) < set(source.members("*"))
    assert {"92_glue_sst2", "161_agnews_0"} <= set(binary)
    assert "97_news_class" not in binary


def test_pairs_follow_their_documents_and_are_part_of_the_digest() -> None:
    found = TextSet("t:t", ("a", "b", "c", "A"), pairs=(TextPair(0, 1, "x"), TextPair(2, 1, "y"), TextPair(3, 2, "z")))
    assert found.only([2, 1]).pairs == (TextPair(0, 1, "y"),)
    assert found.without_repeats().pairs == (TextPair(0, 1, "x"), TextPair(2, 1, "y"))  # "A" repeats "a"
    alone = TextSet("t:t", found.texts)
    assert alone.digest != found.digest
    assert alone.only([0]).pairs == ()
    assert TextSet("t:t", found.texts, pairs=found.pairs[:1]).digest != found.digest


@pytest.mark.parametrize("pair", [TextPair(0, 2, "x"), TextPair(-1, 0, "x"), TextPair(1, 1, "x")])
def test_a_pair_is_of_two_documents_of_the_set(pair: TextPair) -> None:
    with pytest.raises(ValueError, match="a pair that is not of two of its 2 texts"):
        TextSet("t:t", ("a", "b"), pairs=(pair,))
