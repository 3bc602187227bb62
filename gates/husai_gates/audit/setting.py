"""The setting of a measurement as a key: two settings that no rule could tell apart have one key."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from math import inf

from husai_core import strict_json
from husai_core.evidence import Scalar

_EXACT = 2.0**53


def setting_key(setting: Mapping[str, Scalar]) -> str:
    """One text for `{"k": 5}` and `{"k": 5.0}`; `true` is not 1 here."""
    return _encoded(tuple((name, type(value), value) for name, value in setting.items()))


@functools.lru_cache(maxsize=4096)
def _encoded(items: tuple[tuple[str, type, Scalar], ...]) -> str:
    # The type is in the key of the cache because True and 1 are equal there.
    return strict_json.encode({name: _plain(value) for name, _, value in items}).decode()


def same_value(one: object, other: object) -> bool:
    """Whether two settings values are equal; `true` is not 1 here."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _plain(value: Scalar) -> Scalar:
    whole = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT
    return int(value) if whole and isinstance(value, float) else value


def setting_words(setting: Mapping[str, Scalar]) -> str:
    """A setting as a reader sees it."""
    return ", ".join(f"{name} = {value}" for name, value in sorted(setting.items()))


def setting_order(setting: Mapping[str, Scalar]) -> tuple[tuple[str, float, str], ...]:
    """A key to sort settings by: numbers in their order, words after them."""
    return tuple(
        (name, float(value), "")
        if isinstance(value, int | float) and not isinstance(value, bool)
        else (name, inf, str(value))
        for name, value in sorted(setting.items())
    )
