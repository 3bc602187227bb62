"""`husai redraw`: the decision, report and pictures of a bundle, made again."""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH


@click.command("redraw")
@click.argument("bundle", type=PATH)
@click.option("--out", type=PATH, required=True, help="The new bundle folder; what stands there is never touched.")
def command(bundle: Path, out: Path) -> int:
    """Copy BUNDLE with its decision, report and pictures made again, as this version of HUSAI says and draws them.

    Study, policy, subjects, evidence and provenance stay as they are, to the byte, so their common digest does, too.
    """
    from husai_core import bundle as bundles
    from husai_core.cli.derived import derived
    from husai_core.errors import UsageError
    from husai_gates.audit import audit
    from husai_gates.audit.layout import kind_of

    snapshot = bundles.read(bundle)
    report = audit(snapshot)
    if not report.intact:
        first = report.findings[0]
        rule = f"cannot be believed, so nothing is made of it: {first.code} {first.file}"
        raise UsageError(str(bundle), rule, f"see 'husai audit {bundle}'")
    made = ("decision", "report", "picture")
    kept = {path: raw for path, raw in snapshot.files.items() if path != bundles.MANIFEST and kind_of(path) not in made}
    again = derived(kept)
    bundles.write({**kept, **again}, out)
    changed = sum(snapshot.files.get(path) != raw for path, raw in again.items())
    click.echo(f"{out}: {len(kept)} files as they were, {len(again)} made again, of which {changed} differ")
    return 0
