"""Samples: the files that an importer brings along, as its program wrote them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from husai_core.errors import UsageError


def samples_of(importer: Any) -> dict[str, bytes]:
    """The files of the folder that an importer names, by name without ending; none where it names no folder."""
    if not importer.samples:
        return {}
    folder = Path(inspect.getfile(type(importer))).parent / importer.samples
    place, step = f"importer '{importer.name}' samples", "put files there as the program wrote them, and package them"
    if not folder.is_dir():
        raise UsageError(place, f"names '{importer.samples}', and beside its module is no such folder", step)
    paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not paths:
        raise UsageError(place, f"names '{importer.samples}', and that folder is empty", step)
    found = {path.stem: path.read_bytes() for path in paths}
    if len(found) < len(paths):
        raise UsageError(place, f"two files of '{importer.samples}' differ in their ending alone", "rename one")
    return found
