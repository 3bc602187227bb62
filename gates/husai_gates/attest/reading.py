"""Reading attestations: every line is an envelope that holds a statement we know, or a finding says why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from husai_core import strict_json
from husai_core.errors import InvalidEvidence
from husai_gates.attest.envelope import Envelope
from husai_gates.attest.files import path_for
from husai_gates.attest.statements import PREDICATES, STATEMENT, line_digest
from husai_gates.finding import Finding

_AGAIN = "get the attestation again from who made it"


@dataclass(frozen=True)
class Line:
    """One signed statement, and where it stands."""

    path: str
    number: int
    raw: bytes
    envelope: Envelope
    statement: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.statement["predicateType"])

    @property
    def predicate(self) -> Mapping[str, Any]:
        predicate: Mapping[str, Any] = self.statement["predicate"]
        return predicate

    @cached_property
    def digest(self) -> str:
        return line_digest(self.raw)

    @property
    def keyids(self) -> frozenset[str]:
        """The keys that it says it is signed with."""
        return frozenset(signature.keyid for signature in self.envelope.signatures)

    def finding(self, code: str, path: str, rule: str, next_step: str = "") -> Finding:
        return Finding(code, self.path, f"line {self.number} {path}", rule, next_step)


def read_lines(attested: Mapping[str, bytes]) -> tuple[list[Line], list[Finding]]:
    """The statements of all attestations of a bundle, and what is wrong with the others."""
    lines: list[Line] = []
    findings: list[Finding] = []
    for path, raw in sorted(attested.items()):
        if path_for(raw) != path:
            rule = f"its bytes belong at {path_for(raw)}: they were changed, or the file renamed"
            findings.append(Finding("EV-DIGEST", path, "$", rule, _AGAIN))
        for number, line in enumerate(_split(raw), 1):
            try:
                lines.append(_line(path, number, line))
            except InvalidEvidence as error:
                findings.append(Finding.of_error(error, path))
    return lines, findings


def _split(raw: bytes) -> Iterator[bytes]:
    """The lines; what comes after the last line break counts as one, so that nothing at the end goes unread."""
    lines = raw.split(b"\n")
    yield from lines if lines[-1] or len(lines) == 1 else lines[:-1]


def _line(path: str, number: int, raw: bytes) -> Line:
    place = f"{path} line {number}"
    envelope = Envelope.of_line(raw, place)
    inside = f"{place} payload"
    statement = strict_json.parse(envelope.payload, inside)
    if not isinstance(statement, dict) or statement.get("_type") != STATEMENT:
        raise InvalidEvidence("EV-PREDICATE", f"{inside} $._type", f"is no statement of type {STATEMENT}", _AGAIN)
    if statement.get("predicateType") not in PREDICATES:
        rule = f"{statement.get('predicateType')!r} is none of {', '.join(PREDICATES)}"
        raise InvalidEvidence("EV-PREDICATE", f"{inside} $.predicateType", rule, "remove what is not about this bundle")
    keys = {"_type", "subject", "predicateType", "predicate"}
    if set(statement) != keys or not isinstance(statement["predicate"], dict):
        raise InvalidEvidence("EV-PREDICATE", f"{inside} $", f"must be an object of {', '.join(sorted(keys))}", _AGAIN)
    return Line(path, number, raw, envelope, statement)
