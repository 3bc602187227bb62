"""`husai audit`: is a bundle whole, consistent and untampered?"""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH, read_trust
from husai_core.cli.output import ReportFile, report

FORMS = ("text", "json", "markdown", "github", "summary", "junit", "sarif")


@click.command("audit")
@click.argument("bundle", type=PATH)
@click.option("--format", "form", type=click.Choice(FORMS), default="text", show_default=True)
@click.option("--out", type=PATH, help="Write there instead of to standard output.")
@click.option(
    "--report", "files", type=ReportFile(FORMS), multiple=True, help="Write this form to FILE as well; may be repeated."
)
@click.option(
    "--trust", type=PATH, multiple=True, help="A public key that must have signed the bundle; may be repeated."
)
@click.option("--threshold", type=click.IntRange(1), help="How many of the trusted keys must have signed [default: 1].")
def command(
    bundle: Path,
    form: str,
    out: Path | None,
    files: tuple[tuple[str, Path], ...],
    trust: tuple[Path, ...],
    threshold: int | None,
) -> int:
    """Check BUNDLE: manifest, digests, schemas, finite numbers, identity of subjects, recomputed values and views."""
    from husai_gates.pipeline import audit_folder
    from husai_gates.reporters.findings import AUDIT_REPORTERS

    found = audit_folder(bundle, read_trust(trust, threshold))
    report(AUDIT_REPORTERS, found, form, out, files, bundle)
    return int(found.exit_code)
