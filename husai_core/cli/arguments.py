"""Kinds of command-line arguments: what an empty one would silently mean is refused."""

from __future__ import annotations

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


WORD = _NotEmpty()
PATH = _NotEmptyPath()
