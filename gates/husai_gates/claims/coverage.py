"""Coverage: the numbers of a document that no claim holds and no pattern allows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from husai_gates.claims.document import Document, load
from husai_gates.claims.ledger import Claim, Ledger
from husai_gates.claims.location import locate
from husai_gates.claims.printed import NUMBER
from husai_gates.claims.verdict import Verdict

_NUMBER = re.compile(NUMBER)
_TARGET = re.compile(r"(?<=\]\()[^)\s]{1,2000}|https?://[^\s)>\]]{1,2000}")
_IN_A_NAME = re.compile(r"[A-Za-z]\w{0,60}[-/.:]$")
_ORDINAL = re.compile(r"^[ \t>]{0,12}(?:#{1,6}[ \t]{1,4})?(?P<n>\d{1,3})[.)][ \t]", re.MULTILINE)
AROUND = 30

Span = tuple[int, int]


def unclaimed(ledger: Ledger) -> list[Verdict]:
    """Every uncovered number of the documents that the ledger wants covered."""
    found: list[Verdict] = []
    for index, path in enumerate(ledger.covered):
        document = load(ledger.folder, path, f"{ledger.place} $.coverage.documents[{index}]")
        for number, around, place in uncovered(document, ledger):
            says = f"no claim holds '{number}' in '{around}'"
            step = "add a claim, or a pattern with its reason under coverage.allow"
            found.append(Verdict("", "unsupported", path, document.line(place), says, step))
    return found


def uncovered(document: Document, ledger: Ledger) -> Iterator[tuple[str, str, int]]:
    """The numbers that nothing covers, each with the words around it and its place."""
    words = document.words
    covered = {span for claim in ledger.claims if claim.document == document.path for span in _held(claim, document)}
    ordinals = {match.start("n") for match in _ORDINAL.finditer(document.text)}
    skipped = [match.span() for match in _TARGET.finditer(words)]
    for allowed in ledger.allowed:
        if allowed.document in (None, document.path):
            skipped += [match.span() for match in allowed.pattern.finditer(words)]
    for match in _NUMBER.finditer(words):
        start, end = match.span()
        place, last = document.place(start), document.place(end - 1) + 1
        if place in ordinals or (not ledger.code and document.in_code(place)):
            continue
        if any(first <= place and last <= until for first, until in covered):
            continue
        if any(first <= start and end <= until for first, until in skipped):
            continue
        if _IN_A_NAME.search(words[max(0, start - 64) : start]):
            continue
        yield match[0], words[max(0, start - AROUND) : end + AROUND], place


def _held(claim: Claim, document: Document) -> Iterator[Span]:
    for _, hits in locate(claim, document):
        for hit in hits:
            if hit.pointers:
                yield hit.span
