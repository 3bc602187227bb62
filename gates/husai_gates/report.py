"""The report of a bundle as Markdown: a front page with the decision, and a page for every document of evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from husai_gates.audit import AuditReport
from husai_gates.audit.layout import kind_of, stem
from husai_gates.decision import Cell, Decision
from husai_gates.evidence_page import evidence_page
from husai_gates.plain_text import number
from husai_gates.reporters.markdown import safe, sections, table

REPORT, PAGES = "report.md", "report/"
INSTRUMENTS = f"{PAGES}instruments.md"
CONFIDENCE = 0.95  # where no policy says another

_UNJUDGED = "The study names no policy: nothing was judged, and nothing here may be released."


def pages(report: AuditReport, decision: Decision | None) -> dict[str, str]:
    """Every page by its path. They depend on the audit and the decision only, so that anyone can regenerate them."""
    confidence = decision.policy.confidence if decision else CONFIDENCE
    pictures = _pictures(report)
    found = {
        f"{PAGES}{stem(path)}.md": evidence_page(path, evidence, report, confidence, pictures[stem(path)])
        for path, evidence in report.evidence.items()
    }
    if report.controls:
        from husai_gates import contrasts

        found[INSTRUMENTS] = contrasts.instruments(report, confidence)
    origin = f"Of the bundle {safe(report.content_digest)}; back to the [report](../{REPORT})."
    written = {path: "\n".join([*lines, origin, ""]) for path, page in found.items() if (lines := list(page))}
    front = _front(report, decision, confidence, INSTRUMENTS in written, pictures[""])
    return {REPORT: "\n".join(front), **written}


def _front(
    report: AuditReport, decision: Decision | None, confidence: float, instruments: bool, pictures: Sequence[str]
) -> Iterator[str]:
    """The decision, how every rule stands on every condition, what the study asked to see, and where the rest is."""
    yield from ("# Report", "", *(sections(decision) if decision else (_UNJUDGED,)), "")
    if decision:
        yield from _standing(decision)
    yield from _asked_for(report, confidence)
    yield from _contents(report, instruments)
    if pictures:
        yield from ("## Plots", "", *(f"![{safe(path)}]({path})" for path in pictures), "")


def _standing(decision: Decision) -> Iterator[str]:
    """Which condition meets which rule: a column for each, its controls in the same one."""
    named = {cell.condition for row in decision.rows for cell in row.cells}
    columns = [name for name in sorted(named) if not any(name.startswith(f"{other}.") for other in named)]
    if not columns:
        return
    yield "## Rules by condition"
    yield ""
    yield "The status, and the estimate that it was given for: a difference, where the rule compares."
    yield ""
    rows = []
    for row in decision.rows:
        cells = {column: [c for c in row.cells if _is_of(c, column)] for column in columns}
        rows.append([row.rule, *("; ".join(map(_said, cells[column])) for column in columns)])
    yield from table(["rule", *map(safe, columns)], rows)
    yield ""


def _is_of(cell: Cell, column: str) -> bool:
    return cell.condition == column or cell.condition.startswith(f"{column}.")


def _said(cell: Cell) -> str:
    """The status, and the number that it was given for."""
    return f"{cell.status} {number(cell.interval.estimate)}" if cell.interval else cell.status


def _contents(report: AuditReport, instruments: bool) -> Iterator[str]:
    """What was measured, and the page that has its numbers."""
    if not report.evidence:
        return
    yield from ("## What was measured", "")
    yield from ("| benchmark | site | outcome | measurements |", "| --- | --- | --- | --- |")
    order = sorted(report.evidence.items(), key=lambda item: (item[1].benchmark.name, item[1].site, item[0]))
    for path, evidence in order:
        outcome = evidence.outcome.status
        said = outcome if outcome == "completed" else f"{outcome}: {evidence.outcome.reason}"
        who = f" ({evidence.external.kind}, {evidence.external.tool})" if evidence.external else ""
        link = f"[{len(evidence.measurements)} measurements]({PAGES}{stem(path)}.md)"
        yield f"| {safe(evidence.benchmark.name + who)} | {safe(evidence.site)} | {safe(said)} | {link} |"
    yield ""
    if instruments:
        yield from (f"[Which instruments tell good from bad]({INSTRUMENTS}).", "")


def _pictures(report: AuditReport) -> Mapping[str, list[str]]:
    """The pictures by the document of evidence that they show; those of the whole bundle under no name."""
    stems = sorted(map(stem, report.evidence), key=len, reverse=True)
    found: dict[str, list[str]] = {name: [] for name in ("", *stems)}
    for path in report.paths:
        if kind_of(path) == "picture":
            shown = path.removeprefix("plots/").removeprefix("drops.")
            found[next((name for name in stems if shown.startswith(f"{name}.")), "")].append(path)
    return found


def _asked_for(report: AuditReport, confidence: float) -> Iterator[str]:
    """What only some studies ask for is imported only for them: most gates are cold."""
    if report.choices or report.chosen:
        from husai_gates import declarations

        for name, choice in sorted(report.choices.items()):
            yield from declarations.section(name, choice)
        for name, chosen in sorted(report.chosen.items()):
            yield from declarations.chosen_section(name, chosen)
    if report.plan and report.plan.frontiers:
        from husai_gates import frontier

        for found in frontier.frontiers(report, confidence):
            yield from frontier.section(found, confidence)
    if report.plan and report.plan.scaling:
        from husai_gates import scaling

        for series in scaling.scalings(report, confidence):
            yield from scaling.section(series, confidence)
