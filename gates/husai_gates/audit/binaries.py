"""Files that are not text: pictures are pictures, and nothing is a pickle."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from husai_gates.audit.layout import kind_of
from husai_gates.finding import Finding

_PNG = b"\x89PNG\r\n\x1a\n"
_NOT_DATA = (b"PK\x03\x04", b"\x93NUMPY", b"\x1f\x8b")
_ACTIVE_SVG = re.compile(rb"<\s*(script|foreignobject|iframe)|javascript:|\son\w+\s*=", re.IGNORECASE)


def check_binaries(files: Mapping[str, bytes]) -> Iterator[Finding]:
    """Files whose content is not what their name says."""
    for path, raw in sorted(files.items()):
        if _is_pickle(raw) or raw.startswith(_NOT_DATA):
            rule = "is a pickle or an archive of pickles, which run code when read"
            yield Finding("EV-PICKLE", path, "$", rule, "use safetensors")
        elif kind_of(path) == "picture" and (problem := _picture_problem(raw, path)):
            yield Finding("EV-PICTURE", path, "$", problem, "draw the plot again")


def _is_pickle(raw: bytes) -> bool:
    # A safetensors file may begin with the same two bytes: they are the length of its
    # header, whose brace is the ninth byte.
    return raw[:1] == b"\x80" and raw[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and raw[8:9] != b"{"


def _picture_problem(raw: bytes, path: str) -> str | None:
    if path.endswith(".png"):
        return None if raw.startswith(_PNG) else "is not a PNG picture"
    if not raw.lstrip().startswith(b"<"):
        return "is not an SVG picture"
    return "is an SVG picture with a script in it" if _ACTIVE_SVG.search(raw) else None
