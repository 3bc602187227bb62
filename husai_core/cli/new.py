"""`husai new`: a plugin package to begin with, complete, installable and tested."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from husai_core.cli.arguments import PATH, WORD


@click.command("new")
@click.argument("kind", type=WORD)
@click.argument("name", type=WORD)
@click.option("--folder", type=PATH, default=Path(), help="Where the package's own folder is made [default: here].")
def command(kind: str, name: str, folder: Path) -> None:
    """Write husai-NAME, a plugin package of KIND (architecture, benchmark or metric) that works as it is.

    It has the plugin, its contract test, a study of seconds, a policy, and a workflow that runs them all.
    """
    from husai_core.errors import UsageError, did_you_mean
    from husai_core.plugins import PluginTable
    from husai_core.template import KINDS, package

    if kind not in KINDS:
        raise UsageError("husai new", f"there is no template of a '{kind}'", did_you_mean(kind, KINDS))
    made = package(kind, name, PluginTable())
    written = made.write(folder)
    click.echo(f"{written}: the {kind} '{name}'")
    for path in sorted(made.files):
        click.echo(f"  {path}")
    quoted = shlex.quote(str(written))
    click.echo("next:")
    click.echo(f"  cd {quoted} && pip install -e '.[test]'")
    click.echo("  python -m pytest")
    click.echo("  husai run studies/smoke.toml --out runs/smoke && husai gate runs/smoke --policy studies/policy.toml")
