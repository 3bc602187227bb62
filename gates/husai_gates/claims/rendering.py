"""Rendering: numbers written between the markers of a document from evidence, and every other byte left as it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from husai_core.errors import UsageError
from husai_gates.cannot_judge import CannotJudge
from husai_gates.claims import printed
from husai_gates.claims.checking import documents_of, read_all, stale_sources
from husai_gates.claims.document import Document
from husai_gates.claims.ledger import Claim, Ledger
from husai_gates.claims.location import locate
from husai_gates.claims.phrase import Hit
from husai_gates.claims.reading import COUNTS, Reading
from husai_gates.claims.sources import Sources
from husai_gates.claims.standing import scale
from husai_gates.claims.verdict import Judgement, Verdict, status_of


@dataclass(frozen=True)
class Rendering:
    """The new texts of documents that change, by path, and what cannot be filled in."""

    changed: dict[str, str]
    judgement: Judgement


def render(ledger: Ledger) -> Rendering:
    """What the documents of a ledger should say; nothing is written."""
    sources = Sources(ledger)
    changed: dict[str, str] = {}
    verdicts: list[Verdict] = []
    for path, document in documents_of(ledger).items():
        edits: list[tuple[tuple[int, int], str]] = []
        for claim in ledger.claims:
            if claim.document == path and claim.phrase is None:
                verdicts += _fill(claim, document, sources, edits)
        text = _edited(document.text, sorted(edits))
        if text != document.text:
            changed[path] = text
    return Rendering(changed, Judgement(tuple(verdicts), tuple(sorted(sources.invalid))))


def _fill(
    claim: Claim, document: Document, sources: Sources, edits: list[tuple[tuple[int, int], str]]
) -> Iterator[Verdict]:
    """The edits of one claim go into `edits`; what is in the way of one is said."""
    yield from stale_sources(claim, document.path, 0, sources)
    readings, stopped = read_all(claim, sources)
    found = locate(claim, document)
    if not found:
        says = "its marker stands nowhere in the document"
        yield Verdict(claim.id, "stale", document.path, 0, says, f"write <!-- claim:{claim.id} --><!-- /claim -->")
    for _, (hit,) in found:
        line = document.line(hit.span[0])
        (pointer,) = hit.pointers
        try:
            if pointer.number in stopped:
                raise stopped[pointer.number]
            new = _printed(claim, hit, readings[pointer.number])
        except CannotJudge as stop:
            yield Verdict(claim.id, status_of(stop), document.path, line, f"{stop.says} [{stop.code}]", stop.next_step)
        else:
            edits.append((hit.span, new))
            yield Verdict(claim.id, "supported", document.path, line, f"is {new}: {readings[pointer.number].says}")


def _printed(claim: Claim, hit: Hit, reading: Reading) -> str:
    """The number as it is to be printed: as it stands there, if that is right, else in the same manner."""
    (pointer,) = hit.pointers
    number = claim.numbers[pointer.number]
    true = reading.statistic(pointer.statistic)
    if isinstance(true, str):
        words = true.replace("_", " ")
        return words[:1].upper() + words[1:] if hit.text[:1].isupper() else words
    try:
        seen = printed.read(hit.text, hit.before, hit.after)
    except ValueError:
        seen = None
    factor = scale(number, pointer, reading, seen or printed.read("0", hit.before, hit.after))
    counted = pointer.statistic in COUNTS or (not pointer.statistic and number.statistic in COUNTS)
    decimals = 0 if counted else number.decimals
    if seen and decimals in (None, seen.decimals) and seen.agrees(true * factor):
        return hit.text
    if decimals is None:
        if seen is None:
            raise UsageError(claim.place, f"nothing says how '{pointer}' is printed", "give the number 'decimals'")
        decimals = seen.decimals
    return printed.write(true * factor, decimals, hit.text)


def _edited(text: str, edits: list[tuple[tuple[int, int], str]]) -> str:
    parts: list[str] = []
    last = 0
    for (start, end), new in edits:
        parts += [text[last:start], new]
        last = end
    return "".join([*parts, text[last:]])


def write(folder: Path, changed: dict[str, str]) -> None:
    """Put the new texts in place, each in one step."""
    for path, text in changed.items():
        target = Path(os.path.realpath(folder / path))
        staging = target.with_name(f".{target.name}.partial-{os.getpid()}")
        try:
            staging.write_bytes(text.encode("utf-8"))
            os.chmod(staging, target.stat().st_mode & 0o7777)
            os.replace(staging, target)
        except OSError as error:
            staging.unlink(missing_ok=True)
            raise UsageError(str(target), f"cannot be written: {error.strerror}") from None


__all__ = ["Rendering", "render", "write"]
