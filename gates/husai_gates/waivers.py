"""Waivers: rules that do not hold and are accepted for a time, by people who answer for it.

A waiver is an exception from a policy and so never part of a bundle: whoever judges brings it. It names one rule, one
condition and the weights it was granted for, who owns it and who approved it, why, until when, and the worst value that
is still accepted. What it cannot do: last longer than the policy lets it, touch a rule that the policy does not call
waivable, or excuse evidence that cannot be believed and checks that broke.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import husai_schemas
from husai_core import strict_json
from husai_core.errors import UsageError, did_you_mean
from husai_core.strict_toml import TomlProblem, read_toml
from husai_core.written import refuse_other_kind
from husai_gates.condition import Condition
from husai_gates.decision import WORST_FIRST, Cell, Row
from husai_gates.finding import Finding
from husai_gates.plain_text import number, plain
from husai_gates.policy import Policy, Rule

FILE = "waivers"  # how findings call the file, wherever it lies
FORM = "%Y-%m-%dT%H:%M:%SZ"

State = Literal["used", "not_needed", "refused"]
_WAIVED_FROM = frozenset({"fail", "missing", "inconclusive"})


@dataclass(frozen=True)
class Waiver:
    """One rule on one condition, accepted from `granted` until right before `expires`."""

    rule: str
    condition: str
    subject: str
    owner: str
    approver: str
    reason: str
    granted: datetime
    expires: datetime
    floor: float | None

    def to_json(self, state: State) -> dict[str, Any]:
        texts = {key: getattr(self, key) for key in ("rule", "condition", "owner", "approver", "reason")}
        return {**texts, "expires": self.expires.strftime(FORM), "state": state}


@dataclass(frozen=True)
class Waivers:
    """A file of waivers, and the instant at which it is looked at."""

    digest: str
    at: datetime
    waivers: tuple[Waiver, ...]


def load(raw: bytes, place: str, at: datetime) -> Waivers:
    """The waivers in these bytes; the first thing wrong is a UsageError with its place."""
    try:
        data = read_toml(raw)
    except TomlProblem as error:
        raise UsageError(f"{place} {error.path}", error.rule) from None
    refuse_other_kind(data, "waivers", place)
    if problems := husai_schemas.problems("waivers", data):
        raise UsageError(f"{place} {problems[0].path}", plain(problems[0].rule), "see 'husai schema show waivers'")
    waivers = tuple(_waiver(table, f"{place} $.waiver[{n}]") for n, table in enumerate(data["waiver"]))
    seen: set[tuple[str, str]] = set()
    for index, waiver in enumerate(waivers):
        if (waiver.rule, waiver.condition) in seen:
            rule = f"a second waiver of '{waiver.rule}' for '{waiver.condition}'"
            raise UsageError(f"{place} $.waiver[{index}]", rule, "keep the one that counts")
        seen.add((waiver.rule, waiver.condition))
    return Waivers(strict_json.digest(raw), at.astimezone(UTC).replace(microsecond=0), waivers)


def _waiver(table: Mapping[str, Any], place: str) -> Waiver:
    owner, approver = table["owner"], table["approver"]
    if owner.casefold() == approver.casefold():
        raise UsageError(f"{place}.approver", f"'{approver}' is the owner, too", "somebody else must approve it")
    found = Waiver(
        **{key: table[key] for key in ("rule", "condition", "subject", "owner", "approver")},
        reason=plain(table["reason"]),
        granted=_instant(table["granted"], f"{place}.granted"),
        expires=_instant(table["expires"], f"{place}.expires"),
        floor=None if "floor" not in table else float(table["floor"]),
    )
    if not found.granted < found.expires:
        raise UsageError(f"{place}.expires", "is not after 'granted'", "correct the two instants")
    return found


def _instant(text: str, place: str) -> datetime:
    try:
        return datetime.strptime(text, FORM).replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(place, f"{text} is no day of the calendar or time of the day", "correct it") from None


def digest_of(condition: Condition) -> str:
    """What a waiver names: the weights of every seed of a condition, in the order of the seeds."""
    return strict_json.digest(strict_json.encode([[s.seed, s.identity] for s in condition.subjects]))


def waived(
    rows: tuple[Row, ...], policy: Policy, given: Waivers, conditions: Mapping[str, Condition]
) -> tuple[tuple[Row, ...], tuple[Finding, ...], tuple[dict[str, Any], ...]]:
    """The rows with every waiver that holds applied, findings for those that do not, and a record of all."""
    rules = {rule.id: rule for rule in policy.rules}
    by_name = {row.rule: row for row in rows}
    findings: list[Finding] = []
    record: list[dict[str, Any]] = []
    for index, waiver in enumerate(given.waivers):
        problems = list(_problems(waiver, given.at, policy, rules, by_name, conditions))
        findings += [Finding(code, FILE, f"$.waiver[{index}]", rule, step) for code, rule, step in problems]
        if problems:
            record.append(waiver.to_json("refused"))
            continue
        row = by_name[waiver.rule]
        cells = tuple(_apply(cell, waiver) for cell in row.cells)
        record.append(waiver.to_json("used" if cells != row.cells else "not_needed"))
        by_name[waiver.rule] = _with_cells(row, cells)
    return tuple(by_name[row.rule] for row in rows), tuple(findings), tuple(record)


Problem = tuple[str, str, str]
"""Code, rule and next step."""


def _problems(
    waiver: Waiver,
    at: datetime,
    policy: Policy,
    rules: Mapping[str, Rule],
    rows: Mapping[str, Row],
    conditions: Mapping[str, Condition],
) -> Iterator[Problem]:
    """Why a waiver does not hold; all reasons, so that they can be mended at once."""
    rule = rules.get(waiver.rule)
    if rule is None:
        yield "WAIVER-UNMATCHED", f"the policy has no rule '{waiver.rule}'", did_you_mean(waiver.rule, rules)
        return
    if not rule.waivable:
        yield "WAIVER-FORBIDDEN", f"the policy does not call '{rule.id}' waivable", "meet the rule"
    if waiver.expires - waiver.granted > timedelta(days=policy.waiver_days):
        says = f"lasts longer than the {policy.waiver_days} days that the policy allows"
        yield "WAIVER-LIFETIME", says, "let it expire earlier, and renew it if it must be"
    if at < waiver.granted:
        yield "WAIVER-NOT-YET", f"is granted from {waiver.granted:{FORM}} on, it is {at:{FORM}}", "wait"
    if not at < waiver.expires:
        says = f"expired at {waiver.expires:{FORM}}, it is {at:{FORM}}"
        yield "WAIVER-EXPIRED", says, "meet the rule, or have the waiver renewed"
    condition = conditions.get(waiver.condition)
    cells = [cell for cell in rows[rule.id].cells if cell.condition == waiver.condition]
    if condition is None or not cells:
        if rows[rule.id].status in ("invalid", "error"):
            yield _unbelievable(rule.id, rows[rule.id].status)
            return
        known = sorted({cell.condition for cell in rows[rule.id].cells})
        says = f"the rule '{rule.id}' talks about no condition '{waiver.condition}'"
        yield "WAIVER-UNMATCHED", says, did_you_mean(waiver.condition, known)
        return
    if waiver.subject != (digest := digest_of(condition)):
        says = f"was granted for other weights than those of '{condition.name}'"
        yield "WAIVER-SUBJECT", says, f"a waiver for these would name {digest}"
    for cell in cells:
        if cell.status in ("invalid", "error"):
            yield _unbelievable(rule.id, cell.status)
        elif cell.status in _WAIVED_FROM and (below := _below_floor(cell, rule, waiver.floor)):
            yield "WAIVER-FLOOR", below, "meet the floor; a lower one needs a new approval"


def _unbelievable(rule: str, status: str) -> Problem:
    return "WAIVER-INTEGRITY", f"'{rule}' is {status}, and integrity is never waived", "see the findings"


def _below_floor(cell: Cell, rule: Rule, floor: float | None) -> str:
    """Why a cell is not above the floor of its waiver; empty where it is."""
    if cell.interval is None:
        return "" if floor is None else "nothing was measured that could be held to the floor"
    if floor is None:
        return f"states no floor, and {rule.metric} was measured: {cell.says}"
    low, high = cell.interval.low, cell.interval.high
    worst = [cell.worst[1]] if cell.worst else []
    bounds = rule.bounds
    lower = bounds.at_least is not None or bounds.worst_at_least is not None
    upper = bounds.at_most is not None or bounds.worst_at_most is not None
    if rule.kind == "equivalence":
        seen = max(abs(low), abs(high))
        return "" if seen <= floor else f"the difference may be {number(seen)}, the floor is {number(floor)}"
    if lower and upper:
        return "what is bounded on both sides has no worse one, so no floor can be held"
    if rule.kind == "threshold" and upper:
        seen = max([high, *worst])
        return "" if seen <= floor else f"{rule.metric} may be {number(seen)}, the floor is {number(floor)}"
    seen = min([low, *worst])
    return "" if seen >= floor else f"{rule.metric} may be {number(seen)}, the floor is {number(floor)}"


def _apply(cell: Cell, waiver: Waiver) -> Cell:
    if cell.condition != waiver.condition or cell.status not in _WAIVED_FROM:
        return cell
    says = (
        f"waived until {waiver.expires:{FORM}} by {waiver.owner}, approved by {waiver.approver}: {waiver.reason} "
        f"(it is {cell.status}: {cell.says})"
    )
    return dataclasses.replace(cell, status="waived", code="WAIVED", says=says, next_step="")


def _with_cells(row: Row, cells: tuple[Cell, ...]) -> Row:
    """The row that says what its worst cell now says."""
    if cells == row.cells:
        return row
    worst = min(cells, key=lambda cell: WORST_FIRST.index(cell.status))
    return dataclasses.replace(
        row, status=worst.status, code=worst.code, says=worst.says, next_step=worst.next_step, cells=cells
    )
