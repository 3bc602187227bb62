"""Parts of one piece of work, each kept as soon as it is done, so that a kill costs one of them and not all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from husai_core import strict_json
from husai_core.errors import HusaiError


class KeptParts:
    """Results by name, a line each in a file that is removed when the whole is done."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found = dict(_lines(path))

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        """The result of that name: as it was kept, else made now. Either way it has been through JSON."""
        if name not in self._found:
            line = json.dumps([name, work()], allow_nan=False).encode() + b"\n"
            with self.path.open("ab") as handle:
                handle.write(line)
                handle.flush()
                os.fsync(handle.fileno())
            self._found[name] = strict_json.parse(line, name)[1]
        return self._found[name]

    def remove(self) -> None:
        """Forget them; the whole is kept elsewhere."""
        self.path.unlink(missing_ok=True)


def _lines(path: Path) -> list[tuple[str, Any]]:
    """What was kept; a line cut short by a kill is as good as absent, and is cut off."""
    found, sound = [], 0
    raw = path.read_bytes() if path.exists() else b""
    for line in raw.splitlines(keepends=True):
        try:
            name, result = strict_json.parse(line, str(path))
        except (HusaiError, ValueError, TypeError):
            break
        if not line.endswith(b"\n"):
            break
        found.append((name, result))
        sound += len(line)
    if sound < len(raw):
        os.truncate(path, sound)
    return found
