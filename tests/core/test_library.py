"""The library: one name may stand for several text sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from husai_core import Skipped
from husai_core.engine.library import Library
from husai_core.plugins import EntryPoint, PluginTable

SOURCES = """
from husai_core import TextSet, TextSource, hookimpl

class Shelf(TextSource):
    name, summary, licence = "shelf", "Three documents, for tests.", "none"
    listed = ("a", "b", "c")

    def parts(self):
        return self.listed

    def read(self, part, folder):
        return TextSet(f"{self.name}:{part}", (part,))

class Empty(Shelf):
    name, install, listed = "empty", "fill the shelf", ()

@hookimpl
def husai_texts():
    return [Shelf(), Empty()]
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    (tmp_path / "husai_shelf.py").write_text(SOURCES)
    monkeypatch.syspath_prepend(tmp_path)
    return Library(PluginTable([EntryPoint("shelf", "husai_shelf", "tests 1.0")]), tmp_path)


def test_a_star_is_every_part_and_a_part_is_itself(library: Library) -> None:
    assert library.members("shelf:*") == ["shelf:a", "shelf:b", "shelf:c"]
    assert library.members("shelf:b") == ["shelf:b"]
    assert [library.read(name).texts for name in library.members("shelf:*")] == [("a",), ("b",), ("c",)]


def test_a_star_of_nothing_is_skipped_with_the_way_out(library: Library) -> None:
    with pytest.raises(Skipped, match=r"texts empty:\*: no part of it is installed") as raised:
        library.members("empty:*")
    assert raised.value.next_step == "fill the shelf"
