"""The audit report in every form: the findings, and what this audit did and did not prove."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from husai_core import strict_json
from husai_gates.audit import AuditReport
from husai_gates.reporters.text import audit_headline, finding_lines, safe, standing

FEW = 3

_PROVEN = {
    "hash_only": "Nothing was recomputed: the documents could not all be believed.",
    "recomputed": "Digests, identities and stated summaries were recomputed from the files. "
    "That the observations were really made is not proven: nothing was run again.",
    "re_executed": "Digests, identities and stated summaries were recomputed from the files. "
    "The units below were run again by this auditor and agree; the others were not.",
}


def _text(report: AuditReport) -> str:
    lines = [
        f"{audit_headline(report)} (exit {int(report.exit_code)})",
        f"bundle  {safe(report.content_digest)}, {report.assurance}",
        f"holds   {len(report.paths)} files, {len(report.subjects)} subjects, "
        f"{len(report.evidence)} evidence documents",
        f"signed  {standing(report.attested_by)}",
        _proven(report),
        *_rerun(report),
    ]
    if report.unchecked:
        lines.append(f"Not compared with the evidence: {', '.join(_by_folder(report.unchecked))}.")
    if report.unproven:
        names = ", ".join(safe(name) for name in report.unproven)
        lines.append(f"Direction and bounds are their makers' word, and not proven: {names}.")
    lines += _unverified(report)
    lines += finding_lines(report.findings)
    return "\n".join(lines) + "\n"


def _by_folder(paths: Sequence[str]) -> Iterator[str]:
    """Files by name; of a folder with many, such as pictures, how many: the JSON form has every name."""
    folders = Counter(path.rpartition("/")[0] for path in paths)
    yield from (safe(path) for path in paths if folders[path.rpartition("/")[0]] <= FEW or "/" not in path)
    yield from (f"{count} files in {safe(name)}/" for name, count in folders.items() if name and count > FEW)


def _unverified(report: AuditReport) -> list[str]:
    """What was measured elsewhere, and what nobody could check of it."""
    found = report.unverified
    if not found:
        return []
    count = len({path for paths in found.values() for path in paths})
    lines = [f"By other programs, and not verified here or to be known ({count} evidence documents):"]
    return lines + [f"  {safe(statement)}" for statement in found]


def _proven(report: AuditReport) -> str:
    if report.reexecution and not report.reexecution.complete:
        return "What was run again contradicts the bundle, or could not be compared with it: see the findings."
    return _PROVEN[report.assurance]


def _rerun(report: AuditReport) -> list[str]:
    """What was run again, unit by unit, each with how closely it was compared."""
    done = report.reexecution
    if done is None:
        return []
    lines = [f"rerun   {len(done.reruns)} of {done.draw.of} units, draw {done.draw.seed}"]
    for rerun in done.reruns:
        seeds = ", ".join(map(str, rerun.unit.seeds))
        where = f"{safe(rerun.unit.path)} {safe(rerun.unit.condition)} at {seeds}"
        lines.append(f"  {where}: {rerun.compared} values, {rerun.tolerance}; weights {rerun.weights}")
    lines += [f"  left out: {safe(text)}" for text in done.draw.left_out]
    return lines + [f"  note: {safe(text)}" for text in done.notes]


def _json(report: AuditReport) -> str:
    document: dict[str, Any] = {
        "assurance": report.assurance,
        "attested_by": list(report.attested_by),
        "content_digest": report.content_digest,
        "exit_code": int(report.exit_code),
        "not_compared": list(report.unchecked),
        "not_proven": list(report.unproven),
        "not_verified": {statement: list(paths) for statement, paths in report.unverified.items()},
        "findings": [finding.to_json() for finding in report.findings],
    }
    if report.reexecution:
        document["reexecution"] = report.reexecution.to_json()
    return strict_json.encode(document).decode()


def _named(module: str) -> Callable[[AuditReport], str]:
    """A reporter that is loaded when it is used."""

    def render(report: AuditReport) -> str:
        text: str = importlib.import_module(f"husai_gates.reporters.{module}").render_audit(report)
        return text

    return render


_OTHERS = {"markdown": "markdown", "github": "github", "summary": "step_summary", "junit": "junit", "sarif": "sarif"}
AUDIT_REPORTERS: Mapping[str, Callable[[AuditReport], str]] = {
    "text": _text,
    "json": _json,
    **{name: _named(module) for name, module in _OTHERS.items()},
}
