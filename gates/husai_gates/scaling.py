"""Scaling: a metric against width, one series per number of training tokens, at every site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from husai_gates.audit import AuditReport
from husai_gates.audit.plan import PlannedDictionary
from husai_gates.condition import Condition
from husai_gates.reporters.markdown import safe, table
from husai_gates.summary import Summary, dictionaries, find


@dataclass(frozen=True)
class Size:
    """A dictionary of one width and length of training."""

    condition: Condition
    d_sae: int
    rows_seen: int
    value: Summary


@dataclass(frozen=True)
class Scaling:
    """One metric of one kin of dictionaries, which differ in width and length of training alone, at one site."""

    metric: str
    site: str
    kin: str
    sizes: tuple[Size, ...]

    @property
    def series(self) -> dict[int, list[Size]]:
        """The sizes by tokens, narrow to wide."""
        found: dict[int, list[Size]] = {}
        for size in self.sizes:
            found.setdefault(size.rows_seen, []).append(size)
        return found


def scalings(report: AuditReport, confidence: float) -> Iterator[Scaling]:
    """Every metric that the study names, at every site; dictionaries without it are not there."""
    for metric in report.plan.scaling if report.plan else ():
        for site in sorted(report.sites):
            groups: dict[str, list[Size]] = {}
            for condition in dictionaries(report, site):
                found = find(report, condition, metric, confidence)
                planned = report.plan.conditions.get(condition.name) if report.plan else None
                if found and isinstance(planned, PlannedDictionary):
                    first = condition.subjects[0]
                    size = Size(condition, first.dims["d_sae"], first.budget["rows_seen"], found)
                    groups.setdefault(planned.kin, []).append(size)
            for kin, sizes in sorted(groups.items()):
                ordered = sorted(sizes, key=lambda s: (s.rows_seen, s.d_sae, s.condition.name))
                yield Scaling(metric, site, kin, tuple(ordered))


def section(scaling: Scaling, confidence: float) -> Iterator[str]:
    """The lines of the report: a row per width, a column per number of tokens."""
    card = scaling.sizes[0].value.card
    widths = sorted({size.d_sae for size in scaling.sizes})
    known = {(size.d_sae, size.rows_seen): size.value for size in scaling.sizes}
    chances = {size.d_sae: size.value.chance for size in scaling.sizes if size.value.chance is not None}
    yield f"## Scaling of {safe(scaling.metric)}: {safe(scaling.kin)} at {safe(scaling.site)}"
    yield ""
    seeds = ", ".join(map(str, sorted({size.value.seeds for size in scaling.sizes})))
    yield (
        f"In {safe(card.unit)}, better: {safe(card.direction)}. Mean and two-sided {100 * confidence:g} % interval "
        f"over {seeds} seeds, by width and by rows of training."
    )
    yield ""
    head = ["d_sae", *(f"{rows} rows" for rows in scaling.series), *(["chance"] if chances else [])]
    rows = [
        [
            width,
            *(known.get((width, tokens), "not trained") for tokens in scaling.series),
            *([f"{chances[width]:.6g}" if width in chances else "unknown"] if chances else []),
        ]
        for width in widths
    ]
    yield from table(head, rows)
    yield ""
