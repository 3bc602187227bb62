"""Policies by name: those that husai ships, and any file by its path."""

from __future__ import annotations

from pathlib import Path

from husai_core.errors import UsageError, did_you_mean

_HERE = Path(__file__).parent
# In an installed wheel the policies are package data; in a checkout they stand beside the package.
_FOLDERS = (_HERE / "policies_data", _HERE.parent / "policies")


def shipped() -> dict[str, Path]:
    """The shipped policies by name."""
    for folder in _FOLDERS:
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.toml"))}
    return {}


def find(name_or_path: str | Path) -> tuple[bytes, str]:
    """The bytes of a policy and the place they are from. What looks like a path is one."""
    text = str(name_or_path)
    known = shipped()
    looks_like_path = isinstance(name_or_path, Path) or "/" in text or "\\" in text or text.endswith(".toml")
    if not looks_like_path and text not in known:
        step = f"{did_you_mean(text, known)}; or give the path of a .toml file"
        raise UsageError(text, "there is no shipped policy of this name", step)
    path = Path(name_or_path) if looks_like_path else known[text]
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        step = "give the path of a policy file, or a name; " + did_you_mean(path.stem, known)
        raise UsageError(text, f"cannot be read: {error.strerror}", step) from None
