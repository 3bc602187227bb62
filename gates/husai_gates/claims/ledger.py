"""The ledger: claims.toml, which says of each number in a text where in the evidence it comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import husai_schemas
from husai_core.errors import UsageError, did_you_mean
from husai_core.evidence import Scalar
from husai_core.strict_toml import TomlProblem, read_toml
from husai_core.written import refuse_other_kind
from husai_gates.claims.document import read_bytes
from husai_gates.claims.phrase import Phrase, Pointer
from husai_gates.plain_text import plain

STATISTICS: tuple[str, ...] = tuple(husai_schemas.load("claims")["$defs"]["statistic"]["enum"])

Kind = Literal["measurement", "document", "file", "decision", "difference", "ratio"]
Relation = Literal["better than", "worse than", "higher than", "lower than", "at least", "at most", "same as"]

_PRINTING = {"unit", "scale", "decimals"}
_KEYS: Mapping[Kind, set[str]] = {
    "measurement": {
        *("bundle", "benchmark", "metric", "setting", "site", "condition", "role"),
        *("minus", "over", "statistic", "confidence"),
    },
    "document": {"bundle", "document", "pointer", "count", "statistic", "better"},
    "file": {"file", "pointer", "count", "statistic", "better"},
    "decision": {"bundle", "policy", "rules", "row", "cells", "verdict"},
    "difference": {"difference", "confidence", "better"},
    "ratio": {"ratio", "better"},
}
_NEEDS: Mapping[Kind, tuple[str, ...]] = {
    "measurement": ("bundle", "benchmark", "metric", "condition"),
    "document": ("bundle", "document", "pointer"),
    "file": ("file", "pointer"),
    "decision": ("bundle", "policy"),
    "difference": (),
    "ratio": (),
}


@dataclass(frozen=True)
class Source:
    """A bundle or a file that claims lean on, and the digest it had when they were written, if that is pinned."""

    name: str
    path: str
    digest: str | None


@dataclass(frozen=True)
class Number:
    """Where a number comes from, and how it is printed. Which of the fields are set depends on its kind."""

    name: str
    kind: Kind
    place: str
    bundle: str = ""
    benchmark: str = ""
    metric: str = ""
    setting: Mapping[str, Scalar] = field(default_factory=dict)
    site: str | None = None
    condition: str = ""
    role: str | None = None
    minus: str | None = None
    over: str | None = None
    statistic: str = "mean"
    confidence: float = 0.95
    file: str = ""
    document: str = ""
    pointer: str = ""
    count: bool = False
    better: Literal["higher", "lower"] | None = None
    policy: str = ""
    rules: str | None = None
    row: str | None = None
    cells: str | None = None
    verdict: bool = False
    difference: tuple[str, ...] = ()
    ratio: tuple[str, ...] = ()
    unit: str | None = None
    scale: float | None = None
    decimals: int | None = None

    @property
    def worded(self) -> bool:
        """Whether it is a word: the status of a rule, or a verdict."""
        return self.verdict or (self.row is not None and self.cells is None)

    @property
    def operands(self) -> tuple[str, ...]:
        """The numbers of the claim that this one is made of."""
        return self.difference or self.ratio


@dataclass(frozen=True)
class Comparison:
    """What a sentence says of two numbers, or of a number and a bound."""

    number: str
    relation: Relation
    than: str | float
    margin: float
    nominal: bool
    confidence: float


@dataclass(frozen=True)
class Claim:
    """One sentence: its numbers, where they stand in which document, and what it compares."""

    id: str
    place: str
    document: str
    phrase: Phrase | None
    occurrences: int
    numbers: Mapping[str, Number]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Allowed:
    """Numbers that need no claim, and why."""

    pattern: re.Pattern[str]
    reason: str
    document: str | None


@dataclass(frozen=True)
class Ledger:
    """A parsed claims.toml. Paths in it are relative to its folder."""

    place: str
    folder: Path
    bundles: Mapping[str, Source]
    files: Mapping[str, Source]
    claims: tuple[Claim, ...]
    covered: tuple[str, ...]
    code: bool
    allowed: tuple[Allowed, ...]


def load(path: Path) -> Ledger:
    """The ledger at a path; the first thing wrong is a UsageError with its place."""
    return parse(read_bytes(path, str(path)), str(path), path.parent)


def parse(raw: bytes, place: str, folder: Path) -> Ledger:
    """The ledger in these bytes."""
    try:
        data = read_toml(raw)
    except TomlProblem as error:
        raise UsageError(f"{place} {error.path}", error.rule) from None
    refuse_other_kind(data, "claims", place)
    if problems := husai_schemas.problems("claims", data):
        raise UsageError(f"{place} {problems[0].path}", plain(problems[0].rule), "see 'husai schema show claims'")
    bundles = {name: Source(name, t["path"], t.get("digest")) for name, t in data.get("bundles", {}).items()}
    files = {name: Source(name, t["path"], t.get("digest")) for name, t in data.get("files", {}).items()}
    claims = tuple(_claim(table, f"{place} $.claim[{index}]") for index, table in enumerate(data.get("claim", ())))
    coverage = data.get("coverage", {})
    ledger = Ledger(
        place=place,
        folder=folder,
        bundles=bundles,
        files=files,
        claims=claims,
        covered=tuple(os.path.normpath(path) for path in coverage.get("documents", ())),
        code=coverage.get("code", False),
        allowed=tuple(_allowed(coverage, place)),
    )
    _refuse_repeated_ids(ledger)
    for claim in claims:
        _check_claim(claim, ledger)
    return ledger


def _allowed(coverage: Mapping[str, Any], place: str) -> Iterator[Allowed]:
    for index, table in enumerate(coverage.get("allow", ())):
        document = os.path.normpath(table["document"]) if "document" in table else None
        try:
            yield Allowed(re.compile(table["pattern"]), plain(table["reason"]), document)
        except re.error as error:
            here = f"{place} $.coverage.allow[{index}].pattern"
            raise UsageError(here, f"no regular expression: {error}") from None


def _claim(table: Mapping[str, Any], place: str) -> Claim:
    place = f"{place} '{table['id']}'"
    defaults = table.get("from", {})
    return Claim(
        id=table["id"],
        place=place,
        document=os.path.normpath(table["document"]),
        phrase=Phrase(table["phrase"]) if "phrase" in table else None,
        occurrences=table.get("occurrences", 1),
        numbers={
            name: _number(name, number, defaults, f"{place} numbers.{name}")
            for name, number in table["numbers"].items()
        },
        comparisons=tuple(_comparison(one) for one in table.get("compare", ())),
    )


def _comparison(table: Mapping[str, Any]) -> Comparison:
    return Comparison(
        number=table["number"],
        relation=table["is"],
        than=table["than"] if isinstance(table["than"], str) else float(table["than"]),
        margin=float(table.get("margin", 0)),
        nominal=table.get("nominal", False),
        confidence=float(table.get("confidence", 0.95)),
    )


def _number(name: str, own: Mapping[str, Any], defaults: Mapping[str, Any], place: str) -> Number:
    kind = _kind(own, defaults)
    known = _KEYS[kind] | _PRINTING
    if odd := sorted(own.keys() - known):
        raise UsageError(place, f"a {kind} has no '{odd[0]}'", did_you_mean(odd[0], known))
    table = {**{key: value for key, value in defaults.items() if key in known}, **own}
    if missing := [key for key in _NEEDS[kind] if key not in table]:
        raise UsageError(place, f"a {kind} needs '{missing[0]}'", "give it here or under 'from'")
    if kind == "decision" and sum(key in table for key in ("rules", "row", "verdict")) != 1:
        raise UsageError(place, "a decision needs exactly one of 'rules', 'row' and 'verdict'")
    if "cells" in table and "row" not in table:
        raise UsageError(place, "'cells' counts those of a row", "name the 'row'")
    if "minus" in table and "over" in table:
        raise UsageError(place, "'minus' and 'over' exclude one another")
    for key in ("difference", "ratio"):
        table[key] = tuple(table.get(key, ()))
    for key in ("confidence", "scale"):
        if key in table:
            table[key] = float(table[key])
    return Number(name=name, kind=kind, place=place, **table)


def _kind(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> Kind:
    if "difference" in own or "ratio" in own:
        return "difference" if "difference" in own else "ratio"
    if own.keys() & {"rules", "row", "verdict"}:
        return "decision"
    if own.keys() & {"pointer", "file", "document"}:
        in_bundle = "bundle" in own or ("file" not in own and "document" in {**defaults, **own})
        return "document" if in_bundle else "file"
    return "measurement"


def _refuse_repeated_ids(ledger: Ledger) -> None:
    seen: set[str] = set()
    for claim in ledger.claims:
        if claim.id in seen:
            raise UsageError(claim.place, f"the id '{claim.id}' stands twice", "rename one of them")
        seen.add(claim.id)


def _check_claim(claim: Claim, ledger: Ledger) -> None:
    """Every name that a claim uses exists, and every number that it defines is used."""
    used: set[str] = set()
    for comparison in claim.comparisons:
        used |= {comparison.number, *([comparison.than] if isinstance(comparison.than, str) else [])}
    for number in claim.numbers.values():
        used |= set(number.operands)
        for kind, name, known in (("bundle", number.bundle, ledger.bundles), ("file", number.file, ledger.files)):
            if name and name not in known and (kind == "bundle" or number.kind == "file"):
                raise UsageError(number.place, f"no {kind} is called '{name}'", did_you_mean(name, known))
        _refuse_circles(number, claim, ())
    if claim.phrase is None:
        used |= set(claim.numbers)
    else:
        used |= _check_phrase(claim, claim.phrase)
    for name in sorted(used - claim.numbers.keys()):
        raise UsageError(claim.place, f"there is no number '{name}'", did_you_mean(name, claim.numbers))
    if idle := sorted(claim.numbers.keys() - used):
        raise UsageError(
            claim.place,
            f"the number '{idle[0]}' is neither printed nor compared",
            "put it into the phrase, or remove it",
        )


def _check_phrase(claim: Claim, phrase: Phrase) -> set[str]:
    if sum(c.isalnum() for c in phrase.words) < 2:
        raise UsageError(f"{claim.place} phrase", "has too few words to say where the number stands", "add some")
    used: set[str] = set()
    for hole in phrase.holes:
        for pointer in hole:
            check_statistic(pointer, f"{claim.place} phrase")
            used.add(pointer.number)
        worded = {claim.numbers[p.number].worded for p in hole if p.number in claim.numbers}
        if len(worded) > 1:
            raise UsageError(f"{claim.place} phrase", "one hole cannot hold a word and a number")
    if not used and not claim.comparisons:
        raise UsageError(claim.place, "neither prints nor compares a number", "add a hole such as {x} to the phrase")
    return used


def check_statistic(pointer: Pointer, place: str) -> None:
    """Refuse a statistic that no number has."""
    if pointer.statistic and pointer.statistic not in STATISTICS:
        known = did_you_mean(pointer.statistic, STATISTICS)
        raise UsageError(place, f"there is no statistic '{pointer.statistic}'", known)


def _refuse_circles(number: Number, claim: Claim, above: tuple[str, ...]) -> None:
    if number.name in above or len(above) > len(claim.numbers):
        raise UsageError(number.place, "is made of itself")
    for name in number.operands:
        if name in claim.numbers:
            _refuse_circles(claim.numbers[name], claim, (*above, number.name))
