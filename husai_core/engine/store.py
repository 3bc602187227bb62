"""The store of activations: an array per hook and split, made in shards by one pass, verified when opened."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from husai_core import strict_json
from husai_core.errors import EvaluationError, HusaiError, UsageError
from husai_core.model import Progress

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_CAP = 20 * 2**30
CAP_SETTING = "--activations-cap or HUSAI_ACTIVATIONS_CAP"
FLOAT_BYTES = 4
WHOLE, SHARDS = "whole.json", "shards.jsonl"
BLOCK = 2**22  # bytes read at once when verifying

Hooks = tuple[str, ...]
"""Hook points whose activations stand side by side in one array."""


@dataclass(frozen=True)
class Shape:
    """How many rows a split has, how many of them make a shard, and how wide they are."""

    rows: int
    width: int
    rows_per_shard: int

    @property
    def shards(self) -> int:
        return -(-self.rows // self.rows_per_shard)

    def span(self, shard: int) -> tuple[int, int]:
        """The first row of a shard and the row after its last."""
        start = shard * self.rows_per_shard
        return start, min(self.rows, start + self.rows_per_shard)

    def bytes_of(self, shards: Iterable[int]) -> int:
        return sum(stop - start for start, stop in map(self.span, shards)) * self.width * FLOAT_BYTES

    def header(self) -> bytes:
        """What stands before the rows in an `.npy` file."""
        from numpy.lib import format as npy

        out = io.BytesIO()
        about = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, self.width)}
        npy.write_array_header_1_0(out, about)  # type: ignore[no-untyped-call, unused-ignore]  # typed since NumPy 2
        return out.getvalue()


class Pass(Protocol):
    """What fills the arrays: the same shard of the same split always gives the same rows."""

    def shapes(self, hooks: Hooks) -> Mapping[str, Shape]:
        """The shape of every split at these hooks; splits share their shards among all hooks."""

    def rows(self, split: str, shard: int, hooks: Sequence[Hooks]) -> Iterator[Mapping[Hooks, Tensor]]:
        """The rows of one shard, in order, in slices that fit into memory."""


@dataclass(frozen=True)
class Stored:
    """A finished array: its file, the digest of the file, and how many rows it has."""

    path: Path
    digest: str
    rows: int


class ActivationStore:
    """Arrays below `root`, by key. Finished shards survive a kill; a shard whose bytes changed is made again.

    `cap` bounds the bytes of all arrays below `root` together; less free disk bounds them further.
    """

    def __init__(self, root: Path, cap: int = DEFAULT_CAP) -> None:
        self.root, self.cap = root, cap
        self.changed: list[str] = []

    def fill(self, keys: Mapping[Hooks, str], begin: Callable[[], Pass], progress: Progress) -> bool:
        """Make what is missing of these arrays in one pass over the corpus; False when nothing was."""
        with ExitStack() as locks:
            for key in sorted(set(keys.values())):
                locks.enter_context(_locked(self._folder(key)))
            missing = {hooks: self._folder(key) for hooks, key in keys.items() if not self._is_whole(key)}
            if not missing:
                return False
            source = begin()
            arrays = {hooks: _Array(folder, source.shapes(hooks)) for hooks, folder in missing.items()}
            self.changed += [text for array in arrays.values() for text in array.changed]
            self._refuse_more_than_fits(arrays)
            try:
                self._make(arrays, source, progress)
            except OSError as error:
                rule = f"writing stopped: {error.strerror}"
                raise EvaluationError(str(self.root), rule, "free some disk; finished shards are kept") from None
        return True

    def open(self, key: str) -> dict[str, Stored]:
        """The finished arrays under a key, by split."""
        folder = self._folder(key)
        whole = strict_json.parse((folder / WHOLE).read_bytes(), WHOLE)
        return {
            split: Stored(folder / f"{split}.npy", about["digest"], about["rows"])
            for split, about in sorted(whole.items())
        }

    def bytes_used(self) -> int:
        """What the arrays take on disk now."""
        return sum(p.stat().st_blocks * 512 for p in self.root.rglob("*.npy"))

    def _folder(self, key: str) -> Path:
        return self.root / key[:2] / key

    def _is_whole(self, key: str) -> bool:
        """Whether every byte of every split is as it was when the array was finished."""
        try:
            return all(_is_as_recorded(stored) for stored in self.open(key).values())
        except (OSError, HusaiError, KeyError, TypeError, AttributeError):
            return False

    def _refuse_more_than_fits(self, arrays: Mapping[Hooks, _Array]) -> None:
        needed = sum(array.bytes_missing() for array in arrays.values())
        used, free = self.bytes_used(), shutil.disk_usage(self.root).free
        place = f"activations {', '.join('+'.join(hooks) for hooks in arrays)}"
        if used + needed > self.cap:
            rule = f"they would take {needed} bytes, {used} are stored already, the cap is {self.cap} bytes"
            raise UsageError(place, rule, f"raise {CAP_SETTING}, ask for fewer rows, or delete {self.root}")
        if needed > free:
            rule = f"they would take {needed} bytes, the disk has {free} free"
            raise UsageError(place, rule, "free some disk, give --cache DIR on another, or ask for fewer rows")

    def _make(self, arrays: Mapping[Hooks, _Array], source: Pass, progress: Progress) -> None:
        for array in arrays.values():
            array.start()
        todo = sorted({piece for array in arrays.values() for piece in array.missing()})
        for number, (split, shard) in enumerate(todo):
            wanted = {hooks: array for hooks, array in arrays.items() if (split, shard) in array.missing()}
            with ExitStack() as stack:
                writers = {h: stack.enter_context(array.writing(split, shard)) for h, array in wanted.items()}
                for rows in source.rows(split, shard, list(wanted)):
                    for hooks, write in writers.items():
                        write(rows[hooks])
            progress((number + 1) / len(todo), f"shard {number + 1} of {len(todo)}")
        for array in arrays.values():
            array.finish()


@dataclass
class _Array:
    """An array in the making: files of their final size, and a line for every shard that is finished."""

    folder: Path
    shapes: Mapping[str, Shape]
    finished: dict[tuple[str, int], str] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for (split, shard), digest in _recorded(self.folder / SHARDS).items():
            shape = self.shapes.get(split)
            if shape is None or shard >= shape.shards:
                continue
            if self._digest_of(split, shard) == digest:
                self.finished[split, shard] = digest
            else:
                path = self.folder / f"{split}.npy"
                self.changed.append(f"{path}: shard {shard} had changed on disk; it is made again")

    def missing(self) -> set[tuple[str, int]]:
        return {(split, n) for split, shape in self.shapes.items() for n in range(shape.shards)} - self.finished.keys()

    def bytes_missing(self) -> int:
        return sum(self.shapes[split].bytes_of([shard]) for split, shard in self.missing())

    def start(self) -> None:
        """Give every file its header and size, and forget the shards that were not as recorded."""
        (self.folder / WHOLE).unlink(missing_ok=True)
        for split, shape in self.shapes.items():
            with self._path(split).open("r+b" if self._path(split).exists() else "xb") as handle:
                handle.write(shape.header())
                handle.truncate(len(shape.header()) + shape.bytes_of(range(shape.shards)))
        lines = b"".join(_line(split, shard, digest) for (split, shard), digest in sorted(self.finished.items()))
        _write_whole(self.folder / SHARDS, lines)

    @contextmanager
    def writing(self, split: str, shard: int) -> Iterator[Callable[[Tensor], None]]:
        """Take the rows of one shard in order; it counts as finished only when all of it is on disk."""
        shape, hasher, written = self.shapes[split], hashlib.sha256(), 0
        with self._path(split).open("r+b") as handle:
            handle.seek(self._offset(split, shard))

            def write(rows: Tensor) -> None:
                nonlocal written
                raw = rows.contiguous().numpy().astype("<f4", copy=False).tobytes()
                handle.write(raw)
                hasher.update(raw)
                written += len(raw)

            yield write
            handle.flush()
            os.fsync(handle.fileno())
        assert written == shape.bytes_of([shard]), f"shard {shard} of {split} has {written} bytes"
        digest = hasher.hexdigest()
        with (self.folder / SHARDS).open("ab") as record:
            record.write(_line(split, shard, digest))
            record.flush()
            os.fsync(record.fileno())
        self.finished[split, shard] = digest

    def finish(self) -> None:
        """Record the digest of every file; from now on the array is there."""
        whole = {
            split: {"digest": file_digest(self._path(split)), "rows": shape.rows}
            for split, shape in self.shapes.items()
        }
        _write_whole(self.folder / WHOLE, strict_json.encode(whole))

    def _digest_of(self, split: str, shard: int) -> str | None:
        size = self.shapes[split].bytes_of([shard])
        hasher = hashlib.sha256()
        try:
            with self._path(split).open("rb") as handle:
                handle.seek(self._offset(split, shard))
                while size and (raw := handle.read(min(size, BLOCK))):
                    hasher.update(raw)
                    size -= len(raw)
        except OSError:
            return None
        return hasher.hexdigest() if not size else None

    def _offset(self, split: str, shard: int) -> int:
        shape = self.shapes[split]
        return len(shape.header()) + shape.span(shard)[0] * shape.width * FLOAT_BYTES

    def _path(self, split: str) -> Path:
        return self.folder / f"{split}.npy"


def _line(split: str, shard: int, digest: str) -> bytes:
    return f"{split} {shard} {digest}\n".encode()


def _recorded(path: Path) -> dict[tuple[str, int], str]:
    """The finished shards by split and number; a line cut short by a kill is as good as absent."""
    found: dict[tuple[str, int], str] = {}
    raw = path.read_bytes() if path.exists() else b""
    for line in raw.decode("ascii", "replace").splitlines(keepends=True):
        parts = line.removesuffix("\n").split(" ")
        if line.endswith("\n") and len(parts) == 3 and parts[1].isdecimal():
            found[parts[0], int(parts[1])] = parts[2]
    return found


def _write_whole(path: Path, raw: bytes) -> None:
    """Replace a file at once, so that nobody ever reads half of it."""
    aside = path.with_suffix(".partial")
    with aside.open("wb") as handle:
        handle.write(raw)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(aside, path)


def _is_as_recorded(stored: Stored) -> bool:
    """Whether the bytes are those of the record, and so many rows as it says."""
    if file_digest(stored.path) != stored.digest:
        return False
    from numpy.lib import format as npy

    with stored.path.open("rb") as handle:
        npy.read_magic(handle)  # type: ignore[no-untyped-call, unused-ignore]  # typed since NumPy 2
        shape = npy.read_array_header_1_0(handle)[0]  # type: ignore[no-untyped-call, unused-ignore]
    return bool(shape[0] == stored.rows)


def file_digest(path: Path) -> str:
    """The digest of a file of any size."""
    with path.open("rb") as handle:
        return "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer per array: a second process waits, and a killed one leaves no lock behind."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "lock").open("w")
    except OSError as error:
        raise HusaiError(str(folder), f"cannot be written: {error.strerror}", "give --cache DIR") from None
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
