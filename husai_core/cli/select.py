"""`husai select`: choose a release candidate from the conditions of several bundles."""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH, WORD
from husai_core.errors import InvalidEvidence, UsageError


@click.command("select")
@click.argument("bundles", metavar="BUNDLE...", type=PATH, nargs=-1, required=True)
@click.option("--policy", required=True, type=WORD, help="A policy file, or the name of a shipped policy.")
@click.option("--weight", "weights", metavar="METRIC=W", multiple=True, type=WORD, help="[default: 1 for each metric]")
@click.option(
    "--role", "roles", type=click.Choice(["candidate", "baseline"]), multiple=True, default=["candidate"],
    show_default=True, help="Which conditions to compare; may be given twice.",
)  # fmt: skip
@click.option("--site", type=WORD, help="Compare the conditions at this site alone.")
@click.option("--out", type=PATH, help="Write the choice document there.")
def command(
    bundles: tuple[Path, ...],
    policy: str,
    weights: tuple[str, ...],
    roles: tuple[str, ...],
    site: str | None,
    out: Path | None,
) -> int:
    """Choose one condition of BUNDLEs by the metrics of a policy, on lower bounds, and say how sure the choice is.

    Exit code 2 if every condition fails a rule, 3 if a bundle cannot be believed, 5 if nothing could be compared.
    """
    from husai_core import strict_json
    from husai_gates import policies
    from husai_gates.choosing import exit_code, make_choice
    from husai_gates.pipeline import audit_folder
    from husai_gates.policy import load
    from husai_gates.reporters.choice import render

    raw, place = policies.find(policy)
    chosen_policy, weighed = load(raw, place), _weights(weights)
    reports = []
    for bundle in bundles:
        report = audit_folder(bundle)
        if not report.intact:
            first = next(f for f in report.findings if f.severity == report.exit_code)
            step = f"see: husai audit {bundle}"
            raise InvalidEvidence(first.code, f"{bundle}: {first.file} {first.path}", first.rule, step)
        reports.append(report)
    document = make_choice(reports, chosen_policy, weighed, roles, site)
    if out:
        from husai_core.cli.output import write_new

        write_new(out, strict_json.encode(document).decode())
    click.echo(render(document), nl=False)
    return int(exit_code(document))


def _weights(given: tuple[str, ...]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in given:
        metric, _, value = text.partition("=")
        try:
            weight = float(value)
        except ValueError:
            raise UsageError("--weight", f"'{text}' is no METRIC=W", "write for example l0=0.5") from None
        if metric in found:
            raise UsageError("--weight", f"'{metric}' has two weights", "give it one")
        found[metric] = weight
    return found
