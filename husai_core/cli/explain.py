"""`husai explain`: why a rule has its status, in plain words."""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH, WORD


@click.command("explain")
@click.argument("bundle", type=PATH)
@click.argument("rule", required=False)
@click.option("--policy", required=True, type=WORD, help="A policy file, or the name of a shipped policy.")
@click.option("--baseline", type=PATH, help="The bundle of the last release, for rules that compare with it.")
def command(bundle: Path, rule: str | None, policy: str, baseline: Path | None) -> None:
    """Say why RULE (or every rule) of a policy has its status on BUNDLE, and what would change it."""
    from husai_gates.explain import explain
    from husai_gates.pipeline import gate

    click.echo(explain(gate(bundle, policy, baseline=baseline), rule))
