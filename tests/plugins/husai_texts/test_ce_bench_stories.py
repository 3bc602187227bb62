"""The stories of CE-Bench: every form they come in gives the same set, and a row that lacks something names itself."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from husai_core import Skipped, UsageError
from husai_core.texts import TextPair
from husai_texts import ce_bench

SOURCE = ce_bench.husai_texts()[0]
ROWS: list[dict[str, str]] = [
    {
        "story1": "It rose,\n\nand rose.",
        "story2": "It fell.",
        "subject": "a kite",
        "subject1": "up",
        "subject2": "down",
    },
    {"story1": "Warm “bread”.", "story2": "Cold stone.", "subject": "a home", "subject1": "good", "subject2": "bad"},
]
TEXTS = ("It rose,\n\nand rose.", "It fell.", "Warm “bread”.", "Cold stone.")
PAIRS = (TextPair(0, 1, "a kite"), TextPair(2, 3, "a home"))
V3 = "contrastive-stories-v3"


def lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def listed(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text(json.dumps(rows, indent=1))


def commas(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    arrow, files = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    files.write_table(arrow.Table.from_pylist(list(rows)), path)


FORMS = {".jsonl": lines, ".json": listed, ".csv": commas, ".parquet": parquet}


@pytest.fixture(autouse=True)
def beside_the_study(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HUSAI_DATA", raising=False)
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.parametrize(("ending", "write"), FORMS.items())
def test_every_form_gives_the_same_set(tmp_path: Path, ending: str, write: Callable[[Path, Any], None]) -> None:
    write(tmp_path / f"mine{ending}", ROWS)
    found = SOURCE.read(f"mine{ending}", tmp_path)
    assert (found.texts, found.pairs, found.labels) == (TEXTS, PAIRS, ())
    (tmp_path / V3 / "data").mkdir(parents=True)
    write(tmp_path / V3 / "data" / f"train-00000-of-00001{ending}", ROWS)
    published = SOURCE.read(V3, tmp_path)
    assert published.name == f"ce_bench:{V3}"
    assert (published.texts, published.pairs, published.digest) == (TEXTS, PAIRS, found.digest)


def test_the_folder_of_the_environment_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for root, rows in ((tmp_path / "study", ROWS), (tmp_path / "data", ROWS[:1])):
        (root / V3).mkdir(parents=True)
        lines(root / V3 / "train.jsonl", rows)
    assert len(SOURCE.read(V3, tmp_path / "study").pairs) == 2
    monkeypatch.setenv("HUSAI_DATA", str(tmp_path / "data"))
    assert len(SOURCE.read(V3, tmp_path / "study").pairs) == 1
    lines(tmp_path / "study" / "mine.jsonl", ROWS)
    assert len(SOURCE.read("mine.jsonl", tmp_path / "study").pairs) == 2


def test_what_the_client_of_the_hub_downloaded_is_found(tmp_path: Path) -> None:
    root = tmp_path / "hub" / f"datasets--GulkoA--{V3}"
    snapshot = root / "snapshots" / ("0" * 40) / "data"
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("0" * 40)
    parquet(snapshot / "train-00000-of-00002.parquet", ROWS[:1])
    parquet(snapshot / "train-00001-of-00002.parquet", ROWS[1:])
    assert SOURCE.read(V3, tmp_path).texts == TEXTS
    (snapshot / "train-00001-of-00002.parquet").unlink()
    parquet(snapshot / "train-00000-of-00001.parquet", ROWS)  # two splits mixed up are no set
    with pytest.raises(UsageError, match="not clear which files"):
        SOURCE.read(V3, tmp_path)


def test_the_subject_may_have_the_name_of_the_fourth_version(tmp_path: Path) -> None:
    lines(tmp_path / "v4.jsonl", [{**{k: ROWS[0][k] for k in ("story1", "story2")}, "subject_title": "a kite"}])
    assert SOURCE.read("v4.jsonl", tmp_path).pairs == PAIRS[:1]


def test_what_is_not_there_is_skipped_with_the_command_or_named_as_a_near_miss(tmp_path: Path) -> None:
    with pytest.raises(Skipped) as skipped:
        SOURCE.read(V3, tmp_path)
    assert f"hf download GulkoA/{V3} --repo-type dataset --local-dir {V3}" in skipped.value.next_step
    with pytest.raises(UsageError, match="did you mean 'contrastive-stories-v3'"):
        SOURCE.read("contrastive-storys-v3", tmp_path)
    assert SOURCE.members("*") == ["*"]  # versions are not scored together


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"story2": "  "}, "line 2: has no story under 'story2'"),
        ({"story1": None}, "line 2: has no story under 'story1'"),
        ({"subject": ""}, "line 2: has no subject under 'subject'"),
    ],
)
def test_a_row_that_lacks_a_story_or_a_subject_names_itself(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    lines(tmp_path / "mine.jsonl", [ROWS[0], {**ROWS[1], **change}])
    with pytest.raises(UsageError, match=says):
        SOURCE.read("mine.jsonl", tmp_path)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for name, content, says in (
        ("a.json", "{}", "no list of JSON objects"),
        ("b.json", "[", "is no JSON"),
        ("c.parquet", "no parquet", "cannot be read"),
        ("d.txt", "x", "no kind of table"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(UsageError, match=says):
            SOURCE.read(name, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="which files are the set: none"):
        SOURCE.read("empty", tmp_path)
    lines(tmp_path / "empty" / "a.jsonl", ROWS)
    lines(tmp_path / "empty" / "b.jsonl", ROWS)
    with pytest.raises(UsageError, match=r"which files are the set: a.jsonl, b.jsonl"):
        SOURCE.read("empty", tmp_path)
