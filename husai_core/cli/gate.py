"""`husai gate`: judge a bundle by a policy."""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH, WORD


@click.command("gate")
@click.argument("bundle", type=PATH)
@click.option("--policy", required=True, type=WORD, help="A policy file, or the name of a shipped policy.")
@click.option("--baseline", type=PATH, help="The bundle of the last release, for rules that compare with it.")
@click.option("--waivers", type=PATH, help="A file of waivers; see docs/waivers.md.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "markdown", "github"]), default="text", show_default=True
)
@click.option("--out", type=PATH, help="Write there instead of to standard output.")
def command(bundle: Path, policy: str, baseline: Path | None, waivers: Path | None, form: str, out: Path | None) -> int:
    """Judge BUNDLE by a policy. Exit code 0 means released; anything else does not."""
    from husai_gates.pipeline import gate
    from husai_gates.reporters import REPORTERS

    decision = gate(bundle, policy, baseline, waivers)
    text = REPORTERS[form](decision)
    if out:
        from husai_core.cli.output import write_new

        write_new(out, text)
    else:
        click.echo(text, nl=False)
    return int(decision.exit_code)
