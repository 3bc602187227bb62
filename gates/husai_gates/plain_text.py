"""Plain text: words from a bundle or a policy made fit for one line, before anything else may touch them."""

from __future__ import annotations

from husai_core.errors import one_line

LONGEST = 600


def plain(text: object) -> str:
    """One printable line of bounded length: white space is one blank, control characters are spelt out."""
    line = one_line(" ".join(str(text).split()))
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def number(value: float) -> str:
    """A number as people read it: six significant digits."""
    return f"{value:.6g}"
