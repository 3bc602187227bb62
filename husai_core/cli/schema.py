"""`husai schema`: the form of every document, and whether a file has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from husai_core.cli.arguments import PATH, Whole
from husai_core.cli.migrate import command as migrate
from husai_core.errors import ExitCode, HusaiError, UsageError, did_you_mean, one_line


@click.group("schema")
def command() -> None:
    """Show a schema, check a file against the version that it names, or bring it to the newest."""


command.add_command(migrate)


@command.command("list")
def list_names() -> None:
    """Name every schema with what it describes, and its versions where there are several."""
    import husai_schemas

    for name in husai_schemas.NAMES:
        known = [f"v{version}" for version in husai_schemas.versions(name).values()]
        several = f" ({', '.join(known)})" if len(known) > 1 else ""
        click.echo(f"{name:<12}{husai_schemas.load(name)['description']}{several}")


@command.command("show")
@click.argument("name")
@click.option("--version", type=Whole(1), help="Which version [default: the newest].")
def show(name: str, version: int | None) -> None:
    """Print the JSON Schema called NAME."""
    import husai_schemas

    if name not in husai_schemas.NAMES:
        raise UsageError("husai schema show", f"no schema '{name}'", did_you_mean(name, husai_schemas.NAMES))
    known = list(husai_schemas.versions(name).values())
    if version is not None and version not in known:
        step = f"known: {', '.join(map(str, known))}" + ("; install a newer husai" if version > known[-1] else "")
        raise UsageError("husai schema show", f"no version {version} of the schema '{name}'", step)
    click.echo(json.dumps(husai_schemas.load(name, version), indent=2))


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
    """Check FILES (JSON or TOML) against the schema and version that each names under the key 'schema'.

    Exit code 3 if evidence breaks its schema, 64 if what people write does: a study, a policy, waivers, claims.
    """
    from husai_gates.finding import gravest

    codes: set[ExitCode] = set()
    for path in files:
        try:
            lines, code = _problems(path)
        except HusaiError as error:  # a file that cannot be read hides no other
            lines, code = [one_line(error)], error.exit_code
        for line in lines:
            codes.add(code)
            click.echo(line, err=True)
    if not codes:
        click.echo(f"{len(files)} valid")
    return gravest(codes)


def named_schema(document: Any) -> str | None:
    """The schema of HUSAI that a document names, whatever the version."""
    import husai_schemas

    named = document.get("schema") if isinstance(document, dict) else None
    name = str(named).removeprefix("husai:").partition("/")[0]
    return name if named is not None and name in husai_schemas.NAMES else None


def _problems(path: Path) -> tuple[list[str], ExitCode]:
    """What is wrong with a file, and what that leads to; TOML is what people write, and so are some schemas."""
    import husai_schemas
    from husai_core.written import WRITTEN

    document = read_document(path)
    name = named_schema(document)
    code = ExitCode.USAGE if name in WRITTEN or (name is None and path.suffix == ".toml") else ExitCode.INVALID
    if name is None:
        named = str(document.get("schema")) if isinstance(document, dict) else "None"
        known = did_you_mean(named.removeprefix("husai:").partition("/")[0], husai_schemas.NAMES)
        return [one_line(f"{path}: EV-SCHEMA the key 'schema' names no schema of HUSAI ({known})")], code
    found = husai_schemas.problems(name, document)
    return [one_line(f"{path} {problem.path}: {problem.rule}") for problem in found], code


def read_document(path: Path) -> Any:
    """The strictly parsed document in a file of JSON or TOML."""
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
        raise UsageError(f"{path} {error.path}", f"{error.code} {error.rule}") from None
