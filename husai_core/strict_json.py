"""The one JSON reader and the one JSON writer: what is ambiguous elsewhere is refused here."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any

from husai_core.errors import InvalidEvidence

__all__ = ["digest", "encode", "parse"]

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 32
MAX_INTEGER = 2**53

# Possessive, and with an optional end: an unfinished string must not be tried again from each of its quotes.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class _DuplicateKey:
    def __init__(self, key: str) -> None:
        self.key = key


class _BigInteger:
    pass


def parse(raw: bytes, place: str) -> Any:
    """The value of strict JSON: UTF-8 without BOM, no duplicate keys, finite numbers, integers within 2^53."""
    if len(raw) > MAX_BYTES:
        raise InvalidEvidence("EV-TOO-LARGE", place, f"{len(raw)} bytes, the limit is {MAX_BYTES}")
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_object)
        if _is_plain(value, 1, b"\\u" in raw):
            return value
    except (ValueError, RecursionError):
        pass
    return _parse_slowly(raw, place)


def _is_plain(value: Any, depth: int, escapes: bool) -> bool:
    """Whether a value can be taken as it is. Where not, all is read again for the exact place and rule."""
    if isinstance(value, dict):
        if escapes and not all(map(_is_text, value)):
            return False
        items: Any = value.values()
    elif isinstance(value, list):
        items = value
    else:
        items, depth = (value,), depth - 1
    if depth > MAX_DEPTH:
        return False
    for item in items:
        kind = type(item)
        if kind is float:
            if item - item != 0.0:
                return False
        elif kind is int:
            if not -MAX_INTEGER <= item <= MAX_INTEGER:
                return False
        elif kind is str:
            if escapes and not _is_text(item):
                return False
        elif kind is dict or kind is list:
            if not _is_plain(item, depth + 1, escapes):
                return False
        elif item is not None and kind is not bool:
            return False
    return True


def _is_text(text: str) -> bool:
    """Only an escape can write a lone surrogate: as bytes it is no UTF-8."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def _parse_slowly(raw: bytes, place: str) -> Any:
    """The same, one scalar after the other, so that what is refused has its place; never reached by a sound file."""
    _refuse_deep_nesting(raw, place)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidEvidence("EV-JSON", place, f"not UTF-8 at byte {error.start}") from None
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode())
        raise InvalidEvidence("EV-JSON", place, f"not JSON at byte {at}: {error.msg}") from None
    for scalar, where in _scalars(value, None):
        _refuse_scalar(scalar, place, where)
    return value


def _refuse_deep_nesting(raw: bytes, place: str) -> None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(raw):
        first = raw[token.start()]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
        if depth > MAX_DEPTH:
            rule = f"nested more than {MAX_DEPTH} deep at byte {token.start()}"
            raise InvalidEvidence("EV-DEPTH", place, rule)


def _object(pairs: list[tuple[str, Any]]) -> Any:
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return _DuplicateKey(key)
        seen.add(key)
    raise AssertionError("unreachable: fewer keys than pairs, but none repeated")


def _integer(digits: str) -> int | _BigInteger:
    if len(digits) > 17 or abs(int(digits)) > MAX_INTEGER:
        return _BigInteger()
    return int(digits)


# Where a value stands: the place of its parent and its own key or index. A path is spelt out only for an error.
_At = tuple[Any, str | int] | None


def _scalars(value: Any, at: _At) -> Iterator[tuple[Any, _At]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, (at, key)
            yield from _scalars(item, (at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _scalars(item, (at, index))
    else:
        yield value, at


def _path(at: _At) -> str:
    parts: list[str] = []
    while at is not None:
        at, part = at
        parts.append(f"[{part}]" if isinstance(part, int) else f".{part[:80]}")
    return "$" + "".join(reversed(parts))


def _refuse_scalar(value: Any, place: str, at: _At) -> None:
    if isinstance(value, str):
        if not _is_text(value):
            raise InvalidEvidence("EV-JSON", f"{place} {_path(at)}", "a lone surrogate is not text")
    elif isinstance(value, _DuplicateKey):
        raise InvalidEvidence("EV-DUP-KEY", f"{place} {_path(at)}", f"the key '{value.key}' stands twice")
    elif isinstance(value, _BigInteger):
        rule = "an integer beyond 2^53 is not exact in JSON"
        raise InvalidEvidence("EV-BIG-INT", f"{place} {_path(at)}", rule, "write it as a string")
    elif isinstance(value, float) and not math.isfinite(value):
        rule = f"{value} is not a finite number"
        raise InvalidEvidence("EV-NONFINITE", f"{place} {_path(at)}", rule, "record why there is no value instead")


def encode(value: Any) -> bytes:
    """Canonical bytes: sorted keys, UTF-8, one newline at the end; the same value always gives the same bytes."""
    _refuse_unwritable(value, "$")
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def _refuse_unwritable(value: Any, path: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{path}: the key {key!r} is not a string")
            _refuse_unwritable(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_unwritable(item, f"{path}[{index}]")
    elif type(value) not in (str, int, float, bool, type(None)):
        raise TypeError(f"{path}: {type(value).__name__} has no JSON form")
    elif type(value) is float and not math.isfinite(value):
        raise ValueError(f"{path}: {value} is not finite")
    elif type(value) is int and abs(value) > MAX_INTEGER:
        raise ValueError(f"{path}: an integer beyond 2^53 must be written as a string")


def digest(raw: bytes) -> str:
    """The name of these bytes: `sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()
