"""Kinds of command-line arguments: what an empty one, or an option given twice, would silently mean is refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from husai_gates.attest.keys import Trust


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


class Whole(click.IntRange):
    """A whole number, at least `min`; a word in its place is not called a range."""

    name = "integer"


class _Once:
    """The parsing of a command: an option of one value, given twice, is refused, where click would keep the last."""

    def __init__(self, command: click.Command) -> None:
        self._command = command

    def __call__(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            _, _, order = self._command.make_parser(ctx).parse_args(args=list(args))
            for param, times in Counter(order).items():
                single = isinstance(param, click.Option) and not (param.multiple or param.count or param.is_flag)
                if single and times > 1:
                    says = f"Option '{param.opts[0]}' is given {times} times, and takes one value."
                    raise click.UsageError(says, ctx)
        return type(self._command).parse_args(self._command, ctx, args)


def refuse_repeats(command: click.Command) -> click.Command:
    """The same command, and those below it, in which only an option made for it may be repeated."""
    command.parse_args = _Once(command)  # type: ignore[method-assign]
    for below in getattr(command, "commands", {}).values():
        refuse_repeats(below)
    return command


WORD = _NotEmpty()
SIZE = _Size()
PATH = _NotEmptyPath()


def read_trust(paths: Sequence[Path], threshold: int | None) -> Trust | None:
    """The keys of `--trust`. Without any, the library that reads them is not loaded."""
    if not paths and threshold is None:
        return None
    from husai_gates.attest.keys import Trust

    return Trust.read(paths, threshold)
