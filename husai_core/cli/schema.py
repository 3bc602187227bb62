"""`husai schema`: the form of every document, and whether a file has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from husai_core.cli.arguments import PATH
from husai_core.errors import ExitCode, HusaiError, InvalidEvidence, UsageError, did_you_mean, one_line


@click.group("schema")
def command() -> None:
    """Show a schema, or check a file against the one it names."""


@command.command("list")
def list_names() -> None:
    """Name every schema with what it describes."""
    import husai_schemas

    for name in husai_schemas.NAMES:
        click.echo(f"{name:<12}{husai_schemas.load(name)['description']}")


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Print the JSON Schema called NAME."""
    import husai_schemas

    if name not in husai_schemas.NAMES:
        raise UsageError("husai schema show", f"no schema '{name}'", did_you_mean(name, husai_schemas.NAMES))
    click.echo(json.dumps(husai_schemas.load(name), indent=2))


@command.command("metric-cards")
def metric_cards() -> None:
    """Print the cards of the metrics that HUSAI ships, as husai_schemas/metric_cards.json holds them."""
    from husai_core import strict_json
    from husai_core.plugins import PluginTable

    ours = [p for p in PluginTable().of_kind("metrics") if p.distribution.startswith("husai ")]
    cards = [card.to_json() for plugin in ours for card in (*plugin.item.former, plugin.item.card)]
    click.echo(strict_json.encode(cards).decode(), nl=False)


@command.command("check")
@click.argument("files", nargs=-1, required=True, type=PATH)
def check(files: tuple[Path, ...]) -> int:
    """Check FILES (JSON or TOML) against the schema that each names under the key 'schema'."""
    worst = ExitCode.RELEASED
    for path in files:
        try:
            lines, code = _problems(path), ExitCode.INVALID
        except HusaiError as error:  # a file that cannot be read hides no other
            lines, code = [one_line(error)], error.exit_code
        for line in lines:
            worst = max(worst, code)
            click.echo(line, err=True)
    if not worst:
        click.echo(f"{len(files)} valid")
    return worst


def _problems(path: Path) -> list[str]:
    import husai_schemas

    document = _read(path)
    named = document.get("schema") if isinstance(document, dict) else None
    name = str(named).removeprefix("husai:").partition("/")[0]
    if named is None or name not in husai_schemas.NAMES:
        known = did_you_mean(name, husai_schemas.NAMES)
        return [one_line(f"{path}: EV-SCHEMA the key 'schema' names no schema of HUSAI ({known})")]
    return [one_line(f"{path} {problem.path}: {problem.rule}") for problem in husai_schemas.problems(name, document)]


def _read(path: Path) -> Any:
    from husai_core import strict_json
    from husai_core.strict_toml import TomlProblem, read_toml

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}") from None
    if path.suffix != ".toml":
        return strict_json.parse(raw, str(path))
    try:
        return read_toml(raw)
    except TomlProblem as error:
        raise InvalidEvidence(error.code, f"{path} {error.path}", error.rule) from None
