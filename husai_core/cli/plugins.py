"""`husai plugins`: everything installed, where it comes from, and whether it can be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from husai_core.cli.arguments import PATH

if TYPE_CHECKING:
    from husai_core.sae import Dims


@click.group("plugins", invoke_without_command=True)
@click.option("--kind", help="Only one kind, such as 'architecture', and the modules that could not be used.")
@click.option("--broken", is_flag=True, help="Only what cannot be used, with the reason and the way out.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def command(context: click.Context, kind: str | None, broken: bool, form: str) -> None:
    """List every plugin with its origin, version and status; last come the broken ones, with reason and way out."""
    if context.invoked_subcommand is not None:
        return
    from husai_core.errors import UsageError, did_you_mean
    from husai_core.plugins import KINDS, PluginTable, kind_called

    chosen = kind_called(kind) if kind else None
    if kind and chosen is None:
        known = (one.removesuffix("s") for one in KINDS)
        raise UsageError("husai plugins --kind", f"no kind '{kind}'", did_you_mean(kind, known))
    # A module that could not be used hides of which kinds its plugins are, so it is listed under each.
    found = [p for p in PluginTable().all() if chosen is None or p.kind in (chosen, "module")]
    found.sort(key=lambda p: _LAST.index(p.status))
    listed = [p for p in found if not broken or p.status != "ready"]
    if form == "json":
        from husai_core import strict_json

        fields = ("kind", "name", "module", "distribution", "version", "status", "problem", "next_step", "source")
        click.echo(strict_json.encode([{f: getattr(p, f) for f in fields} for p in listed]).decode(), nl=False)
        return
    if listed:
        _table(listed)
    click.echo(_count(found))


@command.command("check")
@click.argument("name")
@click.option("--kind", help="Its kind, such as 'benchmark', where the name alone does not say.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting other than its default; TOML.")
@click.option("--dims", metavar="D_IN,D_SAE,D_OUT", help="The widths to run an architecture at.")
@click.option(
    "--sample", "samples", type=PATH, multiple=True, metavar="FILE", help="A file that an importer must read."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
def check(
    name: str, kind: str | None, settings: tuple[str, ...], dims: str | None, samples: tuple[Path, ...], form: str
) -> int:
    """Hold the plugin NAME to the contract of its kind, a line per check.

    An importer is held to it on the files that it brings along, or on yours in their place (--sample, several times).
    Exit code 0 if every rule holds, 2 if one does not, or if there is such a plugin and it cannot be used or run;
    64 if there is none.
    """
    from husai_core.errors import ExitCode
    from husai_core.plugins import PluginTable
    from husai_core.testing.proving import Given, contracts_for, kind_of, proven, unusable

    place = "husai plugins check"
    table, widths, plugins = _settings(settings), _dims(dims) if dims else None, PluginTable()
    chosen = kind_of(name, kind, plugins, place)
    if found := unusable(chosen, name, plugins):
        subject, outcomes, holds = f"plugin '{name}'", [found], False
    else:
        given = Given(table or None, widths, _samples(samples) if samples else None)
        contracts = contracts_for(chosen, name, plugins, place, given)
        outcomes = [outcome for contract in contracts for outcome in contract.outcomes()]
        subject, holds = contracts[0].subject, proven(chosen, outcomes)
    if form == "json":
        from husai_core import strict_json

        rows = [{"check": o.check.name, "rule": o.check.rule, "status": o.status, "text": o.text} for o in outcomes]
        click.echo(strict_json.encode(rows).decode(), nl=False)
    else:
        for outcome in outcomes:
            click.echo(f"{outcome.status:<9}{outcome.check.name:<25} {outcome.text or outcome.check.rule}")
        passed = sum(outcome.status == "pass" for outcome in outcomes)
        against = sum(outcome.against for outcome in outcomes)
        rest = len(outcomes) - passed - against
        unproven = "" if holds or (against and not found) else "; it was not run, so nothing is proven"
        click.echo(f"{subject}: {passed} hold, {against} do not, {rest} not run{unproven}")
    return ExitCode.RELEASED if holds else ExitCode.NOT_RELEASED


_LAST = ("ready", "unavailable", "refused", "failed")


def _count(found: list) -> str:  # type: ignore[type-arg]
    """How many there are of each status; the last line, which a long table leaves on the screen."""
    counts = {status: sum(p.status == status for p in found) for status in _LAST}
    said = ", ".join(f"{counts[status]} {status}" for status in _LAST if counts[status] or status == "ready")
    return said + ("" if counts["ready"] == len(found) else "; 'husai plugins --broken' lists those that are not ready")


def _settings(pairs: tuple[str, ...]) -> dict[str, object]:
    from husai_core.errors import UsageError
    from husai_core.strict_toml import TomlProblem, read_toml

    table: dict[str, object] = {}
    for pair in pairs:
        place = f"husai plugins check --set '{pair}'"
        try:
            read = read_toml(pair.encode())
        except TomlProblem as error:
            raise UsageError(place, error.rule, "write a TOML pair, such as k=4 or kind='soft'") from None
        if repeated := sorted(table.keys() & read.keys()):
            raise UsageError(place, f"'{repeated[0]}' is set twice", "set it once")
        table |= read
    return table


def _samples(paths: tuple[Path, ...]) -> dict[str, bytes]:
    from husai_core.cli.importing import read_files

    return {file.name: file.raw for file in read_files(paths)}


def _dims(text: str) -> Dims:
    from husai_core.errors import UsageError
    from husai_core.sae import Dims

    widths = text.split(",")
    if len(widths) != 3 or not all(width.strip().isdecimal() and int(width) > 0 for width in widths):
        rule = f"'{text}' is not three positive widths"
        raise UsageError("husai plugins check --dims", rule, "write d_in,d_sae,d_out, such as 16,48,12")
    return Dims(*(int(width) for width in widths))


def _table(found: list) -> None:  # type: ignore[type-arg]
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for header in ("kind", "name", "version", "from", "status", "what it is"):
        table.add_column(header, overflow="fold")
    for p in found:
        about = f"{p.problem} ({p.next_step})" if p.problem else p.item.summary
        cells = (p.kind.removesuffix("s"), p.name, p.version, p.distribution, p.status, about)
        table.add_row(*(Text(cell) for cell in cells))
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)
