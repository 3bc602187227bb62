"""`husai explain`: why a rule has its status, or what a code means, in plain words."""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH, WORD


@click.command("explain")
@click.argument("bundle", type=PATH, metavar="BUNDLE|CODE")
@click.argument("rule", required=False)
@click.option("--policy", type=WORD, help="A policy file, or the name of a shipped policy.")
@click.option("--baseline", type=PATH, help="The bundle of the last release, for rules that compare with it.")
def command(bundle: Path, rule: str | None, policy: str | None, baseline: Path | None) -> None:
    """Say why RULE (or every rule) of a policy has its status on BUNDLE, and what would change it.

    Without a policy: say what CODE means, such as EV-DIGEST, and what would change it.
    """
    if policy is None:
        click.echo(_account(str(bundle), rule or baseline), nl=False)
        return
    from husai_gates.explain import explain
    from husai_gates.pipeline import gate

    click.echo(explain(gate(bundle, policy, baseline=baseline), rule))


def _account(code: str, more: object) -> str:
    from husai_core.errors import UsageError
    from husai_gates.codes import account

    if more is not None or Path(code).exists():
        raise UsageError("husai explain", "a bundle is explained by a policy, and none is given", "add --policy")
    return account(code)
