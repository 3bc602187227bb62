"""A content-addressed store of finished work: an entry is there whole and verified, or not there."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from husai_core import strict_json
from husai_core.errors import HusaiError

ENTRY = "entry.json"


def key_of(parts: Any) -> str:
    """The name of a piece of work: the digest of everything its result depends on."""
    return strict_json.digest(strict_json.encode(parts)).removeprefix("sha256:")


class Cache:
    """Entries below `root`, each a folder written aside and renamed into place.

    An entry whose bytes changed on disk is set aside under `corrupt/`, never deleted, and the work is done again.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.set_aside: list[Path] = []
        try:
            (root / "partial").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HusaiError(str(root), f"the cache cannot be written: {error.strerror}", "give --cache DIR") from None
        self._remove_partials_of_dead_processes()

    def find(self, key: str) -> Path | None:
        """The folder of a finished entry whose every byte is as it was written."""
        folder = self.root / key[:2] / key
        if not folder.exists():
            return None
        if _intact(folder):
            return folder
        self._put_aside(folder)
        return None

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """A folder to fill; it becomes the entry when the block ends without an exception."""
        partial = self.root / "partial" / f"{os.getpid()}-{key}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        yield partial
        digests = {str(p.relative_to(partial)): _digest(p) for p in sorted(partial.rglob("*")) if p.is_file()}
        (partial / ENTRY).write_bytes(strict_json.encode(digests))
        target = self.root / key[:2] / key
        target.parent.mkdir(exist_ok=True)
        if target.exists():  # another process finished the same work first
            shutil.rmtree(partial)
        else:
            os.rename(partial, target)

    def unfinished(self, key: str, suffix: str = ".safetensors") -> Path:
        """A file for the state of work under way; it outlives the process and is the worker's to remove."""
        (self.root / "unfinished").mkdir(exist_ok=True)
        return self.root / "unfinished" / f"{key}{suffix}"

    def _put_aside(self, folder: Path) -> None:
        corrupt = self.root / "corrupt"
        corrupt.mkdir(exist_ok=True)
        number = sum(1 for _ in corrupt.iterdir())
        target = corrupt / f"{folder.name}-{number}"
        os.rename(folder, target)
        self.set_aside.append(target)

    def _remove_partials_of_dead_processes(self) -> None:
        for partial in (self.root / "partial").iterdir():
            owner = partial.name.partition("-")[0]
            if owner.isdigit() and not _alive(int(owner)):
                shutil.rmtree(partial, ignore_errors=True)


def _intact(folder: Path) -> bool:
    try:
        recorded = strict_json.parse((folder / ENTRY).read_bytes(), ENTRY)
        return bool(recorded) and all(_digest(folder / name) == value for name, value in recorded.items())
    except (OSError, HusaiError, AttributeError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
