"""Where attestations stand: beside what the manifest lists, each file under the digest of its own bytes.

A manifest cannot list what is signed over it. The name takes its place: without any key, a changed byte or a line cut
off no longer fits the name. Whatever else stands in that folder stays in the bundle, where the audit finds it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from husai_core.bundle import Snapshot

FOLDER = "attestations"
_PATH = re.compile(rf"{FOLDER}/[0-9a-f]{{64}}\.intoto\.jsonl")


def path_for(raw: bytes) -> str:
    """Where a file of these attestations stands in its bundle."""
    return f"{FOLDER}/{hashlib.sha256(raw).hexdigest()}.intoto.jsonl"


def is_attestation(path: str) -> bool:
    """Whether attestations may stand at this path."""
    return _PATH.fullmatch(path) is not None


def separate(snapshot: Snapshot) -> tuple[Snapshot, Mapping[str, bytes]]:
    """The bundle as its manifest knows it, and the attestations beside it, by path."""
    attested = {path: raw for path, raw in sorted(snapshot.files.items()) if is_attestation(path)}
    if not attested:
        return snapshot, attested
    rest = {path: raw for path, raw in snapshot.files.items() if path not in attested}
    return Snapshot(snapshot.place, rest), attested
