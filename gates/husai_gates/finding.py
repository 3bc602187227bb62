"""A finding: something wrong with a bundle or a policy; its code, place, rule and next step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from husai_core.errors import ExitCode, InvalidEvidence
from husai_gates.plain_text import plain

_SEVERITY = {
    "EV-ABSENT": ExitCode.NOT_RELEASED,
    "EV-SEEDS-MISSING": ExitCode.NOT_RELEASED,
    "EV-MODEL-CHECK": ExitCode.NOT_RELEASED,
    "EV-SKIPPED": ExitCode.NOT_RELEASED,
    "EV-SELECTION-ABSENT": ExitCode.NOT_RELEASED,
    "EV-SELECTION-NONE": ExitCode.NOT_RELEASED,
    "EV-NOT-REPEATED": ExitCode.NOT_RELEASED,
    "EV-CI-METHOD": ExitCode.NOT_RELEASED,
    "PROV-DIRTY": ExitCode.NOT_RELEASED,
    "PROV-UNKNOWN": ExitCode.NOT_RELEASED,
    "EV-SELECTION-SEEDS": ExitCode.NOT_RELEASED,
    "EV-FAILED": ExitCode.ERROR,
    **dict.fromkeys(
        ("WAIVER-EXPIRED", "WAIVER-NOT-YET", "WAIVER-SUBJECT", "WAIVER-FLOOR", "WAIVER-INTEGRITY"),
        ExitCode.NOT_RELEASED,
    ),
    "GATE-VACUOUS": ExitCode.NOTHING_EVALUATED,
    "GATE-ERROR": ExitCode.ERROR,
}


# The first of these that any row or finding leads to is the exit code; `decision.conclude` says why.
PRECEDENCE = (
    ExitCode.INVALID,
    ExitCode.USAGE,
    ExitCode.ERROR,
    ExitCode.NOTHING_EVALUATED,
    ExitCode.NOT_RELEASED,
)


def gravest(codes: Collection[ExitCode]) -> ExitCode:
    """The one exit code of several doubts; without any, released."""
    return next((code for code in PRECEDENCE if code in codes), ExitCode.RELEASED)


def severity(code: str) -> ExitCode:
    """The exit code that a finding leads to by itself. A code that nobody listed is an integrity failure."""
    if code.startswith(("POL-", "WAIVER-")):
        return _SEVERITY.get(code, ExitCode.USAGE)
    return _SEVERITY.get(code, ExitCode.INVALID)


@dataclass(frozen=True, order=True)
class Finding:
    """What is wrong, where (`file`, and `path` inside it), which rule it breaks, and what to do next."""

    code: str
    file: str
    path: str
    rule: str
    next_step: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, plain(getattr(self, field.name)))

    @property
    def severity(self) -> ExitCode:
        return severity(self.code)

    def to_json(self) -> dict[str, str]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        return cls(**{field.name: data[field.name] for field in fields(cls)})

    @classmethod
    def of_error(cls, error: InvalidEvidence, file: str) -> Finding:
        """The finding for a document that was refused; the error's place may go on after the file name."""
        path = error.place.removeprefix(file).strip()
        return cls(error.code, file, path or "$", error.rule, error.next_step)


def guarded(check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a check finds. One that breaks is a finding of its own: what was not checked is not sound."""
    try:
        return list(check())
    except Exception as error:
        rule = f"a check of the bundle broke: {type(error).__name__}: {error}"
        return [Finding("GATE-ERROR", ".", "$", rule, "report this as a bug of husai, with the bundle")]


def believable(findings: Iterable[Finding]) -> bool:
    """Whether everything was checked and nothing is forged; a benchmark that failed openly is no forgery."""
    return not any(f.severity == ExitCode.INVALID or f.code == "GATE-ERROR" for f in findings)
