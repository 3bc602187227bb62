"""Locations: where in a document a claim stands, by its phrase or between its markers."""

from __future__ import annotations

import re

from husai_core.errors import UsageError
from husai_gates.claims.document import Document
from husai_gates.claims.ledger import STATISTICS, Claim, check_statistic
from husai_gates.claims.phrase import CONTEXT, Hit, Pointer


def locate(claim: Claim, document: Document) -> list[tuple[int, list[Hit]]]:
    """Where a claim stands: its phrase, or its markers, with what is printed there."""
    if claim.phrase is not None:
        worded = frozenset(name for name, number in claim.numbers.items() if number.worded)
        return list(claim.phrase.find(document, worded))
    found = []
    for match in document.markers:
        if match["id"] == claim.id:
            start, end = match.span("text")
            hit = Hit(
                (marked(claim, match),), match["text"].strip(), (start, end), *document.around((start, end), CONTEXT)
            )
            found.append((start, [hit]))
    return found


def marked(claim: Claim, match: re.Match[str]) -> Pointer:
    """Which number of its claim a marker holds; a claim of one number need not say."""
    hole = match["hole"]
    if hole is None or (hole in STATISTICS and hole not in claim.numbers):
        if len(claim.numbers) != 1:
            says = f"the marker 'claim:{claim.id}' must say which number it holds"
            raise UsageError(claim.place, says, f"write claim:{claim.id}:{sorted(claim.numbers)[0]}")
        return Pointer(next(iter(claim.numbers)), hole or "")
    pointer = Pointer.parse(hole)
    check_statistic(pointer, claim.place)
    if pointer.number not in claim.numbers:
        raise UsageError(claim.place, f"a marker names the number '{pointer.number}', which the claim has not")
    return pointer
