"""`husai claims`: whether the numbers in a text are what the evidence gives, and filling them in from it."""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH
from husai_core.errors import ExitCode, one_line


@click.group("claims")
def command() -> None:
    """Hold the numbers of README, docs and papers to evidence."""


@command.command("check")
@click.argument("ledger", type=PATH, default=Path("claims.toml"))
@click.option("--unclaimed", "coverage", is_flag=True, help="List the numbers that no claim holds, as well.")
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
def check(ledger: Path, coverage: bool, form: str) -> int:
    """Check every claim of LEDGER (claims.toml). Exit code 0 means that all are supported."""
    import dataclasses

    from husai_gates import claims

    parsed = claims.load(ledger)
    judgement = claims.check(parsed)
    if coverage:
        judgement = dataclasses.replace(judgement, unclaimed=tuple(claims.unclaimed(parsed)))
    click.echo(claims.REPORTERS[form](judgement), nl=False)
    return int(judgement.exit_code)


@command.command("render")
@click.argument("ledger", type=PATH, default=Path("claims.toml"))
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 2 where a document would change.")
def render(ledger: Path, only_check: bool) -> int:
    """Fill in the numbers between the markers of the documents of LEDGER (claims.toml) from evidence."""
    from husai_gates import claims

    parsed = claims.load(ledger)
    rendering = claims.render(parsed)
    if rendering.judgement.verdicts and rendering.judgement.exit_code:
        click.echo(claims.REPORTERS["text"](rendering.judgement), nl=False)
        return int(rendering.judgement.exit_code)
    for path in rendering.changed:
        click.echo(one_line(f"{path}: {'would change' if only_check else 'written'}"))
    if only_check:
        return int(ExitCode.NOT_RELEASED if rendering.changed else ExitCode.RELEASED)
    claims.write(parsed.folder, rendering.changed)
    return int(ExitCode.RELEASED)
