"""`husai doctor`: what can run on this machine, what is missing, and the command that brings it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from husai_core.cli.arguments import PATH, WORD
from husai_core.errors import ExitCode, one_line

if TYPE_CHECKING:
    from husai_core.need import Need
    from husai_core.readiness import Readiness


@click.command("doctor")
@click.argument("benchmarks", nargs=-1, type=WORD)
@click.option("--study", type=PATH, help="Check what this study needs, with its settings.")
@click.option("--cache", type=PATH, default=Path(".husai/cache"), envvar="HUSAI_CACHE", help="As of 'husai run'.")
@click.option("--offline", "no_hub", is_flag=True, help="Do not ask the hub; HF_HUB_OFFLINE=1 does the same.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(benchmarks: tuple[str, ...], study: Path | None, cache: Path, no_hub: bool, as_json: bool) -> int:
    """Say whether BENCHMARKS, or all that STUDY asks for, can run here, and what would bring what is missing.

    Without either, an overview of every benchmark, model and source of texts, which exits with 0. Else exit code 0 if
    all that was asked for is ready, 2 if not.
    """
    from husai_core.plugins import PluginTable
    from husai_core.readiness import Doctor, offline
    from husai_core.study import load_study

    parsed = load_study(study) if study else None
    doctor = Doctor(PluginTable(), study.parent if study else Path())
    with offline() if no_hub else nullcontext():
        if parsed:
            found = doctor.study(parsed, benchmarks, cache)
        else:
            found = doctor.benchmarks(benchmarks) if benchmarks else doctor.everything()
    if as_json:
        from husai_core import strict_json

        click.echo(strict_json.encode([one.to_json() for one in found]).decode(), nl=False)
    else:
        click.echo("\n".join(_lines(found, whole=bool(parsed or benchmarks))))
    asked = parsed is not None or bool(benchmarks)
    return ExitCode.NOT_RELEASED if asked and not all(one.ready for one in found) else ExitCode.RELEASED


def _what(need: Need) -> str:
    """What is needed. A plugin says "none" of the version of what is not installed."""
    absent = need.kind == "version" and need.what.endswith(" none")
    return f"{need.what.removesuffix(' none')}, not installed" if absent else need.what


def _lines(found: Sequence[Readiness], *, whole: bool) -> Iterator[str]:
    """A line for each, and below it what is missing; asked for by name, what is there as well."""
    for one in found:
        yield f"{'ready' if one.ready else 'not ready':<11}{one.kind:<13}{one_line(one.name)}"
        said: set[str] = set()
        for need in one.needs:
            if not need.present or whole:
                state = "has" if need.present else "lacks"
                about = f": {need.detail}" if need.detail else ""
                yield one_line(f"  {state:<9}{need.kind:<13}{_what(need)}{about}")
                if not need.present and need.fix and need.fix not in said:
                    said.add(need.fix)
                    yield one_line(f"  {'':<9}{'':<13}{need.fix}")
    ready = sum(one.ready for one in found)
    yield f"{ready} of {len(found)} ready" + (
        "" if ready == len(found) else "; below each of the others is the way out"
    )
