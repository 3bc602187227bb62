"""`husai audit`: is a bundle whole, consistent and untampered?"""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH


@click.command("audit")
@click.argument("bundle", type=PATH)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(bundle: Path, form: str) -> int:
    """Check BUNDLE: manifest, digests, schemas, finite numbers, identity of subjects, recomputed values and views."""
    from husai_gates.pipeline import audit_folder
    from husai_gates.reporters.findings import AUDIT_REPORTERS

    report = audit_folder(bundle)
    click.echo(AUDIT_REPORTERS[form](report), nl=False)
    return int(report.exit_code)
