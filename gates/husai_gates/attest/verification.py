"""Verification: attestations held to the bundle that they lie in, and to the keys that someone trusts.

Every statement is made again from the bundle and compared, so one that was signed of another bundle, or of a decision
that this one does not give, is found without any key. A key adds who said it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import husai_schemas
from husai_core.bundle import MANIFEST, PROVENANCE, Snapshot
from husai_core.errors import HusaiError, InvalidEvidence
from husai_gates.attest.files import FOLDER
from husai_gates.attest.keys import Trust
from husai_gates.attest.reading import Line, read_lines
from husai_gates.attest.statements import (
    BUNDLE,
    SUMMARY,
    TEST_RESULT,
    Document,
    bundle_statement,
    manifest_subject,
    summary,
    test_result,
    verifier_id,
)
from husai_gates.decision import DECISION_SCHEMA, Decision
from husai_gates.finding import Finding

_HEX = re.compile(r"[0-9a-f]{64}")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_AGAIN = "get the attestation again from who made it, or attest again"
_WHOLE = "get the whole file again from who made it, or attest again"

# The decision by the policy of that digest on this bundle; none where the policy is not at hand.
Rejudge = Callable[[str], Decision | None]


@dataclass(frozen=True)
class SignedDecision:
    """A decision as it was signed, and the trusted keys that vouch for it and all it rests on."""

    decision: Decision
    signers: tuple[str, ...]


@dataclass(frozen=True)
class Attested:
    """What is wrong with the attestations of a bundle; which trusted keys signed it, and which decisions.

    `unjudged` are the digests of policies that signed decisions are by and that are not at hand to judge by again. Such
    a decision is not counted, and is no sign of tampering: a bundle need not hold every policy it is judged by.
    """

    findings: tuple[Finding, ...] = ()
    signers: tuple[str, ...] = ()
    decisions: tuple[SignedDecision, ...] = ()
    unjudged: tuple[str, ...] = ()


def verify(
    snapshot: Snapshot, attested: Mapping[str, bytes], rejudge: Rejudge, trust: Trust | None, latest: datetime | None
) -> Attested:
    """Hold attestations to a bundle that the audit found intact; one from after `latest` is from the future."""
    try:
        return _verify(snapshot, attested, rejudge, trust, latest)
    except Exception as error:
        rule = f"the attestations could not be checked: {type(error).__name__}: {error}"
        step = "report this as a bug of husai, with the bundle"
        return Attested((Finding("GATE-ERROR", FOLDER, "$", rule, step),))


def _verify(
    snapshot: Snapshot, attested: Mapping[str, bytes], rejudge: Rejudge, trust: Trust | None, latest: datetime | None
) -> Attested:
    lines, findings = read_lines(attested)
    book = _Book(snapshot, lines, rejudge, latest)
    findings += book.check()
    unjudged = tuple(sorted(book.unjudged))
    if trust is None:
        return Attested(tuple(findings), unjudged=unjudged)
    signed = _Signed(lines, trust)
    findings += signed.findings
    by_signer = {keyid: _vouched(book, signed, keyid) for keyid in sorted(key.keyid for key in trust.keys)}
    signers = tuple(keyid for keyid, vouched in by_signer.items() if vouched is not None)
    if len(signers) < trust.threshold:
        findings.append(_too_few(lines, signers, trust))
    decisions = {d.to_bytes(): d for vouched in by_signer.values() for d in vouched or ()}
    return Attested(
        tuple(findings),
        signers,
        tuple(
            SignedDecision(decision, tuple(k for k in signers if raw in [d.to_bytes() for d in by_signer[k] or ()]))
            for raw, decision in sorted(decisions.items())
        ),
        unjudged,
    )


class _Book:
    """The lines by what they say, each checked against the bundle and against the lines that it needs."""

    def __init__(self, snapshot: Snapshot, lines: Sequence[Line], rejudge: Rejudge, latest: datetime | None) -> None:
        self._snapshot, self._rejudge, self._latest = snapshot, rejudge, latest
        # What says nothing of its times has a finding for that already, and nothing is left to compare with.
        said = snapshot.json(PROVENANCE)["finished"] if PROVENANCE in snapshot.files else None
        self._finished = _time(said)
        self._subject = manifest_subject(snapshot)
        self._content = snapshot.json(MANIFEST)["content_digest"]
        self._by_digest = {line.digest: line for line in lines}
        self.unjudged: set[str] = set()
        self.bundles = [line for line in lines if line.kind == BUNDLE]
        self.results = [line for line in lines if line.kind == TEST_RESULT]
        self.summaries = [line for line in lines if line.kind == SUMMARY]

    def check(self) -> Iterator[Finding]:
        for line in self.bundles:
            yield from self._check_bundle(line)
        for line in self.summaries:
            try:
                yield from self._check_summary(line)
            except InvalidEvidence as error:
                yield line.finding(error.code, error.place, error.rule, error.next_step)
        listed = {digest for line in self.summaries for digest in _inputs(line)}
        for line in self.bundles + self.results:
            decided = line.kind == TEST_RESULT or line.predicate.get("decidedBy") is not None
            if decided and line.digest not in listed:
                rule = "was signed along with a decision, and no summary of one that lists it is here"
                yield line.finding("EV-INPUT-MISSING", "$", rule, _WHOLE)
        for line in self.results:
            if line.statement["subject"] != self._subject:
                yield self._foreign(line)

    def inputs(self, line: Line) -> tuple[Line, Line] | None:
        """The statement about the bundle and the test result that a summary rests on, if both are here."""
        found = [self._by_digest.get(digest) for digest in _inputs(line)]
        if len(found) == 2 and found[0] in self.bundles and found[1] in self.results:
            return found[0], found[1]
        return None

    def decision(self, line: Line) -> Decision:
        """The decision in a summary, in the form of its schema."""
        held = line.predicate.get(DECISION_SCHEMA)
        place = f'payload $.predicate["{DECISION_SCHEMA}"]'
        if problems := husai_schemas.problems("decision", held):
            raise InvalidEvidence("EV-PREDICATE", f"{place} {problems[0].path}", problems[0].rule, _AGAIN)
        try:
            return Decision.from_json(held or {})
        except InvalidEvidence as error:
            raise InvalidEvidence(error.code, place, error.rule, _AGAIN) from None

    def _check_bundle(self, line: Line) -> Iterator[Finding]:
        predicate = line.predicate
        decided = predicate.get("decidedBy")
        policy = _at(decided, "digest", "sha256")
        well_formed = set(predicate) == {"contentDigest", "decidedBy", "timeSigned"}
        if not well_formed or not (decided is None or (isinstance(policy, str) and _HEX.fullmatch(policy))):
            yield line.finding("EV-PREDICATE", "payload $.predicate", f"is no predicate of {BUNDLE}", _AGAIN)
            return
        if line.statement != bundle_statement(self._snapshot, policy, predicate["timeSigned"]):
            yield self._foreign(line)
        yield from self._check_time(line, "timeSigned", None)

    def _check_summary(self, line: Line) -> Iterator[Finding]:
        decision, predicate = self.decision(line), line.predicate
        missing = [digest for digest in _inputs(line) if digest not in self._by_digest]
        inputs = self.inputs(line)
        if missing or inputs is None:
            rule = f"rests on the envelope {missing[0]}, which is not here" if missing else "lists no two inputs"
            yield line.finding("EV-INPUT-MISSING", "payload $.predicate.inputAttestations", rule, _WHOLE)
            return
        keyid, time = _verifier(line), predicate.get("timeVerified")
        if keyid not in line.keyids:
            yield line.finding("EV-SIGNER", "payload $.predicate.verifier.id", "names no key that signed it", _AGAIN)
        expected = summary(self._snapshot, decision, [i.raw for i in inputs], str(time), keyid)
        if line.statement["subject"] != self._subject or decision.content_digest != self._content:
            yield self._foreign(line)
            return
        for key, value in _differing(expected["predicate"], predicate):
            yield line.finding("EV-PREDICATE", f"payload $.predicate.{key}", f"its decision gives {value}", _AGAIN)
        policy = inputs[0].predicate.get("decidedBy")
        if policy != {"digest": expected["predicate"]["policy"]["digest"]}:
            rule = "was signed along with a decision by another policy"
            yield inputs[0].finding("EV-INPUT-MISSING", "payload $.predicate.decidedBy", rule, _WHOLE)
        if inputs[1].statement != test_result(self._snapshot, decision):
            rule = "is not the result of the decision that lists it"
            yield inputs[1].finding("EV-VIEW", "payload $.predicate", rule, _AGAIN)
        yield from self._check_decision(line, decision)
        yield from self._check_time(line, "timeVerified", inputs[0])

    def _check_decision(self, line: Line, held: Decision) -> Iterator[Finding]:
        """A decision is judged again; in the words of another version of husai, its substance is compared."""
        place = f'payload $.predicate["{DECISION_SCHEMA}"]'
        try:
            decision = self._rejudge(held.policy.digest)
        except HusaiError as error:
            yield line.finding("EV-VIEW", place, f"cannot be judged again: {error}", _AGAIN)
            return
        if decision is None:
            self.unjudged.add(held.policy.digest)
        elif not held.agrees_with(decision):
            rule = f"is not the decision that this bundle gives, which is '{decision.verdict}'"
            yield line.finding("EV-VIEW", place, rule, _AGAIN)

    def _check_time(self, line: Line, key: str, before: Line | None) -> Iterator[Finding]:
        place, text = f"payload $.predicate.{key}", line.predicate.get(key)
        time = _time(text)
        if time is None:
            yield line.finding("EV-TIME", place, "is no time in UTC, such as 2026-01-31T12:00:00Z", _AGAIN)
            return
        if self._finished and time < self._finished:
            rule = f"signed {text}, before the run finished"
            yield line.finding("EV-TIME", place, rule, "sign what exists; check the clock of who signed")
        earlier = _time(before.predicate.get("timeSigned")) if before else None
        if earlier and time < earlier:
            yield line.finding("EV-TIME", place, "judged before the bundle was signed that it rests on", _AGAIN)
        if self._latest and time > self._latest:
            yield line.finding("EV-TIME", place, f"signed {text}, which is in the future", "check both clocks")

    def _foreign(self, line: Line) -> Finding:
        rule = "is about another bundle, or another state of this one"
        return line.finding("EV-RESOURCE", "payload $.subject", rule, "get the attestation of this very bundle")


class _Signed:
    """Which trusted keys signed each line, and the signatures that are not what they say."""

    def __init__(self, lines: Sequence[Line], trust: Trust) -> None:
        self.findings: list[Finding] = []
        self._by_line = {(line.path, line.number): frozenset(self._signers(line, trust)) for line in lines}

    def by(self, line: Line, keyid: str) -> bool:
        return keyid in self._by_line[line.path, line.number]

    def _signers(self, line: Line, trust: Trust) -> Iterator[str]:
        signed = line.envelope.signed_bytes
        for index, signature in enumerate(line.envelope.signatures):
            true = next((key.keyid for key in trust.keys if key.verifies(signature.raw, signed)), None)
            place = f"$.signatures[{index}]"
            if true is None and signature.keyid in {key.keyid for key in trust.keys}:
                rule = f"is no signature of the trusted key {signature.keyid} over this payload"
                self.findings.append(line.finding("EV-SIGNATURE", f"{place}.sig", rule, _AGAIN))
            elif true is not None and true != signature.keyid:
                rule = f"is a signature of {true} under the name of another key"
                self.findings.append(line.finding("EV-SIGNER", f"{place}.keyid", rule, _AGAIN))
            elif true is not None:
                yield true


def _vouched(book: _Book, signed: _Signed, keyid: str) -> list[Decision] | None:
    """The decisions that a key signed with all they rest on; none at all if it did not vouch for the bundle."""
    whole = any(signed.by(line, keyid) and line.predicate.get("decidedBy") is None for line in book.bundles)
    decisions: list[Decision] = []
    for line in book.summaries:
        inputs = book.inputs(line)
        if inputs and _verifier(line) == keyid and all(signed.by(each, keyid) for each in (line, *inputs)):
            try:
                decision = book.decision(line)
            except InvalidEvidence:  # found and said by the check of the summary
                continue
            whole = True
            decisions += [decision] if decision.policy.digest not in book.unjudged else []
    return decisions if whole else None


def _too_few(lines: Sequence[Line], signers: Sequence[str], trust: Trust) -> Finding:
    if not lines:
        rule = "nothing in this bundle is signed"
        return Finding("EV-SIGNATURE", FOLDER, "$", rule, "sign it with 'husai attest', or judge it without --trust")
    strangers = sorted({keyid for line in lines for keyid in line.keyids} - {key.keyid for key in trust.keys})
    others = f"; it is also signed by {', '.join(strangers)}" if strangers else ""
    wanted = "a trusted key" if trust.threshold == 1 else f"{trust.threshold} trusted keys"
    rule = f"must be signed by {wanted}, with all that a decision rests on; {len(signers)} did{others}"
    return Finding("EV-SIGNER", FOLDER, "$", rule, "find out who signed it before trusting their key")


def _inputs(line: Line) -> list[str]:
    """The digests of the envelopes that a summary says it rests on."""
    listed = line.predicate.get("inputAttestations")
    if not isinstance(listed, list):
        return []
    found = [_at(item, "digest", "sha256") for item in listed]
    return [digest for digest in found if isinstance(digest, str)]


def _verifier(line: Line) -> str:
    """The key that a summary says it was judged by."""
    name = str(_at(line.predicate, "verifier", "id"))
    return name.removeprefix(verifier_id(""))


def _at(value: Any, *keys: str) -> Any:
    """What stands below these keys, or nothing where there are none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _differing(expected: Document, held: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in sorted(expected.keys() | held.keys()):
        if key not in expected or key not in held or expected[key] != held[key]:
            yield key, str(expected.get(key, "no such field"))[:200]


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.strptime(text, _TIME)
        return found if found.strftime(_TIME) == text else None
    except (TypeError, ValueError):
        return None
