"""`husai pack`: a bundle as one zip."""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH


@click.command("pack")
@click.argument("bundle", type=PATH)
@click.argument("target", type=PATH)
def command(bundle: Path, target: Path) -> int:
    """Write BUNDLE to the zip TARGET. The same bundle gives the same bytes; nothing in it is judged or changed."""
    from husai_core import strict_json
    from husai_core.archive import write_archive
    from husai_core.bundle import MANIFEST, read
    from husai_core.cli.output import write_new
    from husai_core.errors import UsageError

    files = read(bundle).files
    if MANIFEST not in files:
        raise UsageError(str(bundle), f"has no {MANIFEST}", "give a bundle that 'husai run' wrote")
    raw = write_archive(files)
    write_new(target, raw)
    click.echo(f"{target}: {len(files)} files, {len(raw)} bytes, {strict_json.digest(raw)}")
    return 0
