"""Progress: a live bar on a terminal, one line per finished piece of work in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from husai_core.engine.workplace import Listener

QUIET_SECONDS = 15.0


class PlainListener:
    """A line when a piece of work ends, and a sign of life every few seconds while it goes on."""

    def __init__(self, aside: bool = False) -> None:
        self._aside = aside  # on standard error, where standard output is for something else
        self._label, self._place = "", ""
        self._last = time.monotonic()

    def start(self, label: str, number: int, total: int) -> None:
        self._label, self._place = label, f"[{number}/{total}]"
        self._last = time.monotonic()

    def progress(self, fraction: float, note: str) -> None:
        if time.monotonic() - self._last >= QUIET_SECONDS:
            self._last = time.monotonic()
            click.echo(f"{self._place} {self._label}: {fraction:.0%} {note}", err=self._aside)

    def finish(self, label: str, *, cached: bool, seconds: float) -> None:
        took = "from the cache" if cached else f"{seconds:.1f} s"
        click.echo(f"{self._place} {label}: {took}", err=self._aside)

    def warn(self, text: str) -> None:
        click.echo(f"warning: {text}", err=True)


class BarListener:
    """A rich progress bar for the work at hand, above it what is finished."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._bar: Any = None

    def start(self, label: str, number: int, total: int) -> None:
        self._prefix = f"[{number}/{total}]"
        self._bar = self._bars.add_task(f"{self._prefix} {label}", total=1.0, note="")

    def progress(self, fraction: float, note: str) -> None:
        self._bars.update(self._bar, completed=fraction, note=note)

    def finish(self, label: str, *, cached: bool, seconds: float) -> None:
        self._bars.remove_task(self._bar)
        took = "from the cache" if cached else f"{seconds:.1f} s"
        self._bars.console.print(f"{self._prefix} {label}: {took}", markup=False, highlight=False)

    def warn(self, text: str) -> None:
        self._bars.console.print(f"warning: {text}", markup=False, highlight=False)


@contextmanager
def choose_listener(aside: bool = False) -> Iterator[Listener]:
    """The listener that suits where it writes: standard output or, `aside`, standard error."""
    stream = sys.stderr if aside else sys.stdout
    if not stream.isatty():
        yield PlainListener(aside)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    description = TextColumn("{task.description}", markup=False)
    note = TextColumn("{task.fields[note]}", markup=False)
    with Progress(description, BarColumn(), TimeElapsedColumn(), note, console=Console(stderr=aside)) as bars:
        yield BarListener(bars)
