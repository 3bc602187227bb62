"""Views of a judgement: text, JSON, and annotations of GitHub Actions at file and line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from husai_core import strict_json
from husai_gates.claims.verdict import Judgement, Verdict
from husai_gates.reporters.text import safe


def headline(judgement: Judgement) -> str:
    """How many claims have which status."""
    tally = judgement.tally()
    claims = sum(tally.values())
    counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in tally.items()) or "none"
    if claims:
        words = "ALL CLAIMS HOLD" if set(tally) == {"supported"} else "NOT ALL CLAIMS HOLD"
        return f"{words}: {claims} claim{'s' if claims > 1 else ''}, {counts}"
    return "NOTHING IS CLAIMED"


def _text(judgement: Judgement) -> str:
    lines = [f"{headline(judgement)} (exit {int(judgement.exit_code)})"]
    if judgement.invalid:
        lines.append(f"These fail their audit and support nothing: {', '.join(map(safe, judgement.invalid))}.")
    lines.append("")
    lines += [_line(verdict) for verdict in judgement.verdicts]
    if judgement.unclaimed:
        lines += ["", f"{len(judgement.unclaimed)} numbers that no claim holds:"]
        lines += [_line(verdict) for verdict in judgement.unclaimed]
    return "\n".join(lines) + "\n"


def _line(verdict: Verdict) -> str:
    step = f" (next: {safe(verdict.next_step)})" if verdict.next_step else ""
    name = f"{safe(verdict.claim)}: " if verdict.claim else ""
    return f"{verdict.status:<15}{verdict.code}  {safe(verdict.file)}:{verdict.line}  {name}{safe(verdict.says)}{step}"


def _json(judgement: Judgement) -> str:
    return strict_json.encode(judgement.to_json()).decode()


def _github(judgement: Judgement) -> str:
    lines = []
    for verdict in (*judgement.verdicts, *judgement.unclaimed):
        if verdict.status != "supported":
            place = f"file={_property(verdict.file)},line={max(1, verdict.line)}"
            message = _data(safe(f"{verdict.claim}: {verdict.says}" if verdict.claim else verdict.says))
            step = f"%0Anext: {_data(safe(verdict.next_step))}" if verdict.next_step else ""
            lines.append(f"::error {place},title={verdict.code}::{message}{step}")
    level = "error" if judgement.exit_code else "notice"
    lines.append(f"::{level} title=HUSAI claims::{_data(safe(headline(judgement)))}")
    return "\n".join(lines) + "\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(safe(text)).replace(":", "%3A").replace(",", "%2C")


REPORTERS: Mapping[str, Callable[[Judgement], str]] = {"text": _text, "json": _json, "github": _github}
