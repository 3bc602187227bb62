"""The decision: one row per rule of the policy, the findings, and the one verdict that follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import husai_core
from husai_core import strict_json
from husai_core.errors import ExitCode, InvalidEvidence
from husai_gates.finding import Finding, gravest
from husai_gates.interval import Interval, Spread
from husai_gates.plain_text import plain

DECISION_SCHEMA = "husai:decision/v1"

Status = Literal["pass", "fail", "missing", "invalid", "inconclusive", "error", "waived", "not_applicable"]
STATUSES: tuple[Status, ...] = get_args(Status)

# The first of these that occurs among the cells of a row is the status of the row.
WORST_FIRST: tuple[Status, ...] = (
    "invalid", "error", "fail", "missing", "inconclusive", "not_applicable", "waived", "pass",
)  # fmt: skip
RELEASING = frozenset({"pass", "waived", "not_applicable"})
_DOUBT = {"invalid": ExitCode.INVALID, "error": ExitCode.ERROR}

VERDICTS = {
    ExitCode.RELEASED: "released",
    ExitCode.NOT_RELEASED: "not_released",
    ExitCode.INVALID: "invalid",
    ExitCode.ERROR: "error",
    ExitCode.NOTHING_EVALUATED: "nothing_evaluated",
    ExitCode.USAGE: "policy_error",
}


def conclude(statuses: Iterable[str], findings: Iterable[Finding]) -> ExitCode:
    """The exit code. The first line that applies wins: a graver doubt is never hidden by a lesser one.

    3 evidence that cannot be believed: nothing said about it means anything
    64 a policy that does not fit: its rows answer another question than the one that was agreed
    4 a rule, a check or an evaluator that broke
    5 nothing was evaluated
    2 a rule that does not hold or could not be shown to hold, or a finding that bars release
    0 every row releases, at least one passed, and nothing was found
    """
    rows = list(statuses)
    doubts = {finding.severity for finding in findings}
    doubts |= {_DOUBT.get(row, ExitCode.NOT_RELEASED) for row in rows if row not in RELEASING}
    if "pass" not in rows and RELEASING.issuperset(rows):
        doubts.add(ExitCode.NOTHING_EVALUATED)
    return gravest(doubts)


_CELL_TEXTS = (
    "condition", "against", "status", "code", "says", "next_step", "evidence", "unit", "direction",
)  # fmt: skip


def _rounded(value: float) -> float:
    """Ten significant digits: more would differ between two machines' mathematical libraries."""
    return float(f"{value:.10g}")


@dataclass(frozen=True)
class Cell:
    """A rule on one condition, and what was compared with it."""

    condition: str
    against: str | None
    status: Status
    code: str
    says: str
    next_step: str = ""
    evidence: str | None = None
    unit: str | None = None
    direction: str | None = None
    interval: Interval | None = None
    worst: tuple[tuple[int, ...], float] | None = None
    p: float | None = None
    exact_p: float | None = None
    detectable: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "says", plain(self.says))
        object.__setattr__(self, "next_step", plain(self.next_step))

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            key: getattr(self, key)
            for key in (
                "condition",
                "against",
                "status",
                "code",
                "says",
                "next_step",
                "evidence",
                "unit",
                "direction",
            )
        }
        spread = self.interval.spread if self.interval else None
        data["interval"] = self.interval and {
            "estimate": _rounded(self.interval.estimate),
            "low": _rounded(self.interval.low),
            "high": _rounded(self.interval.high),
            "n": self.interval.n,
            "method": self.interval.method,
            "confidence": _rounded(self.interval.confidence),
            "standard_error": spread and _rounded(spread.error),
            "degrees_of_freedom": spread and _rounded(spread.freedom),
        }
        data["worst"] = self.worst and {"seeds": list(self.worst[0]), "value": _rounded(self.worst[1])}
        for key in ("p", "exact_p", "detectable"):
            value = getattr(self, key)
            data[key] = None if value is None else _rounded(value)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cell:
        fields = dict(data)
        fields["interval"] = _interval(data["interval"]) if data["interval"] else None
        worst = data["worst"]
        fields["worst"] = (tuple(worst["seeds"]), worst["value"]) if worst else None
        return cls(**fields)


def _interval(data: Mapping[str, Any]) -> Interval:
    """An interval as written: of its spreads, the one that made it as wide as it is."""
    fields = {key: data[key] for key in ("estimate", "low", "high", "n", "method", "confidence")}
    error, freedom = data["standard_error"], data["degrees_of_freedom"]
    return Interval(**fields, spreads=() if error is None else (Spread(error, freedom),))


@dataclass(frozen=True)
class InFamily:
    """Where a rule stands in its family: its p-value, that after Holm's correction, and the error of the family."""

    name: str
    p: float
    adjusted: float
    error: float
    rules: int

    def to_json(self) -> dict[str, Any]:
        numbers = {key: _rounded(getattr(self, key)) for key in ("p", "adjusted", "error")}
        return {"name": self.name, **numbers, "rules": self.rules}


@dataclass(frozen=True)
class Row:
    """A rule of the policy, judged. Status, code and words are those of its worst cell."""

    rule: str
    question: str
    reason: str
    kind: str
    asks: str
    status: Status
    code: str
    says: str
    next_step: str = ""
    cells: tuple[Cell, ...] = ()
    family: InFamily | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "says", plain(self.says))
        object.__setattr__(self, "next_step", plain(self.next_step))

    @property
    def detectable(self) -> float | None:
        """The smallest effect that would have been seen in every cell; None where a cell has none."""
        found = [cell.detectable for cell in self.cells]
        known = [value for value in found if value is not None]
        return max(known) if known and len(known) == len(found) else None

    def to_json(self) -> dict[str, Any]:
        detectable = self.detectable
        return {
            **vars(self),
            "family": self.family and self.family.to_json(),
            "detectable": None if detectable is None else _rounded(detectable),
            "cells": [cell.to_json() for cell in self.cells],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Row:
        fields = {key: value for key, value in data.items() if key != "detectable"}
        fields["family"] = InFamily(**data["family"]) if data["family"] else None
        return cls(**{**fields, "cells": tuple(Cell.from_json(cell) for cell in data["cells"])})


@dataclass(frozen=True)
class PolicyName:
    """Which policy was judged by: its name, version, bytes, purpose and default confidence."""

    name: str
    version: str
    digest: str
    purpose: str
    confidence: float


@dataclass(frozen=True)
class Decision:
    """The rows and findings of one policy on one bundle. Nothing in it depends on when or where, but for waivers.

    `baseline` is the content digest of the last release, where the bundle was compared with one. `waivers` are those
    that were given and what became of each, with the digest of their file and the instant they were looked at.
    `attested_by` names the trusted keys that signed the bundle; without any, its maker alone vouches for it.
    """

    policy: PolicyName
    content_digest: str
    assurance: str
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    made_by: str = husai_core.__version__
    baseline: str | None = None
    waivers: Mapping[str, Any] | None = None
    attested_by: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        return conclude([row.status for row in self.rows], self.findings)

    @property
    def verdict(self) -> str:
        return VERDICTS[self.exit_code]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": DECISION_SCHEMA,
            "husai": self.made_by,
            "policy": vars(self.policy),
            "bundle": {"content_digest": self.content_digest},
            "baseline": self.baseline and {"content_digest": self.baseline},
            "waivers": self.waivers,
            "assurance": self.assurance,
            **({"attested_by": list(self.attested_by)} if self.attested_by else {}),
            "verdict": self.verdict,
            "exit_code": int(self.exit_code),
            "rows": [row.to_json() for row in self.rows],
            "findings": [finding.to_json() for finding in self.findings],
        }

    def substance(self) -> dict[str, Any]:
        """What is decided and on which numbers, without the words that another version of HUSAI may put otherwise."""
        data = self.to_json()
        words = {"asks", "says", "next_step"}
        for row in data["rows"]:
            row["cells"] = [{k: v for k, v in cell.items() if k not in words} for cell in row["cells"]]
        return {
            **{
                key: data[key]
                for key in ("policy", "bundle", "baseline", "waivers", "assurance", "verdict", "exit_code")
            },
            "attested_by": list(self.attested_by),
            "rows": [{k: v for k, v in row.items() if k not in words} for row in data["rows"]],
            "findings": [{k: f[k] for k in ("code", "file", "path")} for f in data["findings"]],
        }

    def agrees_with(self, again: Decision) -> bool:
        """Whether it is what judging again gives: to the byte, or in substance where another version made it."""
        if self.made_by == again.made_by:
            return self.to_bytes() == again.to_bytes()
        return self.substance() == again.substance()

    def to_bytes(self) -> bytes:
        """The one form a decision is written in."""
        return strict_json.encode(self.to_json())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Decision:
        """A decision as read back; one whose verdict does not follow from its rows is refused."""
        decision = cls(
            policy=PolicyName(**data["policy"]),
            content_digest=data["bundle"]["content_digest"],
            assurance=data["assurance"],
            rows=tuple(Row.from_json(row) for row in data["rows"]),
            findings=tuple(Finding.from_json(finding) for finding in data["findings"]),
            made_by=data["husai"],
            baseline=data["baseline"] and data["baseline"]["content_digest"],
            waivers=data["waivers"],
            attested_by=tuple(data.get("attested_by", ())),
        )
        if (data["verdict"], data["exit_code"]) != (decision.verdict, decision.exit_code):
            rule = f"says '{plain(data['verdict'])}', its rows and findings give '{decision.verdict}'"
            raise InvalidEvidence("EV-VIEW", "decision.json $.verdict", rule, "judge the bundle again")
        return decision
