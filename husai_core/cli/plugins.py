"""`husai plugins`: everything installed, where it comes from, and whether it can be used."""

from __future__ import annotations

import click


@click.command("plugins")
@click.option("--kind", help="Only one kind, such as 'architectures'.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(kind: str | None, form: str) -> None:
    """List every plugin with its origin, version and status; broken ones with the reason and the way out."""
    from husai_core.errors import UsageError, did_you_mean
    from husai_core.plugins import KINDS, PluginTable

    if kind and kind not in KINDS:
        raise UsageError("husai plugins --kind", f"no kind '{kind}'", did_you_mean(kind, KINDS))
    found = [p for p in PluginTable().all() if kind in (None, p.kind)]
    if form == "json":
        from husai_core import strict_json

        fields = ("kind", "name", "module", "distribution", "version", "status", "problem", "next_step", "source")
        click.echo(strict_json.encode([{f: getattr(p, f) for f in fields} for p in found]).decode(), nl=False)
        return
    _table(found)


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
