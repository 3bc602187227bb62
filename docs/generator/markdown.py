"""Markdown: tables whose cells hold any text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; line breaks, bars and angle brackets in a cell stay text."""
    lines = [_row(head), _row("---" for _ in head)]
    return "\n".join([*lines, *(_row(map(_cell, row)) for row in rows)])


def code(text: object) -> str:
    """Text as code; nothing where there is none."""
    return f"`{text}`" if str(text) else ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    text = re.sub(r"\s+", " ", str(value)).strip().replace("|", "\\|")
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)
