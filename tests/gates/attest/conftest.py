"""Two keys, a good bundle on disk, and the same signed by the first key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from husai_gates.attest.attester import attest
from husai_gates.attest.keys import PrivateKey, make_key

NOON = datetime(2026, 2, 1, 12)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the keys `ours`, `second` and `stranger`, each with its public half."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "second", "stranger"):
        make_key(folder / name)
    return folder


@pytest.fixture
def folder(good: Any, tmp_path: Path) -> Path:
    """A good bundle that nobody signed."""
    return _write(good, tmp_path / "bundle")


@pytest.fixture(scope="session")
def write() -> Callable[[Mapping[str, bytes], Path], Path]:
    """Files to a folder."""
    return _write


@pytest.fixture(scope="session")
def signed_files(good: Any, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = _write(good, tmp_path_factory.mktemp("signed") / "bundle")
    attest(folder, PrivateKey.read(keys / "ours"), None, NOON)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def signed(signed_files: dict[str, bytes], tmp_path: Path) -> Path:
    """A good bundle with its decision, signed by `ours`."""
    return _write(signed_files, tmp_path / "bundle")


def _write(files: Mapping[str, bytes], target: Path) -> Path:
    for path, raw in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(raw)
    return target
