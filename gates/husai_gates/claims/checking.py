"""The check: every claim of a ledger held against its evidence, number by number and comparison by comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from husai_core.errors import UsageError
from husai_gates.cannot_judge import CannotJudge
from husai_gates.claims.comparison import compare, unstated
from husai_gates.claims.document import Document, load
from husai_gates.claims.ledger import Claim, Ledger
from husai_gates.claims.location import locate
from husai_gates.claims.phrase import Hit
from husai_gates.claims.reading import Reading, read
from husai_gates.claims.sources import Sources
from husai_gates.claims.standing import standing
from husai_gates.claims.verdict import Judgement, Verdict, status_of


def check(ledger: Ledger) -> Judgement:
    """The verdicts on all claims, in the order of the ledger."""
    sources = Sources(ledger)
    documents = documents_of(ledger)
    verdicts: list[Verdict] = []
    for claim in ledger.claims:
        verdicts += judge_claim(claim, documents[claim.document], sources)
    for document in documents.values():
        verdicts += _strays(document, ledger)
    return Judgement(tuple(verdicts), tuple(sorted(sources.invalid)))


def documents_of(ledger: Ledger) -> dict[str, Document]:
    """The documents that claims are about, by their path in the ledger."""
    places = {claim.document: claim.place for claim in reversed(ledger.claims)}
    return {path: load(ledger.folder, path, place) for path, place in places.items()}


def judge_claim(claim: Claim, document: Document, sources: Sources) -> list[Verdict]:
    """The verdicts on one claim; what breaks is one of them."""
    try:
        return list(_verdicts(claim, document, sources))
    except UsageError:
        raise
    except Exception as error:
        says = f"judging this claim broke: {type(error).__name__}: {error}"
        return [Verdict(claim.id, "error", claim.document, 0, says, "report this as a bug of husai")]


def _verdicts(claim: Claim, document: Document, sources: Sources) -> Iterator[Verdict]:
    found = locate(claim, document)
    line = document.line(found[0][0]) if found else 0
    yield from stale_sources(claim, document.path, line, sources)
    wanted = claim.occurrences if claim.phrase else 1
    if len(found) != wanted and (claim.phrase or not found):
        what = "the phrase" if claim.phrase else "its marker"
        says = f"{what} stands {len(found)} times, the claim says {wanted}"
        if claim.phrase:
            says += f": '{claim.phrase.text}'"
        yield Verdict(claim.id, "stale", document.path, line, says, "bring the phrase or the document up to date")
    for name in unprinted(claim, found):
        says = f"the number '{name}' stands between no markers"
        yield Verdict(claim.id, "stale", document.path, line, says, f"write <!-- claim:{claim.id}:{name} -->")
    readings, stopped = read_all(claim, sources)
    for _, hits in found:
        for one, pointer in ((hit, pointer) for hit in hits for pointer in hit.pointers):
            here = document.line(one.span[0])
            if pointer.number in stopped:
                yield _stopped(claim, stopped[pointer.number], document.path, here, f"'{one.text}'")
            else:
                status, says, step = standing(claim, pointer, one, readings[pointer.number])
                yield Verdict(claim.id, status, document.path, here, says, step)
    yield from _comparisons(claim, document.path, line, readings, stopped)
    if said := unstated(claim):
        says = f"the sentence says '{said}', and the claim states no such comparison"
        yield Verdict(claim.id, "unsupported", document.path, line, says, "add it under 'compare'")


def unprinted(claim: Claim, found: Sequence[tuple[int, Sequence[Hit]]]) -> list[str]:
    """Numbers of a claim with markers that stand nowhere, and are not there to be compared or calculated with."""
    if claim.phrase is not None or not found:
        return []
    used = {pointer.number for _, hits in found for hit in hits for pointer in hit.pointers}
    used |= {name for number in claim.numbers.values() for name in number.operands}
    used |= {side for one in claim.comparisons for side in (one.number, one.than) if isinstance(side, str)}
    return sorted(claim.numbers.keys() - used)


def read_all(claim: Claim, sources: Sources) -> tuple[dict[str, Reading], dict[str, CannotJudge]]:
    """The readings of a claim's numbers by name, and why there is none for the others."""
    readings: dict[str, Reading] = {}
    stopped: dict[str, CannotJudge] = {}
    for name, number in claim.numbers.items():
        try:
            readings[name] = read(number, claim.numbers, sources)
        except CannotJudge as stop:
            stopped[name] = stop
    return readings, stopped


def stale_sources(claim: Claim, file: str, line: int, sources: Sources) -> Iterator[Verdict]:
    """Sources that are not what they were when the claim was written."""
    ledger = sources.ledger
    used = {("bundle", n.bundle) for n in claim.numbers.values() if n.kind in ("measurement", "document", "decision")}
    used |= {("file", n.file) for n in claim.numbers.values() if n.kind == "file"}
    for kind, name in sorted(used):
        try:
            says = sources.moved((ledger.bundles if kind == "bundle" else ledger.files)[name], kind)
        except CannotJudge:
            continue  # an invalid source is said of each number that leans on it
        if says:
            yield Verdict(claim.id, "stale", file, line, says, "read the numbers again, then pin the new digest")


def _stopped(claim: Claim, stop: CannotJudge, file: str, line: int, what: str) -> Verdict:
    return Verdict(claim.id, status_of(stop), file, line, f"{what}: {stop.says} [{stop.code}]", stop.next_step)


def _comparisons(
    claim: Claim, file: str, line: int, readings: Mapping[str, Reading], stopped: Mapping[str, CannotJudge]
) -> Iterator[Verdict]:
    for comparison in claim.comparisons:
        what = f"'{comparison.number}' {comparison.relation} '{comparison.than}'"
        sides = [comparison.number, *([comparison.than] if isinstance(comparison.than, str) else [])]
        missing = [stopped[side] for side in sides if side in stopped]
        if missing:
            yield _stopped(claim, missing[0], file, line, what)
            continue
        try:
            status, says, step = compare(claim, comparison, readings)
        except CannotJudge as stop:
            yield _stopped(claim, stop, file, line, what)
        else:
            yield Verdict(claim.id, status, file, line, f"{what}: {says}", step)


def _strays(document: Document, ledger: Ledger) -> Iterator[Verdict]:
    """Markers that do not end, and markers that belong to no claim of this document."""
    known = {claim.id for claim in ledger.claims if claim.document == document.path and claim.phrase is None}
    for match in document.markers:
        if match["id"] not in known:
            says = f"a marker names the claim '{match['id']}', which is none of this document"
            yield Verdict(
                match["id"], "unsupported", document.path, document.line(match.start()), says, "add the claim"
            )
    for place in document.broken_markers:
        says = "a marker begins here and does not end as '<!-- /claim -->' on the same line"
        yield Verdict("", "stale", document.path, document.line(place), says, "close it")
