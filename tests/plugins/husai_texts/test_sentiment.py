"""Sentiment: classes from the mean rating, neutral sentences left out, a broken archive refused."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest

from husai_core import Skipped, UsageError
from husai_texts import sentiment, vader_archive

SOURCE = sentiment.husai_texts()[0]


def packed(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        about = tarfile.TarInfo(name)
        about.size = len(content)
        archive.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


def download(folder: Path, table: str) -> None:
    """What pip leaves behind, with `table` as the films."""
    within = packed("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt", table.encode())
    (folder / vader_archive.ARCHIVE).write_bytes(packed(vader_archive.WITHIN, within))


@pytest.fixture(autouse=True)
def beside_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUSAI_DATA", raising=False)


def test_a_mean_rating_near_zero_is_neither_class(tmp_path: Path) -> None:
    rows = ["1\t1.0\tfine", "2\t0.99\tso so", "3\t-0.99\tmeh", "4\t-1.0\tbad", "5\t3.5\tgr\u00e9at"]
    download(tmp_path, "\r\n".join(rows) + "\r\n")
    found = SOURCE.read("movie", tmp_path)
    assert found.texts == ("fine", "bad", "gr\u00e9at")
    assert found.labels == (1, 0, 1)
    assert found.classes == ("negative", "positive")


def test_the_folder_of_the_environment_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    download(tmp_path / "data", "1\t2\tgood\n")
    monkeypatch.setenv("HUSAI_DATA", str(tmp_path / "data"))
    assert SOURCE.read("movie", tmp_path).texts == ("good",)


def test_without_the_archive_it_is_skipped_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(Skipped, match=re.escape(vader_archive.INSTALL)):
        SOURCE.read("movie", tmp_path)
    with pytest.raises(UsageError, match="did you mean 'movie'"):
        SOURCE.read("movies", tmp_path)


@pytest.mark.parametrize("row", ["2\tgood", "2\tmuch\tgood", "2\tnan\tgood", "2\t2.0\t "])
def test_a_row_without_rating_or_text_is_refused_with_its_line(tmp_path: Path, row: str) -> None:
    download(tmp_path, f"1\t2\tgood\n{row}\n")
    with pytest.raises(UsageError, match="line 2 of movieReview"):
        SOURCE.read("movie", tmp_path)


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    download(tmp_path, "1\t2\tgood\n")
    whole = (tmp_path / vader_archive.ARCHIVE).read_bytes()
    for broken in (whole[: len(whole) // 2], b"", packed("other", b"")):
        (tmp_path / vader_archive.ARCHIVE).write_bytes(broken)
        with pytest.raises(UsageError, match="cannot be read"):
            SOURCE.read("movie", tmp_path)
    (tmp_path / vader_archive.ARCHIVE).write_bytes(whole)
    with pytest.raises(UsageError, match="cannot be read"):
        SOURCE.read("tweets", tmp_path)
