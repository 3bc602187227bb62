"""How a bundle was made: code, packages, machine, times. Kept apart from the evidence, whose bytes must repeat."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from husai_core import strict_json

PROVENANCE_SCHEMA = "husai:provenance/v1"

_PACKAGES = (
    "husai",
    "numpy",
    "scipy",
    "torch",
    "transformer-lens",
    "transformers",
    "safetensors",
    "pluggy",
    "jsonschema",
)

_UNKNOWN_CODE = {"commit": None, "dirty": None, "diff": None}


def now() -> datetime:
    """The present second, in UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def provenance(
    started: datetime, folder: Path | None, threads: int, products: str | None, done: int, from_cache: int
) -> dict[str, Any]:
    """The provenance document of a run that started then and ends now, of a study in `folder`.

    What was imported has no folder: nobody here knows the code that measured it, nor who multiplied its matrices.
    """
    finished = now()
    return {
        "schema": PROVENANCE_SCHEMA,
        "started": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "finished": finished.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": (finished - started).total_seconds(),
        "work": {"done": done, "from_cache": from_cache},
        "code": code_state(folder) if folder else _UNKNOWN_CODE,
        "python": platform.python_version(),
        "packages": installed_versions(),
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count() or 0,
            "threads": threads,
            **({"products": products} if products else {}),
        },
    }


def installed_versions() -> dict[str, str]:
    """Versions of the packages whose numerics or formats reach the evidence."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def remade(raw: bytes, content_digest: str) -> bytes:
    """The same provenance with one line more: this husai made the views, or the documents, of that bundle again."""
    import husai_core

    document: dict[str, Any] = strict_json.parse(raw, "provenance.json")
    step = {"from": content_digest, "husai": husai_core.__version__}
    return strict_json.encode({**document, "migrations": [*document.get("migrations", ()), step]})


def last_maker(document: Mapping[str, Any]) -> Any:
    """The version of husai that made the views: the run's, or whichever made them again last."""
    steps = document.get("migrations", [])
    return steps[-1]["husai"] if steps else document["packages"].get("husai")


def code_state(folder: Path) -> dict[str, Any]:
    """The git commit that the study's folder is at, and the digest of what differs from it."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return dict(_UNKNOWN_CODE)
    changed = _git(folder, "status", "--porcelain") or b""
    diff = _git(folder, "diff", "HEAD", "--binary") or b""
    return {
        "commit": commit.decode().strip(),
        "dirty": bool(changed),
        "diff": strict_json.digest(changed + diff) if changed else None,
    }


def _git(folder: Path, *arguments: str) -> bytes | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
