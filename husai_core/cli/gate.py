"""`husai gate`: judge a bundle by a policy."""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH, WORD, read_trust


@click.command("gate")
@click.argument("bundle", type=PATH)
@click.option("--policy", required=True, type=WORD, help="A policy file, or the name of a shipped policy.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "markdown", "github"]), default="text", show_default=True
)
@click.option("--out", type=PATH, help="Write there instead of to standard output.")
@click.option("--trust", type=PATH, multiple=True, help="A public key that must have signed the bundle.")
@click.option("--threshold", type=click.IntRange(1), help="How many of the trusted keys must have signed [default: 1].")
def command(
    bundle: Path, policy: str, form: str, out: Path | None, trust: tuple[Path, ...], threshold: int | None
) -> int:
    """Judge BUNDLE by a policy. Exit code 0 means released; anything else does not."""
    from husai_gates.pipeline import gate
    from husai_gates.reporters import REPORTERS

    decision = gate(bundle, policy, read_trust(trust, threshold))
    text = REPORTERS[form](decision)
    if out:
        from husai_core.cli.output import write_new

        write_new(out, text)
    else:
        click.echo(text, nl=False)
    return int(decision.exit_code)
