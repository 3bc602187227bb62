"""The evidence bundle on disk: a directory or a zip of it; its manifest lists every file, and nothing else is there."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from husai_core import strict_json
from husai_core.errors import InvalidEvidence, UsageError

MANIFEST = "manifest.json"
MANIFEST_SCHEMA = "husai:manifest/v1"
MAX_FILES = 100_000
MAX_TOTAL_BYTES = 2 * 2**30
MAX_FOLDER_DEPTH = 4

# What a run can only say about itself (times, machine) and what is derived from the rest are
# listed in the manifest like everything, but are no part of the identity of the evidence.
PROVENANCE = "provenance.json"
_VIEWS = re.compile(r"decision\.json|report\.md|junit\.xml|results\.sarif|(report|plots)/[A-Za-z0-9_.-]+")
_SAFE_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


@dataclass(frozen=True)
class Snapshot:
    """A bundle read once into memory: the bytes that are hashed are the bytes that are parsed."""

    place: str
    files: Mapping[str, bytes]

    def json(self, path: str) -> Any:
        """The strictly parsed document at a path."""
        return strict_json.parse(self.files[path], path)


def is_view(path: str) -> bool:
    """Whether a file is regenerated from the others: a decision, a page of the report, a plot."""
    return _VIEWS.fullmatch(path) is not None


def content_digest(digests: Mapping[str, str]) -> str:
    """The identity of a bundle: the digests of all its files but views and provenance."""
    content = {p: d for p, d in digests.items() if p != PROVENANCE and p != MANIFEST and not is_view(p)}
    return strict_json.digest(strict_json.encode(content))


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """The manifest document for a bundle of these files."""
    digests = {path: strict_json.digest(raw) for path, raw in files.items()}
    return strict_json.encode(
        {
            "schema": MANIFEST_SCHEMA,
            "content_digest": content_digest(digests),
            "files": {path: {"sha256": digests[path], "size": len(raw)} for path, raw in files.items()},
        }
    )


def path_problem(path: str) -> tuple[str, str] | None:
    """The finding code and rule that a file name breaks, if it does."""
    if unicodedata.normalize("NFC", path) != path or not path.isascii():
        return "EV-IDENT", "a file name is plain ASCII"
    if _SAFE_PATH.fullmatch(path) is None:
        return "EV-PATH", "a file name is relative, below the bundle, of letters, digits, '_', '-' and '.'"
    return None


def read(path: Path) -> Snapshot:
    """Every regular file below `path`, or in the zip at it. Links and special files are refused, never followed."""
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise UsageError(str(path)[:200], f"cannot be looked at: {error.strerror}") from None
    if not is_folder:
        return Snapshot(str(path), _read_zip(path))
    files: dict[str, bytes] = {}
    total = 0
    for full, relative in _walk(os.path.realpath(path), "", 0):
        raw = _read_regular(full, relative)
        total += len(raw)
        if total > MAX_TOTAL_BYTES or len(files) >= MAX_FILES:
            raise InvalidEvidence("EV-TOO-LARGE", str(path), "the bundle has too many files or bytes")
        files[relative] = raw
    return Snapshot(str(path), files)


def _read_zip(path: Path) -> dict[str, bytes]:
    """The files of a bundle that is one zip; anything else that is no folder is no bundle."""
    from husai_core.archive import is_archive, read_archive

    step = "give the directory that holds manifest.json, or a zip of it"
    if not path.is_file():
        raise UsageError(str(path), "there is no bundle here", step)
    try:
        with path.open("rb") as handle:
            if not is_archive(handle.read(4)) and path.suffix != ".zip":
                raise UsageError(str(path), "is no bundle", step)
            size = os.fstat(handle.fileno()).st_size
            if size > MAX_TOTAL_BYTES:
                raise InvalidEvidence("EV-TOO-LARGE", str(path), f"{size} bytes, the limit is {MAX_TOTAL_BYTES}")
            handle.seek(0)
            return read_archive(handle.read())
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}", step) from None


def _walk(folder: str, below: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every entry that is no directory, in order of name; a directory that hides or holds nothing is refused."""
    if depth > MAX_FOLDER_DEPTH:
        raise InvalidEvidence("EV-PATH", below[:200], f"folders are nested more than {MAX_FOLDER_DEPTH} deep")
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidEvidence("EV-NOT-REGULAR", below, f"the folder cannot be listed: {error.strerror}") from None
    if not found and below:
        raise InvalidEvidence("EV-UNLISTED", below, "an empty folder is no part of a bundle", "remove it")
    for entry in found:
        relative = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, relative, depth + 1)
        else:
            yield entry.path, relative


def _read_regular(full: str, relative: str) -> bytes:
    """The bytes of one file, opened so that a link or a pipe put there meanwhile is not followed or waited for."""
    try:
        descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        if os.path.islink(full):
            raise InvalidEvidence("EV-SYMLINK", relative, "a bundle holds no links") from None
        raise InvalidEvidence("EV-NOT-REGULAR", relative, "the file cannot be read as a regular file") from None
    with os.fdopen(descriptor, "rb") as handle:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise InvalidEvidence("EV-NOT-REGULAR", relative, "a bundle holds regular files only")
        if info.st_nlink > 1:
            raise InvalidEvidence("EV-SYMLINK", relative, "a hard link shares its bytes with a file elsewhere")
        if info.st_size > MAX_TOTAL_BYTES:
            raise InvalidEvidence("EV-TOO-LARGE", relative, f"{info.st_size} bytes")
        return handle.read()


def refuse_existing(target: Path) -> None:
    """What already stands where a bundle is to be written is never touched."""
    if target.exists():
        raise UsageError(str(target), "already exists", "choose another --out, or remove it yourself")


def write(files: Mapping[str, bytes], target: Path) -> None:
    """Write files and their manifest to `target` in one step; what already stands there is never touched."""
    refuse_existing(target)
    for path in files:
        problem = path_problem(path)
        if problem or path == MANIFEST:
            raise ValueError(f"{path!r} cannot be a file of a bundle: {problem[1] if problem else 'reserved'}")
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.parent / f".{target.name}.partial-{os.getpid()}"
    staging.mkdir()
    for path, raw in {**files, MANIFEST: manifest_of(files)}.items():
        full = staging / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(raw)
    os.rename(staging, target)
