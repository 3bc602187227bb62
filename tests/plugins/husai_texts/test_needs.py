"""Sources of texts say what they lack in the very words with which they are skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from husai_core import Skipped, TextSource, UsageError
from husai_texts import ce_bench, file, review_pairs, sae_probes, sentiment, wiki


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any of their data."""
    monkeypatch.delenv("HUSAI_DATA", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(wiki, "_files", dict)
    monkeypatch.setattr(sae_probes, "_files", dict)
    monkeypatch.setattr(ce_bench, "_cached", lambda part: None)


SOURCES = [
    (sentiment.husai_texts()[0], "movie"),
    (review_pairs.husai_texts()[0], "amazon"),
    (wiki.husai_texts()[0], "en"),
    (sae_probes.husai_texts()[0], "92_glue_sst2"),
    (ce_bench.husai_texts()[0], "contrastive-stories-v3"),
]


@pytest.mark.parametrize(("source", "part"), SOURCES, ids=[source.name for source, _ in SOURCES])
def test_what_is_missing_is_why_reading_is_skipped(source: TextSource, part: str, tmp_path: Path) -> None:
    (need,) = source.needs(part, tmp_path)
    with pytest.raises(Skipped) as caught:
        source.read(part, tmp_path)
    assert not need.present
    assert (caught.value.rule, caught.value.next_step) == (need.detail, need.fix)
    assert need.fix
    assert [one.present for one in source.needs("", tmp_path)] == [False], "no part at all is there"


def test_a_file_is_there_or_not(tmp_path: Path) -> None:
    source = file.husai_texts()[0]
    assert not source.needs("", tmp_path)
    (absent,) = source.needs("a.jsonl", tmp_path)
    assert absent.detail == "there is no such file beside the study"
    with pytest.raises(UsageError):
        source.read("a.jsonl", tmp_path)
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    assert [need.present for need in source.needs("a.jsonl", tmp_path)] == [True]


def test_a_downloaded_archive_is_found_beside_the_study_or_in_the_folder_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sentiment.husai_texts()[0]
    (tmp_path / "vaderSentiment-3.3.2.tar.gz").touch()
    assert source.needs("movie", tmp_path)[0].present
    monkeypatch.setenv("HUSAI_DATA", str(tmp_path / "elsewhere"))
    (need,) = source.needs("movie", tmp_path)
    assert "in $HUSAI_DATA" in need.detail
