"""`husai show`: what is in a bundle, without judging it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from husai_core.cli.arguments import PATH, WORD
from husai_core.errors import UsageError, one_line


@click.command("show")
@click.argument("bundle", type=PATH)
@click.option("--against", type=WORD, help="Show every metric minus the same of the control of this name instead.")
def command(bundle: Path, against: str | None) -> None:
    """List the subjects of BUNDLE and the mean of every measurement, with its unit and number of seeds."""
    if against is not None:
        _show_differences(bundle, against)
        return
    from husai_core import bundle as bundles
    from husai_core.evidence import Evidence
    from husai_core.subject import Subject
    from husai_gates.audit.seal import refuse_unsealed

    refuse_unsealed(bundle)
    snapshot = bundles.read(bundle)
    if bundles.MANIFEST not in snapshot.files:
        raise UsageError(str(bundle), "there is no bundle here", "give the directory that holds manifest.json")
    click.echo(f"{bundle}: {len(snapshot.files)} files")
    subjects = [
        Subject.from_json(_checked(snapshot, path, "subject"))
        for path in sorted(snapshot.files)
        if path.startswith("subjects/")
    ]
    for condition in dict.fromkeys(s.condition for s in subjects):
        members = sorted((s for s in subjects if s.condition == condition), key=lambda s: s.seed)
        seeds = ", ".join(str(s.seed) for s in members)
        first = members[0]
        about = f"{first.architecture['name']}, d_sae {first.dims.get('d_sae', 'unknown')}, {_training(first.budget)}"
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
    return husai_schemas.lift(schema, document)


def _show_evidence(path: str, evidence) -> None:  # type: ignore[no-untyped-def]
    from math import fsum

    from husai_gates.audit.setting import setting_words

    about = f"{evidence.benchmark.name} {evidence.benchmark.version}, {evidence.outcome.status}"
    click.echo(f"\n{path}: {one_line(about)}")
    if evidence.outcome.reason:
        click.echo(f"  {one_line(evidence.outcome.reason)}")
    names = [one_line(" ".join([m.card.name, setting_words(m.setting)]).strip()) for m in evidence.measurements]
    width = max([22, *(len(name) + 1 for name in names)])
    for m, name in zip(evidence.measurements, names, strict=True):
        values = m.by_unit().values()
        mean = fsum(values) / len(values)
        seeds = len({s for o in m.observations for s in o.seeds})
        chance = "" if m.chance is None else f", chance {m.chance:.4f}"
        click.echo(f"  {m.condition:<34}{name:<{width}}{mean:>12.5g}  {one_line(m.card.unit)}, {seeds} seeds{chance}")


def _show_differences(bundle: Path, control: str) -> None:
    """Intervals are computed of evidence that can be believed, or not at all."""
    from husai_core.errors import InvalidEvidence
    from husai_gates.audit.setting import setting_words
    from husai_gates.contrasts import listing
    from husai_gates.pipeline import audit_folder
    from husai_gates.report import CONFIDENCE

    report = audit_folder(bundle)
    if not report.intact:
        first = report.findings[0]
        raise InvalidEvidence(first.code, f"{first.file} {first.path}", first.rule, "run 'husai audit'")
    found = listing(report, control, CONFIDENCE)
    click.echo(f"dictionary minus {one_line(control)}, paired by seed, {CONFIDENCE:.0%} interval over seeds")
    rows = [
        (
            c.asked.benchmark,
            c.base.name,
            one_line(f"{c.asked.metric} {setting_words(c.asked.setting)}".strip()),
            str(c),
        )
        for c in found
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        click.echo("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
