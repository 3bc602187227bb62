"""Writing what a command was asked to write, and never over something else."""

from __future__ import annotations

from pathlib import Path

from husai_core.errors import UsageError


def write_new(path: Path, content: str | bytes) -> None:
    """Write a file that does not exist yet."""
    try:
        with path.open("xb") as handle:
            handle.write(content.encode() if isinstance(content, str) else content)
    except FileExistsError:
        raise UsageError(str(path), "already exists", "choose another --out, or remove it yourself") from None
    except OSError as error:
        raise UsageError(str(path), f"cannot be written: {error.strerror}") from None
