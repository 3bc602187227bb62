"""Kinds of command-line arguments: what an empty one would silently mean is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click


class _NotEmpty(click.ParamType):  # type: ignore[type-arg]
    """A word; an unset shell variable gives an empty one, which as a path would mean the current folder."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("is empty; is a shell variable unset?", param, ctx)
        return value


class _NotEmptyPath(_NotEmpty):
    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return Path(super().convert(value, param, ctx))


class _Size(click.ParamType):  # type: ignore[type-arg]
    """A number of bytes, such as 500MB or 20GiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)(i?)B?", str(value))
        if match is None:
            self.fail(f"{value!r} is no size; write for example 500MB or 20GiB", param, ctx)
        number, letter, binary = match.groups()
        return int(float(number) * (1024 if binary else 1000) ** " KMGT".index(letter or " "))


WORD = _NotEmpty()
SIZE = _Size()
PATH = _NotEmptyPath()
