"""A TOML document read strictly: UTF-8, finite numbers, integers within 2^53, bounded size and depth."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from typing import Any

from husai_core.strict_json import MAX_DEPTH, MAX_INTEGER

MAX_BYTES = 2**17
MAX_DOTS = 4 * MAX_DEPTH


class TomlProblem(Exception):
    """Why a TOML document is refused; `code` is the stable finding code."""

    def __init__(self, code: str, path: str, rule: str) -> None:
        self.code, self.path, self.rule = code, path, rule
        super().__init__(f"{path}: {rule}")


def read_toml(raw: bytes) -> dict[str, Any]:
    """The tables of a TOML document."""
    if len(raw) > MAX_BYTES:
        raise TomlProblem("EV-TOO-LARGE", "$", f"{len(raw)} bytes, the limit is {MAX_BYTES}")
    # tomllib takes time quadratic in the number of parts of a dotted key.
    if any(line.count(b".") > MAX_DOTS for line in raw.splitlines()):
        raise TomlProblem("EV-DEPTH", "$", f"a line with more than {MAX_DOTS} dots")
    try:
        data = tomllib.loads(raw.decode("utf-8"))
    except RecursionError:
        raise TomlProblem("EV-DEPTH", "$", "nested too deep") from None
    except ValueError as error:  # not UTF-8, not TOML, or an integer of thousands of digits
        raise TomlProblem("EV-TOML", "$", f"not TOML: {error}") from None
    for path, value in _numbers(data, "$", 0):
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise TomlProblem("EV-BIG-INT", path, "an integer beyond 2^53 is not exact in JSON")
        if not math.isfinite(value):
            raise TomlProblem("EV-NONFINITE", path, f"{value} is not a finite number")
    return data


def _numbers(value: Any, path: str, depth: int) -> Iterator[tuple[str, int | float]]:
    if depth > MAX_DEPTH:
        raise TomlProblem("EV-DEPTH", path[:80], f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}", depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, int | float):
        yield path, value
