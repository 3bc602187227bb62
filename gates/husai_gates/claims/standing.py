"""The standing of a printed number: what the evidence says of its digits, its unit and its subject."""

from __future__ import annotations

import re

from husai_gates.cannot_judge import CannotJudge
from husai_gates.claims import printed
from husai_gates.claims.ledger import Claim, Number
from husai_gates.claims.phrase import Hit, Pointer
from husai_gates.claims.printed import Printed
from husai_gates.claims.reading import COUNTS, Reading
from husai_gates.claims.verdict import Status, status_of
from husai_gates.plain_text import number as words_of

_ROLE = re.compile(r"\b(baseline|control|candidate)(?:['’]s)?[\s:=(,]*(?:is|of|at)?[\s$]*$", re.IGNORECASE)
_PERCENT = ("%", "percent")
MOST_OWNERS = 3


def standing(claim: Claim, pointer: Pointer, hit: Hit, reading: Reading) -> tuple[Status, str, str]:
    """What the evidence says of one printed number."""
    number = claim.numbers[pointer.number]
    try:
        true = reading.statistic(pointer.statistic)
    except CannotJudge as stop:
        return status_of(stop), f"'{hit.text}': {stop.says} [{stop.code}]", stop.next_step
    says = f"{pointer.statistic} of {reading.says}" if pointer.statistic else reading.says
    if isinstance(true, str):
        return _worded(hit.text, true, says)
    try:
        seen = printed.read(hit.text, hit.before, hit.after, hit.lead)
    except ValueError as error:
        return "contradicted", f"{error}, the evidence gives {words_of(true)} ({says})", "print the number"
    if problem := _comparator(claim, pointer, reading):
        return "contradicted", f"'{hit.text}': {problem}", "name the right subject, or set 'role' to what is meant"
    if problem := _unit(number, pointer, hit, seen):
        return "contradicted", f"'{hit.text}': {problem}", "print the unit, or correct the claim"
    shown = true * scale(number, pointer, reading, seen)
    if seen.agrees(shown):
        return "supported", f"{seen.bound}{hit.text} is {words_of(shown)}: {says}", ""
    owners = _owners(seen, scale(number, pointer, reading, seen), reading)
    return (
        "contradicted",
        f"'{seen.bound}{hit.text}' is printed, the evidence gives {words_of(shown)}: {says}{owners}",
        "correct the number",
    )


def _worded(text: str, true: str, says: str) -> tuple[Status, str, str]:
    def plainly(words: str) -> str:
        return " ".join(words.replace("_", " ").replace("-", " ").lower().split())

    if plainly(text) == plainly(true):
        return "supported", f"'{text}': {says}", ""
    return "contradicted", f"'{text}' is printed, the evidence says '{true}': {says}", "correct the word"


def scale(number: Number, pointer: Pointer, reading: Reading, seen: Printed) -> float:
    """What the evidence's value is multiplied by before it is printed: 100 for a share in percent."""
    if pointer.statistic in COUNTS or (not pointer.statistic and number.statistic in COUNTS):
        return 1.0
    if pointer.statistic == "confidence":
        return 100.0 if seen.percent else 1.0
    if number.scale is not None:
        return number.scale
    percent = seen.percent or number.unit == "%"
    return 100.0 if percent and reading.unit not in _PERCENT else 1.0


def _unit(number: Number, pointer: Pointer, hit: Hit, seen: Printed) -> str | None:
    """What is wrong with the unit that stands after a number; a bound of an interval need not repeat it."""
    if number.unit is None or pointer.statistic:
        return None
    after = hit.after.lstrip(" \u00a0\u202f\u2009~\\,$")
    rest = after.removeprefix(number.unit)
    found = seen.percent if number.unit == "%" else rest != after and not rest[:1].isalpha()
    return None if found else f"is not followed by its unit '{number.unit}'"


def _comparator(claim: Claim, pointer: Pointer, reading: Reading) -> str | None:
    """What is wrong where the word before a number names a role, and the number is of a subject of another."""
    own = reading.own
    if claim.phrase is None or own is None or claim.numbers[pointer.number].role:
        return None
    named = _ROLE.search(claim.phrase.before(pointer.number))
    if named is None or named[1].lower() == own.condition.role:
        return None
    return f"the sentence calls it a {named[1].lower()}, {reading.says} is of a {own.condition.role}"


def _owners(seen: Printed, factor: float, reading: Reading) -> str:
    """Whose number it is that was printed, where it is someone's."""
    own = reading.own
    if own is None or reading.summary or len(seen.value.as_tuple().digits) < 3:
        return ""  # with two digits it could be anyone's
    found = []
    for measurement in own.located.evidence.measurements:
        values = list(measurement.by_unit().values())
        if values and seen.agrees(factor * sum(values) / len(values)):
            found.append(f"{measurement.card.name} of '{measurement.condition}'")
    return f"; what is printed is {' or '.join(found[:MOST_OWNERS])}" if found else ""
