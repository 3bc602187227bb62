"""A checkpoint: a coder somebody else saved, in SAELens's terms, with the digests of the files it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core import strict_json
from husai_core.errors import InvalidEvidence, UsageError

if TYPE_CHECKING:
    from husai_core.sae import Params


@dataclass(frozen=True)
class Checkpoint:
    """Configuration and tensors under SAELens's keys and names; `changes` says what is not as it was stored."""

    form: str
    place: str
    config: Mapping[str, Any]
    tensors: Params
    files: Mapping[str, str]  # file name -> digest
    changes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The digest of all files that were read."""
        return strict_json.digest(strict_json.encode(dict(self.files)))


class Files:
    """The files of one folder, each read once and remembered by its digest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.digests: dict[str, str] = {}

    def place(self, name: str) -> str:
        return str(self.folder / name)

    def read(self, name: str) -> bytes:
        """The bytes of a file that must be there."""
        try:
            raw = (self.folder / name).read_bytes()
        except OSError as error:
            raise UsageError(self.place(name), f"cannot be read: {error.strerror}") from None
        self.digests[name] = strict_json.digest(raw)
        return raw

    def table(self, name: str) -> dict[str, Any]:
        """The JSON object in a file."""
        raw = self.read(name)
        try:
            table = strict_json.parse(raw, self.place(name))
        except InvalidEvidence as error:
            raise UsageError(error.place, error.rule, error.next_step) from None
        if not isinstance(table, dict):
            raise UsageError(self.place(name), "must be a JSON object")
        return table


def required(table: Mapping[str, Any], key: str, kind: type, place: str) -> Any:
    """The value of a key that must be there and be of this type; `true` is no integer here."""
    if key not in table:
        raise UsageError(f"{place}.{key}", "the key is missing", "take the file that the library wrote")
    value = table[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{place}.{key}", f"{value!r} is not of type {kind.__name__}")
    return value
