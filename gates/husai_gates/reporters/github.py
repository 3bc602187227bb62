"""The decision as annotations of GitHub Actions: one per row that does not hold, one per finding."""

from __future__ import annotations

from husai_core.errors import one_line
from husai_gates.decision import Decision
from husai_gates.reporters.text import headline, safe


def render(decision: Decision) -> str:
    """Annotations, then the verdict as a plain line."""
    lines = []
    for row in decision.rows:
        if row.status != "pass":
            words = [f"{row.code}: {row.says}", f"needs: {row.asks}"]
            lines.append(_command("error", f"{row.rule}: {row.status}", words, row.next_step))
    for finding in decision.findings:
        words = [f"{finding.file} {finding.path}: {finding.rule}"]
        lines.append(_command("error", finding.code, words, finding.next_step))
    level = "notice" if decision.verdict == "released" else "error"
    lines.append(_command(level, "HUSAI", [headline(decision)], ""))
    return "\n".join(lines) + "\n"


def _command(level: str, title: str, words: list[str], next_step: str) -> str:
    texts = [*words, f"next: {next_step}"] if next_step else words
    message = "\n".join(safe(text) for text in texts)
    return f"::{level} title={_property(one_line(title))}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(safe(text)).replace(":", "%3A").replace(",", "%2C")
