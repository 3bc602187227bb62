import os
import subprocess
import sys
from pathlib import Path

import pytest

from husai_core.engine.cache import Cache, key_of


def _fill(cache: Cache, key: str, text: str = "result") -> None:
    with cache.writing(key) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text(text)


def test_an_entry_is_found_after_it_was_written(tmp_path: Path) -> None:
    cache, key = Cache(tmp_path), key_of({"a": 1})
    assert cache.find(key) is None
    _fill(cache, key)
    found = Cache(tmp_path).find(key)
    assert found
    assert (found / "deep" / "file").read_text() == "result"


def test_an_interrupted_entry_is_not_there(tmp_path: Path) -> None:
    cache, key = Cache(tmp_path), key_of("x")

    def interrupted() -> None:
        with cache.writing(key) as folder:
            (folder / "half").write_text("…")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert cache.find(key) is None
    _fill(cache, key)
    assert cache.find(key)


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "entry", "empty entry"])
def test_a_corrupt_entry_is_set_aside_and_nothing_is_deleted(tmp_path: Path, damage: str) -> None:
    cache, key = Cache(tmp_path), key_of("x")
    _fill(cache, key)
    folder = cache.find(key)
    assert folder
    file = folder / "deep" / "file"
    match damage:
        case "flip":
            file.write_text("resulT")
        case "truncate":
            file.write_text("")
        case "delete":
            file.unlink()
        case "entry":
            (folder / "entry.json").write_text("{")
        case "empty entry":
            (folder / "entry.json").write_text("{}")
    before = {p.name for p in folder.rglob("*")}
    assert cache.find(key) is None
    assert {p.name for p in cache.set_aside[0].rglob("*")} == before
    _fill(cache, key)
    assert cache.find(key)


def test_the_same_work_finished_twice_keeps_the_first(tmp_path: Path) -> None:
    cache, key = Cache(tmp_path), key_of("x")
    with cache.writing(key) as slow:
        (slow / "file").write_text("slow")
        other = tmp_path / key[:2] / key
        other.mkdir(parents=True)
        (other / "file").write_text("fast")
    assert (tmp_path / key[:2] / key / "file").read_text() == "fast"


def test_partial_work_of_a_dead_process_is_cleared_and_of_a_living_one_kept(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for owner in (dead.pid, os.getpid()):
        (tmp_path / "partial" / f"{owner}-key").mkdir(parents=True)
    Cache(tmp_path)
    assert [p.name for p in (tmp_path / "partial").iterdir()] == [f"{os.getpid()}-key"]


def test_keys_depend_on_everything_and_on_no_order() -> None:
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 1.5})
