"""`husai attest`: sign a bundle and the decision on it."""

from __future__ import annotations

from pathlib import Path

import click

from husai_core.cli.arguments import PATH, WORD
from husai_core.errors import UsageError


@click.command("attest")
@click.argument("bundle", type=PATH, required=False)
@click.option("--key", type=PATH, help="The private key to sign with, ed25519 in PEM.")
@click.option("--policy", type=WORD, help="The policy to judge by [default: the one in the bundle, if it holds one].")
@click.option("--baseline", type=PATH, help="The bundle of the last release, for rules that compare with it.")
@click.option("--new-key", type=PATH, help="Make a key instead: write FILE and FILE.pub.")
def command(
    bundle: Path | None, key: Path | None, policy: str | None, baseline: Path | None, new_key: Path | None
) -> None:
    """Audit and judge BUNDLE and write what came out, signed, to its folder attestations/."""
    from husai_gates.attest.keys import PrivateKey, make_key

    if new_key is not None:
        if bundle or key or policy or baseline:
            raise UsageError("husai attest", "--new-key stands alone", "make the key first, then sign with it")
        click.echo(f"key {make_key(new_key).keyid}: keep {new_key} secret, give {new_key}.pub to who shall trust it")
        return
    if bundle is None or key is None:
        missing = "'BUNDLE'" if bundle is None else "'--key'"
        raise UsageError("husai attest", f"{missing} is missing", "husai attest BUNDLE --key FILE; see --help")
    from husai_core.provenance import now
    from husai_gates.attest.attester import attest

    done = attest(bundle, PrivateKey.read(key), policy, now().replace(tzinfo=None), baseline)
    what = f"decision '{done.decision.verdict}' by {done.decision.policy.name}" if done.decision else "no decision"
    click.echo(f"{done.path}: the bundle and {what}, signed by {done.keyid}")
