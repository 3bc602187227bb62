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

    Study, policy, subjects and evidence stay as they are, to the byte, so their common digest does, too. Where another
    version of HUSAI made the bundle, its provenance gets a line that says who drew.
    """
    import husai_core
    from husai_core import bundle as bundles
    from husai_core.cli.derived import derived
    from husai_core.errors import ExitCode, UsageError
    from husai_core.provenance import last_maker, remade
    from husai_gates.attest.files import separate
    from husai_gates.audit import audit, audit_unsealed
    from husai_gates.audit.layout import VIEWS, kind_of

    bundles.refuse_existing(out)  # and not after the minute that drawing may take
    snapshot, attestations = separate(bundles.read(bundle))
    made = (*VIEWS, "manifest")
    kept = {path: raw for path, raw in snapshot.files.items() if kind_of(path) not in made}
    # Views of an earlier version may not even be readable; the seal is that of the whole bundle, all else without them.
    report = audit(snapshot)
    wrong = [finding for finding in report.findings if kind_of(finding.file) not in VIEWS]
    wrong += audit_unsealed(kept).findings
    if invalid := [finding for finding in wrong if finding.severity == ExitCode.INVALID]:
        first = invalid[0]
        rule = f"cannot be believed, so nothing is made of it: {first.code} {first.file}"
        raise UsageError(str(bundle), rule, f"see 'husai audit {bundle}'")
    if bundles.PROVENANCE in kept and last_maker(snapshot.json(bundles.PROVENANCE)) != husai_core.__version__:
        kept[bundles.PROVENANCE] = remade(kept[bundles.PROVENANCE], report.content_digest)
    again = derived(kept)
    bundles.write({**kept, **again}, out)
    changed = sum(snapshot.files.get(path) != raw for path, raw in again.items())
    click.echo(f"{out}: {len(kept)} files as they were, {len(again)} made again, of which {changed} differ")
    gone = sorted(snapshot.files.keys() - kept.keys() - again.keys() - {bundles.MANIFEST}) + sorted(attestations)
    if gone:
        click.echo(f"left out, because they are about the old ones: {', '.join(gone)}", err=True)
    return 0
