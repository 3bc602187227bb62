"""`husai audit`: is a bundle whole, consistent and untampered?"""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH, read_trust


@click.command("audit")
@click.argument("bundle", type=PATH)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--trust", type=PATH, multiple=True, help="A public key that must have signed the bundle.")
@click.option("--threshold", type=click.IntRange(1), help="How many of the trusted keys must have signed [default: 1].")
def command(bundle: Path, form: str, trust: tuple[Path, ...], threshold: int | None) -> int:
    """Check BUNDLE: manifest, digests, schemas, finite numbers, identity of subjects, recomputed values and views."""
    from husai_gates.pipeline import audit_folder
    from husai_gates.reporters.findings import AUDIT_REPORTERS

    report = audit_folder(bundle, read_trust(trust, threshold))
    click.echo(AUDIT_REPORTERS[form](report), nl=False)
    return int(report.exit_code)
