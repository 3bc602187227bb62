"""The decision for a terminal: no colour, no control characters, one line per row and finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from husai_core.errors import one_line
from husai_gates.audit import AuditReport
from husai_gates.decision import Decision, InFamily, Row
from husai_gates.finding import Finding
from husai_gates.plain_text import number


def safe(value: object) -> str:
    """Words for one line of a log. A CI runner obeys `##[` anywhere in it, and `::` at its beginning."""
    line = one_line(value).replace("##[", "# #[")
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def render(decision: Decision) -> str:
    """Verdict, rows, findings."""
    policy = decision.policy
    lines = [
        f"{headline(decision)} (exit {int(decision.exit_code)})",
        f"policy  {safe(policy.name)} {safe(policy.version)} {safe(policy.digest)}",
        f"bundle  {safe(decision.content_digest)}, {safe(decision.assurance)}",
        *(["against " + safe(decision.baseline)] if decision.baseline else []),
        f"signed  {standing(decision.attested_by)}",
        "",
    ]
    width = max((len(row.rule) for row in decision.rows), default=0)
    for row in decision.rows:
        lines.append(f"{row.status:<14}{safe(row.rule):<{width}}  {safe(row.says)}")
        lines += [f"{'':<{14 + width}}  {words}" for words in strength_words(row)]
        if row.next_step and row.status != "pass":
            lines.append(f"{'':<{14 + width}}  next: {safe(row.next_step)}")
    return "\n".join([*lines, *finding_lines(decision.findings)]) + "\n"


_SMALLEST = dict.fromkeys(("equivalence", "range"), "smallest margin it would have met")


def strength_words(row: Row) -> Iterator[str]:
    """What a row could have seen, and what its family makes of it; nothing where it has no test."""
    if row.detectable is not None:
        yield f"{_SMALLEST.get(row.kind, 'smallest effect it would have seen')}: {number(row.detectable)}"
    if row.family:
        yield family_words(row.family)


def family_words(family: InFamily) -> str:
    """The p-value of a rule before and after the correction for its family."""
    return (
        f"p {number(family.p)}, {number(family.adjusted)} by Holm's correction for the {family.rules} rules of "
        f"'{safe(family.name)}', at most {number(family.error)}"
    )


def finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Findings, one line each, below a heading; nothing where there are none."""
    if findings:
        yield ""
        yield f"{len(findings)} finding{'s' if len(findings) > 1 else ''}:"
    for finding in findings:
        step = f" ({safe(finding.next_step)})" if finding.next_step else ""
        yield f"  {safe(finding.code)} {safe(finding.file)} {safe(finding.path)}: {safe(finding.rule)}{step}"


def standing(attested_by: Sequence[str]) -> str:
    """Who vouches for the bundle, besides whoever made it."""
    if attested_by:
        return f"by {', '.join(safe(keyid) for keyid in attested_by)}"
    return "NOT-PROVEN: self-attested, for no trusted key was asked to vouch for it (--trust)"


def audit_headline(report: AuditReport) -> str:
    """What an audit found, in words."""
    if not report.findings:
        return "SOUND: nothing was found"
    many = len(report.findings)
    return f"{'INCOMPLETE' if report.intact else 'INVALID'}: {many} finding{'s' if many > 1 else ''}"


def headline(decision: Decision) -> str:
    """The verdict in words."""
    passed = sum(row.status == "pass" for row in decision.rows)
    words = decision.verdict.replace("_", " ").upper()
    return f"{words}: {passed} of {len(decision.rows)} rules hold"
