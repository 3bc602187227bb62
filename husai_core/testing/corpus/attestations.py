"""Cases of attestations: another bundle's, another key's, none, or statements that the bundle does not bear out."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from husai_core import strict_json
from husai_core.bundle import PROVENANCE, Snapshot
from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.judging import Outcome, judge_beside
from husai_core.testing.corpus.specimen import Document, Good, NotApplicable, Specimen, seal

if TYPE_CHECKING:
    from husai_gates.attest.keys import PrivateKey

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_HEX = "0" * 64


def _key(number: int) -> PrivateKey:
    """A key that everybody knows, which is why only the corpus trusts it."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ModuleNotFoundError:
        raise NotApplicable("signatures need husai[sign], which is not installed") from None
    from husai_gates.attest.keys import PrivateKey

    return PrivateKey(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


class Signed:
    """A bundle with its decision, both signed by a key that whoever judges trusts."""

    def __init__(self, good: Good) -> None:
        from husai_gates.attest.files import separate

        self.ours, self.stranger = _key(1), _key(2)
        self.good = good
        self.files: Mapping[str, bytes] = separate(Snapshot("bundle", good.files))[0].files
        self.finished = datetime.strptime(json.loads(self.files[PROVENANCE])["finished"], _FORM)
        self.now = self.finished + timedelta(hours=1)
        self.trusted = True
        self.latest: datetime | None = None
        self.beside: dict[str, bytes] = {}
        self._raw = self.signed_by(self.ours)

    def signed_by(self, key: PrivateKey) -> bytes:
        """What the holder of a key signs of the bundle as it now is."""
        from husai_gates.attest.signing import sign
        from husai_gates.judge import judge
        from husai_gates.pipeline import inspected
        from husai_gates.policy import load

        found = inspected(Snapshot("bundle", self.files))
        decision = judge(found.report, load(self.good.policy, "policy"), found.snapshot)
        return sign(found.snapshot, decision, key, self.now)

    @property
    def lines(self) -> list[bytes]:
        return self._raw.splitlines()

    def put(self, lines: list[bytes]) -> None:
        """Other lines, in a file under the name that fits them."""
        self._raw = b"".join(line + b"\n" for line in lines)

    def write(self, raw: bytes) -> None:
        """Any bytes in their place, under the name that fits them."""
        self._raw = raw

    def envelopes(self, change: Callable[[list[Document]], object]) -> None:
        """The envelopes changed, and their signatures left alone."""
        found = [json.loads(line) for line in self.lines]
        change(found)
        self.put([json.dumps(each).encode() for each in found])

    def statements(self, change: Callable[[list[Document]], object], key: PrivateKey | None = None) -> None:
        """What a holder of the key could sign instead, with a summary that lists what it now rests on."""
        found = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in self.lines]
        change(found)
        first = [envelope(statement, key or self.ours) for statement in found[:2]]
        listed = [{"digest": {"sha256": hashlib.sha256(line).hexdigest()}} for line in first]
        found[2]["predicate"]["inputAttestations"] = listed
        self.put([*first, envelope(found[2], key or self.ours)])

    def rename_verifier(self, found: list[Document]) -> None:
        """The summary as a stranger has to sign it."""
        found[2]["predicate"]["verifier"]["id"] = f"husai:verifier/{self.stranger.public.keyid}"

    def ask(self) -> Outcome:
        from husai_gates.attest.files import path_for
        from husai_gates.attest.keys import Trust

        trust = Trust((self.ours.public,)) if self.trusted else None
        attested = {path_for(self._raw): self._raw} if self._raw is not _REMOVED else {}
        files = {**self.files, **attested, **self.beside}
        return judge_beside(Snapshot("bundle", files), self.good.policy, trust=trust, latest=self.latest)

    def remove(self) -> None:
        """No attestation at all."""
        self._raw = _REMOVED


_REMOVED = b"removed"
FAMILY = Family(Signed)
case = FAMILY.case


def envelope(statement: Document, key: PrivateKey) -> bytes:
    """A line that says this and is signed by that key."""
    from husai_gates.attest.envelope import PAYLOAD_TYPE, Envelope, Signature, pae

    payload = strict_json.encode(statement)
    return Envelope(payload, (Signature(key.public.keyid, key.sign(pae(PAYLOAD_TYPE, payload))),)).to_line()


# --- a decision of one bundle shown for another


def _other_state(a: Signed, change: Callable[[Specimen], object]) -> None:
    """The bundle in another state, soundly sealed, beside what was signed of this one."""
    specimen = Specimen(Good(a.files, a.good.policy))
    change(specimen)
    specimen.views = True
    a.files = specimen.seal()


@case(29, "EV-RESOURCE")
def pass_of_another_state_of_the_bundle(a: Signed) -> None:
    """A signed decision beside a bundle that was sealed again later."""
    _other_state(a, lambda b: b.provenance["packages"].update(acme="9.9"))


@case(29, "EV-RESOURCE")
def pass_of_another_dictionary(a: Signed) -> None:
    """A signed decision of one dictionary beside another."""

    def change(b: Specimen) -> None:
        subject = b.of(b.condition())[0]
        subject["weights"] = "sha256:" + "5" * 64
        b.raw = {path: raw for path, raw in b.raw.items() if not path.startswith(f"weights/{subject['name']}/")}

    _other_state(a, change)


@case(29, "EV-RESOURCE")
def pass_of_another_bundle_without_any_key(a: Signed) -> None:
    """The same where nobody asks for a key."""
    a.trusted = False
    _other_state(a, lambda b: b.provenance["packages"].update(acme="9.9"))


@case(29, "EV-RESOURCE")
def signed_decision_about_other_content(a: Signed) -> None:
    """A decision that says it is about other content, signed by our own key."""
    a.statements(lambda s: s[2]["predicate"]["husai:decision/v1"]["bundle"].update(content_digest=f"sha256:{_HEX}"))


@case(29, "EV-RESOURCE")
def signed_files_that_the_bundle_has_not(a: Signed) -> None:
    """A statement about the bundle that lists one file less, signed by our own key."""
    a.statements(lambda s: s[0]["subject"].pop())


# --- what an envelope says it holds, and who signed it


def _says(name: str, says: str, code: str, change: Callable[[Signed], object], threat: int = 30) -> None:
    def spoil(a: Signed) -> None:
        change(a)

    FAMILY.add(name, threat, says, code, 3, "asked", spoil)


def _set(line: int, *place: str, to: Any) -> Callable[[Signed], None]:
    """A field of a statement is another, and all is signed again."""

    def change(found: list[Document]) -> None:
        at: Any = found[line]
        for part in place[:-1]:
            at = at[part]
        at[place[-1]] = to

    return lambda a: a.statements(change)


def _other_payload_type(a: Signed) -> None:
    a.envelopes(lambda e: e[2].update(payloadType="application/vnd.in-toto+json; acme"))


def _signed_as_another_payload_type(a: Signed) -> None:
    """The signature covers the other type, so it is valid, and of something else."""
    from husai_gates.attest.envelope import pae

    def change(found: list[Document]) -> None:
        payload, kind = base64.b64decode(found[2]["payload"]), "text/plain"
        signature = base64.b64encode(a.ours.sign(pae(kind, payload))).decode()
        found[2] |= {"payloadType": kind, "signatures": [{"keyid": a.ours.public.keyid, "sig": signature}]}

    a.envelopes(change)


def _signed_without_its_type(a: Signed) -> None:
    """The signature is over the bare payload, as if types did not matter."""

    def change(found: list[Document]) -> None:
        raw = a.ours.sign(base64.b64decode(found[2]["payload"]))
        found[2]["signatures"][0]["sig"] = base64.b64encode(raw).decode()

    a.envelopes(change)


_says("payload type changed", "Another payload type.", "EV-PREDICATE", _other_payload_type)
_says("payload type signed", "Another payload type, signed as such.", "EV-PREDICATE", _signed_as_another_payload_type)
_says("payload type not signed", "A signature over the bare payload.", "EV-SIGNATURE", _signed_without_its_type)
_says(
    "statement type changed", "Another version of statements.", "EV-PREDICATE",
    _set(0, "_type", to="https://in-toto.io/Statement/v0.1"),
)  # fmt: skip
_says(
    "predicate type unknown", "A predicate type that nobody knows.", "EV-PREDICATE",
    _set(2, "predicateType", to="https://acme.example/verification_summary/v1"),
)  # fmt: skip
_says(
    "predicate under another type", "A test result called a verification summary.", "EV-PREDICATE",
    _set(1, "predicateType", to="https://slsa.dev/verification_summary/v1"),
)  # fmt: skip
_says(
    "signed result its decision does not give", "A summary that fails a decision which releases.", "EV-PREDICATE",
    _set(2, "predicate", "verificationResult", to="FAILED"),
)  # fmt: skip
_says(
    "signed level its decision does not give", "A summary with a level of its own.", "EV-PREDICATE",
    _set(2, "predicate", "verifiedLevels", to=["SLSA_BUILD_LEVEL_3"]),
)  # fmt: skip
_says(
    "signed policy its decision does not name", "A summary that names another policy.", "EV-PREDICATE",
    _set(2, "predicate", "policy", "digest", to={"sha256": _HEX}),
)  # fmt: skip
_says(
    "signatures stripped", "The signatures taken away.", "EV-SIGNATURE",
    lambda a: a.envelopes(lambda e: e[2].update(signatures=[])),
)  # fmt: skip
_says(
    "signature cut short", "Half a signature.", "EV-SIGNATURE",
    lambda a: a.envelopes(lambda e: e[2]["signatures"][0].update(sig="AAAA")),
)  # fmt: skip
_says(
    "signature of another line", "The signature of another statement.", "EV-SIGNATURE",
    lambda a: a.envelopes(lambda e: e[2].update(signatures=e[1]["signatures"])),
)  # fmt: skip
_says(
    "payload edited under its signature", "A payload edited, its signature kept.", "EV-SIGNATURE",
    lambda a: a.envelopes(lambda e: e[1].update(payload=_reformatted(e[1]["payload"]))),
)  # fmt: skip
_says(
    "signed by a stranger", "Everything signed by another key.", "EV-SIGNER",
    lambda a: a.statements(a.rename_verifier, a.stranger),
)  # fmt: skip


def _reformatted(payload: str) -> str:
    """The same statement in other bytes."""
    return base64.b64encode(json.dumps(json.loads(base64.b64decode(payload)), indent=3).encode()).decode()


@case(30, "EV-SIGNATURE")
def signed_by_a_stranger_in_our_name(a: Signed) -> None:
    """Everything signed by another key, under the name of ours."""
    a.statements(lambda found: None, a.stranger)
    a.envelopes(lambda found: [e["signatures"][0].update(keyid=a.ours.public.keyid) for e in found])


@case(30, "EV-SIGNER")
def signed_by_us_in_the_name_of_a_stranger(a: Signed) -> None:
    """Our signatures under the name of another key."""
    a.envelopes(lambda found: [e["signatures"][0].update(keyid=a.stranger.public.keyid) for e in found])


@case(30, "EV-SIGNER")
def decision_of_a_stranger_on_what_we_signed(a: Signed) -> None:
    """Our statement about the bundle, and a stranger's decision that rests on it."""
    first = a.lines[0]
    a.statements(a.rename_verifier, a.stranger)
    rest = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in a.lines[1:]]
    result = envelope(rest[0], a.stranger)
    listed = [{"digest": {"sha256": hashlib.sha256(line).hexdigest()}} for line in (first, result)]
    rest[1]["predicate"]["inputAttestations"] = listed
    a.put([first, result, envelope(rest[1], a.stranger)])


@case(3, "EV-SIGNER")
def everything_made_again_by_the_producer(a: Signed) -> None:
    """All values, digests and views made again and signed by another key: without a trusted one, NOT-PROVEN."""
    _other_state(a, lambda b: b.provenance["packages"].update(acme="9.9"))
    a.write(a.signed_by(a.stranger))


@case(45, "EV-VIEW")
def signed_decision_that_the_evidence_does_not_give(a: Signed) -> None:
    """A signed decision in which a rule failed that holds, and all else agrees with it."""

    def lie(found: list[Document]) -> None:
        decision, result = found[2]["predicate"]["husai:decision/v1"], found[1]["predicate"]
        row = next(row for row in decision["rows"] if row["status"] == "pass")
        row |= {"status": "fail", "code": "RULE-FAILED"}
        decision |= {"verdict": "not_released", "exit_code": 2}
        found[2]["predicate"] |= {"verificationResult": "FAILED", "verifiedLevels": ["FAILED"]}
        result["passedTests"].remove(row["rule"])
        result |= {"result": "FAILED", "failedTests": [row["rule"]]}

    a.statements(lie)


# --- attestations that are not there


_says(
    "statement about the bundle deleted", "The first line deleted.", "EV-INPUT-MISSING",
    lambda a: a.put(a.lines[1:]), 31,
)  # fmt: skip
_says(
    "test result deleted", "The second line deleted.", "EV-INPUT-MISSING",
    lambda a: a.put([a.lines[0], a.lines[2]]), 31,
)  # fmt: skip
_says("signed decision deleted", "The third line deleted.", "EV-INPUT-MISSING", lambda a: a.put(a.lines[:2]), 31)
_says(
    "only the statement about the bundle left", "All deleted but the first line, which says that there was a decision.",
    "EV-INPUT-MISSING", lambda a: a.put(a.lines[:1]), 31,
)  # fmt: skip
_says(
    "only the test result left",
    "All deleted but the second line.",
    "EV-INPUT-MISSING",
    lambda a: a.put(a.lines[1:2]),
    31,
)
_says(
    "decision by another policy than was signed with", "A statement about the bundle of another decision.",
    "EV-INPUT-MISSING", _set(0, "predicate", "decidedBy", to={"digest": {"sha256": _HEX}}), 31,
)  # fmt: skip
_says("all attestations deleted", "Nothing is signed, and a key is trusted.", "EV-SIGNATURE", Signed.remove, 31)


# --- times, forms and places


@case(42, "EV-TIME")
def signed_before_the_run_finished(a: Signed) -> None:
    """Signed a day before there was anything to sign."""
    a.now = a.finished - timedelta(days=1)
    a.write(a.signed_by(a.ours))


@case(42, "EV-TIME")
def judged_before_it_was_signed(a: Signed) -> None:
    """A decision an hour older than the statement it rests on."""
    early = (a.now - timedelta(minutes=30)).strftime(_FORM)
    a.statements(lambda s: s[2]["predicate"].update(timeVerified=early))


@case(42, "EV-TIME")
def signed_in_the_future(a: Signed) -> None:
    """Signed at a time that is yet to come for who verifies."""
    a.latest = a.now - timedelta(minutes=30)


@case(42, "EV-TIME")
def signed_at_no_time(a: Signed) -> None:
    """Signed on no day of the calendar."""
    a.statements(lambda s: s[0]["predicate"].update(timeSigned="2026-02-30T12:00:00Z"))


_says(
    "attestation cut off", "A file cut off within a line.", "EV-JSON", lambda a: a.write(b"\n".join(a.lines)[:-40]), 8
)
_says("attestation empty", "A file of no lines.", "EV-JSON", lambda a: a.write(b""), 8)
_says(
    "attestation with a key twice", "An envelope with two payloads.", "EV-DUP-KEY",
    lambda a: a.put([a.lines[0].replace(b'{"payload"', b'{"payload":"","payload"', 1), *a.lines[1:]]), 10,
)  # fmt: skip


@case(2, "EV-DIGEST")
def attestation_under_another_name(a: Signed) -> None:
    """A file of attestations whose name is not its digest."""
    a.beside = {f"attestations/{_HEX}.intoto.jsonl": b"".join(line + b"\n" for line in a.lines)}


@case(5, "EV-UNLISTED")
def note_beside_the_attestations(a: Signed) -> None:
    """A file in the folder of attestations that is none."""
    a.beside = {"attestations/note.txt": b"trust me"}


@case(6, "EV-FILE-MISSING")
def attestation_in_the_manifest(a: Signed) -> None:
    """A manifest that lists what is signed over it."""
    a.files = {
        p: raw for p, raw in seal({**a.files, f"attestations/{_HEX}.intoto.jsonl": b""}).items() if _HEX not in p
    }
