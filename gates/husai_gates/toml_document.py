"""A TOML document read strictly: UTF-8, finite numbers, bounded size."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from typing import Any

MAX_BYTES = 2**20


class TomlProblem(Exception):
    """Why a TOML document is refused; `code` is the stable finding code."""

    def __init__(self, code: str, path: str, rule: str) -> None:
        self.code, self.path, self.rule = code, path, rule
        super().__init__(f"{path}: {rule}")


def read_toml(raw: bytes) -> dict[str, Any]:
    """The tables of a TOML document."""
    if len(raw) > MAX_BYTES:
        raise TomlProblem("EV-TOO-LARGE", "$", f"{len(raw)} bytes, the limit is {MAX_BYTES}")
    try:
        data = tomllib.loads(raw.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TomlProblem("EV-TOML", "$", f"not TOML: {error}") from None
    except RecursionError:
        raise TomlProblem("EV-DEPTH", "$", "nested too deep") from None
    for path, value in _numbers(data, "$"):
        if not math.isfinite(value):
            raise TomlProblem("EV-NONFINITE", path, f"{value} is not a finite number")
    return data


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{path}[{index}]")
    elif isinstance(value, float):
        yield path, value
