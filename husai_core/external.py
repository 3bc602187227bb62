"""Results that another program made: who made them, and its own files, kept beside the evidence that quotes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from husai_core import strict_json
from husai_core.data_source import DataSource

__all__ = ["External"]

Kind = Literal["official", "imported"]
"""`official`: the published program, run on these very subjects. `imported`: somebody else's result, from a file."""

NATIVE = "native"
"""What HUSAI measured itself: evidence without an `external` block."""


@dataclass
class External:
    """The program, its version and its result files by name; `unverified` is what nobody here could check of them."""

    kind: Kind
    tool: str
    version: str
    files: dict[str, bytes] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()
    texts: tuple[DataSource, ...] = ()  # documents that the program took from somewhere by itself

    def to_json(self, benchmark: str, site: str) -> dict[str, Any]:
        """What stands in the evidence of that benchmark at that site."""
        listed = [
            {"path": external_path(benchmark, site, name), "digest": strict_json.digest(raw)}
            for name, raw in sorted(self.files.items())
        ]
        block: dict[str, Any] = {"kind": self.kind, "tool": self.tool, "version": self.version, "files": listed}
        return {**block, "unverified": list(self.unverified)} if self.unverified else block


@dataclass(frozen=True)
class RecordedExternal:
    """The block as read back."""

    kind: Kind
    tool: str
    version: str
    files: Mapping[str, str]  # path in the bundle -> digest
    unverified: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RecordedExternal:
        files = {entry["path"]: entry["digest"] for entry in data["files"]}
        return cls(data["kind"], data["tool"], data["version"], files, tuple(data.get("unverified", ())))


IMPORTED_FOLDER = "external/imported/"
"""Where the files stand that were imported: one of them often speaks of several benchmarks."""


def external_path(benchmark: str, site: str, name: str) -> str:
    """Where a result file of a benchmark at a site stands in a bundle."""
    return f"external/{benchmark}.{site}/{name}"
