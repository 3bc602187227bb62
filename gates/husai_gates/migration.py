"""The migration of a bundle: its documents in the newest versions, and whatever names them by digest made to fit.

What a document says stays what it says. Views and the manifest are not made here, and nothing here judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import husai_schemas
from husai_core import strict_json
from husai_core.errors import UsageError
from husai_gates.audit.layout import VIEWS, kind_of

# In the order in which they name one another by digest; a choice names documents of other bundles, as those lie there.
_KINDS = ("site", "subject", "transcript", "evidence", "selection", "choice", "provenance")
_NAME_OTHERS = ("subject", "evidence", "selection")


@dataclass(frozen=True)
class Migration:
    """The files of a bundle without its views: those that were lifted, by path with both versions, and the others."""

    files: Mapping[str, bytes]
    lifted: Mapping[str, tuple[str, str]]
    referring: tuple[str, ...]
    """Documents that say what they said, and name by another digest what was lifted."""


def migrate(files: Mapping[str, bytes]) -> Migration:
    """The migration of files whose documents are valid; the bytes of what is of the newest version stay as they are."""
    moved: dict[str, str] = {}
    lifted: dict[str, tuple[str, str]] = {}
    found: dict[str, bytes] = {}
    referring: list[str] = []
    for path in sorted(files, key=_order):
        kind, raw = kind_of(path), files[path]
        if kind == "manifest" or kind in VIEWS:
            continue
        if kind in _KINDS:
            document = strict_json.parse(raw, path)
            newest = husai_schemas.lift(kind, document)
            again = _renamed(newest, moved) if kind in _NAME_OTHERS else newest
            if newest is not document:
                lifted[path] = (document["schema"], newest["schema"])
            elif again != document:
                referring.append(path)
            if again != document:
                found[path] = strict_json.encode(again)
                moved[strict_json.digest(raw)] = strict_json.digest(found[path])
                continue
        found[path] = raw
    _refuse_old_names(found, moved)
    return Migration(found, lifted, tuple(referring))


def _order(path: str) -> tuple[int, str]:
    kind = kind_of(path)
    return (_KINDS.index(kind) if kind in _KINDS else len(_KINDS), path)


def _renamed(value: Any, moved: Mapping[str, str]) -> Any:
    """The same value with the digest of every document that was rewritten in the place of its old one."""
    if isinstance(value, dict):
        return {key: _renamed(item, moved) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, moved) for item in value]
    return moved.get(value, value) if isinstance(value, str) else value


def _refuse_old_names(files: Mapping[str, bytes], moved: Mapping[str, str]) -> None:
    """A file that is not rewritten, such as a study, must not go on naming a document that is gone."""
    for path, raw in sorted(files.items()):
        for old in moved if kind_of(path) not in ("choice", "weights") else ():
            if old.removeprefix("sha256:").encode() in raw:
                rule = f"names {old[:19]}..., a document that would be rewritten, and is itself not to be"
                raise UsageError(path, rule, "keep the bundle as it is; it stays readable")
