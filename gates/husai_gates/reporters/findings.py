"""The audit report in every form: the findings, and what this audit did and did not prove."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from husai_core import strict_json
from husai_gates.audit import AuditReport
from husai_gates.reporters.text import audit_headline, finding_lines, safe, standing

_PROVEN = {
    "hash_only": "Nothing was recomputed: the documents could not all be believed.",
    "recomputed": "Digests, identities and stated summaries were recomputed from the files. "
    "That the observations were really made is not proven: nothing was run again.",
}


def _text(report: AuditReport) -> str:
    lines = [
        f"{audit_headline(report)} (exit {int(report.exit_code)})",
        f"bundle  {safe(report.content_digest)}, {report.assurance}",
        f"holds   {len(report.paths)} files, {len(report.subjects)} subjects, "
        f"{len(report.evidence)} evidence documents",
        f"signed  {standing(report.attested_by)}",
        _PROVEN[report.assurance],
    ]
    if report.unchecked:
        lines.append(f"Not compared with the evidence: {', '.join(safe(path) for path in report.unchecked)}.")
    if report.unproven:
        names = ", ".join(safe(name) for name in report.unproven)
        lines.append(f"Direction and bounds are their makers' word, and not proven: {names}.")
    lines += finding_lines(report.findings)
    return "\n".join(lines) + "\n"


def _json(report: AuditReport) -> str:
    document = {
        "assurance": report.assurance,
        "attested_by": list(report.attested_by),
        "content_digest": report.content_digest,
        "exit_code": int(report.exit_code),
        "not_compared": list(report.unchecked),
        "not_proven": list(report.unproven),
        "findings": [finding.to_json() for finding in report.findings],
    }
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
