"""The policy: what must hold, why, on which evidence, at which confidence; parsed from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import husai_schemas
from husai_core import strict_json
from husai_core.errors import UsageError, did_you_mean
from husai_core.evidence import Scalar
from husai_core.strict_toml import TomlProblem, read_toml
from husai_gates.plain_text import plain

Kind = Literal["present", "threshold", "superiority", "non_inferiority", "equivalence", "qualified"]

CHANCE = "chance"


@dataclass(frozen=True)
class Who:
    """Which conditions are meant: all of a role, one by name, or the controls of that name."""

    by: Literal["role", "control", "condition"]
    name: str

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Who:
        by: Any
        ((by, name),) = table.items()
        return cls(by, name)

    def __str__(self) -> str:
        return f"{self.by} '{self.name}'"


@dataclass(frozen=True)
class Bounds:
    """Numbers of a threshold rule: for the confidence bounds, and for every single unit."""

    at_least: float | None = None
    at_most: float | None = None
    worst_at_least: float | None = None
    worst_at_most: float | None = None


@dataclass(frozen=True)
class Rule:
    """One question to the evidence. `against` is None where nothing is compared."""

    id: str
    question: str
    reason: str
    kind: Kind
    benchmark: str
    metric: str | None
    setting: Mapping[str, Scalar]
    site: str | None
    subject: Who
    confidence: float
    min_units: int
    bounds: Bounds
    against: Who | Literal["chance"] | None
    margin: float


@dataclass(frozen=True)
class Policy:
    """A parsed policy with the digest of the bytes it came from.

    `confidence` is that of two-sided t intervals. A rule that needs one bound takes one end of such an
    interval, so its one-sided error is (1 - confidence) / 2. Equivalence is two one-sided tests, each at
    error 1 - confidence, which is the two-sided interval of confidence 1 - 2 (1 - confidence).
    """

    name: str
    version: str
    purpose: str
    digest: str
    confidence: float
    min_units: int
    preregistered: bool
    code: Literal["clean", "any"]
    rules: tuple[Rule, ...]


def load(raw: bytes, place: str) -> Policy:
    """The policy in these bytes; the first thing wrong is a UsageError with its place."""
    try:
        data = read_toml(raw)
    except TomlProblem as error:
        raise UsageError(f"{place} {error.path}", error.rule) from None
    _refuse_unknown_keys(data, place)
    if problems := husai_schemas.problems("policy", data):
        raise UsageError(f"{place} {problems[0].path}", plain(problems[0].rule), "see 'husai schema show policy'")
    rules = tuple(_rule(table, data) for table in data.get("rule", ()))
    _refuse_repeated_ids(rules, place)
    return Policy(
        name=data["name"],
        version=plain(data["version"]),
        purpose=plain(data["purpose"]),
        digest=strict_json.digest(raw),
        confidence=float(data["confidence"]),
        min_units=data["min_units"],
        preregistered=data.get("preregistered", False),
        code=data.get("code", "clean"),
        rules=rules,
    )


def _refuse_unknown_keys(data: Mapping[str, Any], place: str) -> None:
    """Before anything else, because a misspelt key is best answered with the nearest one."""
    schema = husai_schemas.load("policy")
    _refuse_unknown(data, schema["properties"], f"{place} $")
    rules = data.get("rule", ())
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        here = f"{place} $.rule[{index}]"
        if not isinstance(rule, dict) or not isinstance(rule.get("kind"), str):
            continue
        kinds = schema["properties"]["rule"]["items"]["properties"]["kind"]["enum"]
        if rule["kind"] not in kinds:
            known = did_you_mean(plain(rule["kind"]), kinds)
            raise UsageError(f"{here}.kind", f"no kind of rule '{plain(rule['kind'])}'", known)
        _refuse_unknown(rule, schema["$defs"][rule["kind"]]["properties"], here)


def _refuse_unknown(table: Mapping[str, Any], known: Mapping[str, Any], place: str) -> None:
    for key in table:
        if key not in known:
            raise UsageError(place, f"unknown key '{plain(key)}'", did_you_mean(key, known))


def _refuse_repeated_ids(rules: tuple[Rule, ...], place: str) -> None:
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        if rule.id in seen:
            raise UsageError(f"{place} $.rule[{index}].id", f"the id '{rule.id}' stands twice", "rename one of them")
        seen.add(rule.id)


def _rule(table: Mapping[str, Any], policy: Mapping[str, Any]) -> Rule:
    against = table.get("over", table.get("to", table.get("bad")))
    return Rule(
        id=table["id"],
        question=plain(table["question"]),
        reason=plain(table["reason"]),
        kind=table["kind"],
        benchmark=table["benchmark"],
        metric=table.get("metric"),
        setting=table.get("setting", {}),
        site=table.get("site"),
        subject=Who.from_table(table.get("subject", table.get("good", {"role": "candidate"}))),
        confidence=float(table.get("confidence", policy["confidence"])),
        min_units=table.get("min_units", policy["min_units"]),
        bounds=Bounds(**{key: table[key] for key in vars(Bounds()) if key in table}),
        against=Who.from_table(against) if isinstance(against, dict) else against,
        margin=float(table.get("margin", 0)),
    )
