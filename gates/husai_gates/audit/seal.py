"""The seal of a bundle: its manifest lists every file by digest and size, and nothing else is there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from husai_core import bundle, strict_json
from husai_core.bundle import MANIFEST
from husai_core.errors import InvalidEvidence
from husai_gates.finding import Finding

_AGAIN = "get the bundle again from where it was made"
_MOST_NAMED = 2  # bundles below a folder that is none


def refuse_unsealed(folder: Path) -> None:
    """Stop at a folder that has files and no manifest, before any of them is read; a bundle may lie one level below."""
    if not folder.is_dir() or os.path.lexists(folder / MANIFEST):
        return
    try:
        entries = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return  # reading it says why it cannot be read
    if entries:
        found = [str(folder / name) for name in entries if (folder / name / MANIFEST).is_file()]
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        below = f"a bundle lies in {', '.join(found[:_MOST_NAMED])}{more}" if found else ""
        step = below or f"give the folder that holds {MANIFEST}; if this was a bundle, {_AGAIN}"
        raise InvalidEvidence("EV-FILE-MISSING", MANIFEST, _NO_MANIFEST, step)


_NO_MANIFEST = "a bundle has a manifest that lists its files"


def check_seal(files: Mapping[str, bytes], manifest: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Every way in which files and manifest disagree. A manifest that does not parse was reported by then."""
    if MANIFEST not in files:
        yield Finding("EV-FILE-MISSING", MANIFEST, "$", _NO_MANIFEST, _AGAIN)
    if manifest is None:
        return
    listed = manifest["files"]
    for path in sorted(listed):
        if problem := bundle.path_problem(path):
            yield Finding(problem[0], MANIFEST, f"$.files.{path}", problem[1])
        if path == MANIFEST:
            yield Finding("EV-PATH", MANIFEST, f"$.files.{path}", "a manifest does not list itself", _AGAIN)
        if path not in files:
            yield Finding("EV-FILE-MISSING", path, "$", "the manifest lists this file and it is not there", _AGAIN)
    for path in sorted(set(files) - {MANIFEST}):
        if path not in listed:
            yield Finding("EV-UNLISTED", path, "$", "the manifest does not list this file", "remove it")
        elif problem_text := _differs(files[path], listed[path]):
            yield Finding("EV-DIGEST", path, "$", problem_text, _AGAIN)
    yield from _check_manifest_itself(files[MANIFEST], manifest)


def _differs(raw: bytes, entry: Mapping[str, Any]) -> str | None:
    if len(raw) != entry["size"]:
        return f"has {len(raw)} bytes, the manifest says {entry['size']}"
    digest = strict_json.digest(raw)
    return None if digest == entry["sha256"] else f"is {digest}, the manifest says {entry['sha256']}"


def _check_manifest_itself(raw: bytes, manifest: Mapping[str, Any]) -> Iterator[Finding]:
    expected = bundle.content_digest({path: entry["sha256"] for path, entry in manifest["files"].items()})
    if manifest["content_digest"] != expected:
        rule = f"the listed files give {expected}, the manifest says {manifest['content_digest']}"
        yield Finding("EV-DIGEST", MANIFEST, "$.content_digest", rule, _AGAIN)
    if strict_json.encode(manifest) != raw:
        yield Finding("EV-DIGEST", MANIFEST, "$", "the manifest is not in the one form it is written in", _AGAIN)
