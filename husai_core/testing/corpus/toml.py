"""TOML as a forger writes it: any document of plain values, in one line per key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, time
from typing import Any


def write_toml(document: Mapping[str, Any]) -> bytes:
    """The document with every table inline."""
    return "".join(f"{_word(key)} = {_value(value)}\n" for key, value in document.items()).encode()


def _word(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_word(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | time):
        return value.isoformat()
    return _word(value) if isinstance(value, str) else repr(value)
