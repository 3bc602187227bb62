"""`husai verify`: is a bundle released, signed and by whom?"""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH, WORD, Whole
from husai_core.errors import ExitCode


@click.command("verify")
@click.argument("bundle", type=PATH)
@click.option("--trust", type=PATH, multiple=True, required=True, help="A public key that is trusted; may be repeated.")
@click.option("--threshold", type=Whole(1), help="How many of them must have signed [default: 1].")
@click.option("--policy", type=WORD, help="The policy that the signed decision must be by [default: any].")
@click.option("--baseline", type=PATH, help="The bundle of the last release, if the decision compares with it.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    bundle: Path, trust: tuple[Path, ...], threshold: int | None, policy: str | None, baseline: Path | None, form: str
) -> int:
    """Check the signatures in BUNDLE and everything they are about. Exit code 0: released, says a trusted key."""
    from husai_core.provenance import now
    from husai_gates.attest.keys import Trust
    from husai_gates.attest.verdict import VERDICT_REPORTERS, verify_folder

    keys = Trust.read(trust, threshold)
    assert keys is not None  # click has seen that there is one
    verdict = verify_folder(bundle, keys, policy, now().replace(tzinfo=None), baseline)
    click.echo(VERDICT_REPORTERS[form](verdict), nl=False)
    if form == "text" and verdict.exit_code == ExitCode.NOTHING_EVALUATED and verdict.report.attested_by:
        click.echo(
            "What is signed is the manifest alone: whose bundle it is, and no decision on it. To judge it and sign the "
            f"decision: husai attest {bundle} --key FILE --policy NAME"
        )
    return int(verdict.exit_code)
