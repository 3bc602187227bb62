"""`husai show`: what is in a bundle, without judging it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from husai_core.cli.arguments import PATH
from husai_core.errors import one_line


@click.command("show")
@click.argument("bundle", type=PATH)
def command(bundle: Path) -> None:
    """List the subjects of BUNDLE and the mean of every measurement, with its unit and number of seeds."""
    from husai_core import bundle as bundles
    from husai_core.evidence import Evidence
    from husai_core.subject import Subject

    snapshot = bundles.read(bundle)
    click.echo(f"{bundle}: {len(snapshot.files)} files")
    subjects = [
        Subject.from_json(_checked(snapshot, path, "subject"))
        for path in sorted(snapshot.files)
        if path.startswith("subjects/")
    ]
    for condition in dict.fromkeys(s.condition for s in subjects):
        members = [s for s in subjects if s.condition == condition]
        seeds = ", ".join(str(s.seed) for s in members)
        first = members[0]
        about = f"{first.architecture['name']}, d_sae {first.dims['d_sae']}, {_training(first.budget)}"
        click.echo(f"{first.role:<10}{condition}: {about}, seeds {seeds}")
    for path in sorted(snapshot.files):
        if path.startswith("evidence/"):
            _show_evidence(path, Evidence.from_json(_checked(snapshot, path, "evidence")))


def _training(budget: Mapping[str, Any]) -> str:
    return "pretrained" if budget.get("pretrained") else f"{budget['steps']} steps"


def _checked(snapshot, path: str, schema: str):  # type: ignore[no-untyped-def]
    import husai_schemas
    from husai_core.errors import InvalidEvidence

    document = snapshot.json(path)
    if problems := husai_schemas.problems(schema, document):
        raise InvalidEvidence("EV-SCHEMA", f"{path} {problems[0].path}", problems[0].rule, "run 'husai audit'")
    return document


def _show_evidence(path: str, evidence) -> None:  # type: ignore[no-untyped-def]
    from math import fsum

    about = f"{evidence.benchmark.name} {evidence.benchmark.version}, {evidence.outcome.status}"
    click.echo(f"\n{path}: {one_line(about)}")
    if evidence.outcome.reason:
        click.echo(f"  {one_line(evidence.outcome.reason)}")
    for m in evidence.measurements:
        values = m.by_unit().values()
        mean = fsum(values) / len(values)
        seeds = len({s for o in m.observations for s in o.seeds})
        chance = "" if m.chance is None else f", chance {m.chance:.4f}"
        click.echo(f"  {m.condition:<34}{m.card.name:<22}{mean:>12.5g}  {one_line(m.card.unit)}, {seeds} seeds{chance}")
