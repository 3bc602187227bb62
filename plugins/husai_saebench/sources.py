"""Data sets of the hub: read from a folder of the same names, from the hub's own cache, or from the hub."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from husai_core.need import Need

HUB_URL = "https://huggingface.co"
_FOUND = {"folder": "in HUSAI_DATA/hub", "cache": "in the cache of the hub", "hub": "the hub answers"}
_PATIENCE = 5  # seconds for the hub to answer


def mirror() -> Path | None:
    """The folder that holds data sets by their names, where there is one."""
    root = os.environ.get("HUSAI_DATA")
    folder = Path(root) / "hub" if root else None
    return folder.absolute() if folder and folder.is_dir() else None


def data_needs(names: Iterable[str]) -> list[Need]:
    """Whether each of them can be had, asked before the official code retries for a minute."""
    needs = []
    for name in names:
        found = where_from(name)
        silent = "is not asked" if _hub_is_not_asked() else "does not answer"
        rule = f"the data set '{name}' lies in no folder and no cache here, and the hub {silent}"
        step = f"put it at HUSAI_DATA/hub/{name} (parquet, csv or json), or hand over text sets in its place"
        needs.append(Need("data", name, found is not None, _FOUND[found] if found else rule, "" if found else step))
    return needs


def where_from(name: str) -> str | None:
    """Where a data set would come from; None where it cannot be had."""
    folder = mirror()
    if folder and (folder / name).is_dir():
        return "folder"
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    flat = name.replace("/", "___")
    if (home / "datasets" / flat).is_dir() or (home / "hub" / f"datasets--{name.replace('/', '--')}").is_dir():
        return "cache"
    return "hub" if _hub_answers() else None


def _hub_is_not_asked() -> bool:
    return os.environ.get("HF_HUB_OFFLINE") == "1" or os.environ.get("HF_DATASETS_OFFLINE") == "1"


def _hub_answers() -> bool:
    return not _hub_is_not_asked() and _hub_is_there()


@cache
def _hub_is_there() -> bool:
    from urllib.error import URLError
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(HUB_URL, method="HEAD"), timeout=_PATIENCE):
            return True
    except (URLError, OSError, ValueError):
        return False
