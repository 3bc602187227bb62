"""Review pairs: opposite opinions of one product, each review once, and numbers of another edition refused."""

from __future__ import annotations

import io
import os
import re
import tarfile
from pathlib import Path

import pytest

from husai_core import Skipped, UsageError
from husai_texts import review_pairs, vader_archive

SOURCE = review_pairs.husai_texts()[0]


def packed(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        about = tarfile.TarInfo(name)
        about.size = len(content)
        archive.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


def download(folder: Path, *rows: str) -> None:
    """What pip leaves behind, with these rows as the products."""
    table = "".join(row.replace(" | ", "\t") + "\n" for row in rows)
    within = packed("hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt", table.encode())
    (folder / vader_archive.ARCHIVE).write_bytes(packed(vader_archive.WITHIN, within))


@pytest.fixture(autouse=True)
def beside_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUSAI_DATA", raising=False)


def test_the_nth_review_in_favour_goes_with_the_nth_against_of_the_same_product(tmp_path: Path) -> None:
    download(
        tmp_path,
        "1_1 | -2 | dead.",
        "1_2 | -1 | on arrival.",
        "2_1 | 1.5 | fine.",
        "2_2 | -0.5 | mostly.",  # a mean of 0.5 is in favour
        "3_1 | 0.9 | in between,",
        "3_2 | 0 | so in no pair.",
        "97_1 | 3 | superb.",  # nobody is left to contradict
        "99_1 | 2 | sharp.",
        "98_1 | -0.5 | the last of the players.",
        "142_1 | -3 | blurred.",
        "309_1 | -3 | alone.",
    )
    found = SOURCE.read("amazon", tmp_path)
    assert [(found.texts[p.first], found.texts[p.second], p.subject) for p in found.pairs] == [
        ("fine. mostly.", "dead. on arrival.", "a DVD player, Apex AD2600"),
        ("superb.", "the last of the players.", "a DVD player, Apex AD2600"),
        ("sharp.", "blurred.", "a camera, Canon PowerShot G3"),
    ]
    assert len(found.texts) == 6


@pytest.mark.parametrize("name", ["310_1", "0_1", "7", "7_x"])
def test_a_sentence_of_no_known_review_is_refused(tmp_path: Path, name: str) -> None:
    download(tmp_path, "1_1 | 2 | good.", f"{name} | 2 | good.")
    with pytest.raises(UsageError, match=f"the sentence '{name}' is of no review"):
        SOURCE.read("amazon", tmp_path)


def test_other_parts_and_a_missing_archive_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'amazon'"):
        SOURCE.read("amazone", tmp_path)
    with pytest.raises(Skipped, match=re.escape(vader_archive.INSTALL)):
        SOURCE.read("amazon", tmp_path)


FOLDER = Path(os.environ.get("HUSAI_DATA", "."))


@pytest.mark.skipif(not (FOLDER / vader_archive.ARCHIVE).is_file(), reason="HUSAI_DATA has no vaderSentiment archive")
def test_the_published_archive_has_64_pairs_of_five_products() -> None:
    found = SOURCE.read("amazon", FOLDER)
    assert len(found.pairs) == 64
    assert found.digest == "sha256:0f04435dbd0dc5ab78703b684156cbffd12323022acd9d763ffdcaf168f0aa39"
    assert len({pair.subject for pair in found.pairs}) == 5
    assert len(set(found.texts)) == 128
