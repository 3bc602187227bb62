"""Data sets of the hub: a folder goes before the cache, the cache before the hub, and the hub is asked once at most."""

from __future__ import annotations

from pathlib import Path

import pytest

from husai_saebench import sources

NAME = "org/set"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No folder, no cache, and a hub that does not answer; gives what it was asked."""
    asked: list[str] = []

    def absent() -> bool:
        asked.append(sources.HUB_URL)
        return False

    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HUSAI_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "_hub_is_there", absent)
    return asked


def test_what_can_be_had_from_nowhere_is_said_with_the_way_out(nowhere):
    (need,) = sources.data_needs([NAME])
    assert not need.present
    assert "lies in no folder and no cache here, and the hub does not answer" in need.detail
    assert need.fix.startswith("put it at HUSAI_DATA/hub/org/set")
    assert nowhere == [sources.HUB_URL]


def test_a_folder_goes_before_everything(tmp_path, monkeypatch, nowhere):
    (tmp_path / "data" / "hub" / NAME).mkdir(parents=True)
    (tmp_path / "cache" / "datasets" / "org___set").mkdir(parents=True)
    assert sources.mirror() is None
    monkeypatch.setenv("HUSAI_DATA", str(tmp_path / "data"))
    assert sources.where_from(NAME) == "folder"
    assert sources.where_from("org/other") is None
    (need,) = sources.data_needs([NAME])
    assert need.present
    assert not need.fix
    assert sources.mirror() == tmp_path / "data" / "hub"


@pytest.mark.parametrize("layout", ["datasets/org___set", "hub/datasets--org--set"])
def test_the_caches_of_both_libraries_are_looked_into(layout, tmp_path, nowhere):
    (tmp_path / "cache" / layout).mkdir(parents=True)
    assert sources.where_from(NAME) == "cache"
    assert nowhere == []


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"])
def test_offline_nobody_asks_the_hub(variable, monkeypatch, nowhere):
    monkeypatch.setenv(variable, "1")
    (need,) = sources.data_needs([NAME])
    assert "the hub is not asked" in need.detail
    assert nowhere == []


def test_where_the_hub_answers_it_is_enough(monkeypatch):
    monkeypatch.setattr(sources, "_hub_is_there", lambda: True)
    assert sources.where_from(NAME) == "hub"
