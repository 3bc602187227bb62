"""`husai policy`: what a policy asks for, and whether it asks for less than it did."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click

from husai_core.cli.arguments import PATH, WORD
from husai_core.errors import ExitCode, UsageError


@click.group("policy")
def command() -> None:
    """Look at a policy without a bundle."""


@command.command("check")
@click.argument("policy", type=WORD)
@click.option("--strict", is_flag=True, help="Refuse names that no installed plugin has, instead of noting them.")
def check(policy: str, strict: bool) -> int:
    """Say of each rule of POLICY, a file or a shipped name, what would satisfy it.

    Exit code 64 if no bundle could: a metric asked for its bad side, a number beyond what it can be, or no rule at all.
    A benchmark, control or metric that nobody here has is noted, for somebody else's plugin may bring it.
    """
    from husai_gates import policies
    from husai_gates.needs import impossible, needs, unknown_names
    from husai_gates.policy import load

    raw, place = policies.find(policy)
    loaded = load(raw, place)
    click.echo(needs(loaded), nl=False)
    unknown = list(unknown_names(loaded, _installed()))
    for where, rule, next_step in unknown:
        click.echo(f"{f'{place} {where}' if strict else 'note'}: {rule}; {next_step}", err=True)
    findings = list(impossible(loaded))
    for finding in findings:
        click.echo(f"{place} {finding.path}: {finding.code}: {finding.rule}; {finding.next_step}", err=True)
    return int(ExitCode.USAGE if findings or (strict and unknown) else ExitCode.RELEASED)


def _installed() -> dict[str, set[str]]:
    """The names that plugins have here, also those that lack a library or are refused."""
    from husai_core.plugins import PluginTable

    kinds = ("benchmark", "control", "metric")
    found = PluginTable().all()
    return {kind: {plugin.name for plugin in found if plugin.kind == f"{kind}s"} for kind in kinds}


@command.command("lint")
@click.argument("policy", type=PATH)
@click.option("--against", "revision", required=True, type=WORD, help="A git revision, such as origin/main.")
@click.option("--was", type=WORD, help="Where the policy lay at that revision, from the top of the repository.")
def lint(policy: Path, revision: str, was: str | None) -> int:
    """Say in what the file POLICY asks for less than it did at a git revision. Exit code 64 if in anything."""
    from husai_gates.policy import load
    from husai_gates.strictness import weakened

    try:
        raw = policy.read_bytes()
    except OSError as error:
        raise UsageError(str(policy), f"cannot be read: {error.strerror}", "give the path of a policy file") from None
    new = load(raw, str(policy))
    old = load(_at_revision(policy, revision, was), f"{revision}:{was or policy}")
    findings = list(weakened(old, new))
    for finding in findings:
        click.echo(f"{policy} {finding.path}: {finding.code}: {finding.rule}")
    more = [rule.id for rule in new.rules if rule.id not in {rule.id for rule in old.rules}]
    added = f", {len(more)} new: {', '.join(more)}" if more else ""
    if findings:
        click.echo(f"WEAKENED: {len(findings)} changes against {revision}{added}; {findings[0].next_step}")
        return int(ExitCode.USAGE)
    click.echo(f"as strict as at {revision}: {len(old.rules)} rules{added}")
    return int(ExitCode.RELEASED)


def _at_revision(policy: Path, revision: str, was: str | None) -> bytes:
    """The bytes of the policy file at a revision. A file that was not there cannot be shown to be as strict."""
    if revision.startswith("-"):
        raise UsageError("--against", f"'{revision}' is no revision", "name a branch, a tag or a commit")
    folder = policy.resolve().parent
    path = was or f"./{policy.name}"
    try:
        shown = subprocess.run(
            ["git", "-C", str(folder), "show", f"{revision}:{path}"], capture_output=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError("git", f"could not be run: {error}", "install git") from None
    if shown.returncode:
        said = shown.stderr.decode("utf-8", "replace").strip().splitlines() or ["git said nothing"]
        step = "fetch the revision; if the file lay elsewhere, say where with --was"
        raise UsageError(f"{revision}:{path}", said[0], step)
    return shown.stdout
