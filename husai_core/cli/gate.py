"""`husai gate`: judge a bundle by a policy."""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH, WORD, Whole, read_trust
from husai_core.cli.output import ReportFile, report

FORMS = ("text", "json", "markdown", "github", "summary", "junit", "sarif", "badge", "badge-svg")


@click.command("gate")
@click.argument("bundle", type=PATH)
@click.option("--policy", required=True, type=WORD, help="A policy file, or the name of a shipped policy.")
@click.option("--baseline", type=PATH, help="The bundle of the last release, for rules that compare with it.")
@click.option("--waivers", type=PATH, help="A file of waivers; see docs/waivers.md.")
@click.option("--format", "form", type=click.Choice(FORMS), default="text", show_default=True)
@click.option("--out", type=PATH, help="Write there instead of to standard output.")
@click.option(
    "--report", "files", type=ReportFile(FORMS), multiple=True, help="Write this form to FILE as well; may be repeated."
)
@click.option(
    "--trust", type=PATH, multiple=True, help="A public key that must have signed the bundle; may be repeated."
)
@click.option("--threshold", type=Whole(1), help="How many of the trusted keys must have signed [default: 1].")
def command(
    bundle: Path,
    policy: str,
    baseline: Path | None,
    waivers: Path | None,
    form: str,
    out: Path | None,
    files: tuple[tuple[str, Path], ...],
    trust: tuple[Path, ...],
    threshold: int | None,
) -> int:
    """Judge BUNDLE by a policy. Exit code 0 means released; anything else does not."""
    from husai_gates.pipeline import gate
    from husai_gates.reporters import REPORTERS

    keys = read_trust(trust, threshold)
    decision = gate(bundle, policy, trust=keys, baseline=baseline, waivers=waivers)
    report(REPORTERS, decision, form, out, files, bundle)
    return int(decision.exit_code)
