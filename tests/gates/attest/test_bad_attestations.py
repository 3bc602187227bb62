"""Bad attestations: each named mutation of a signed bundle gives its code and exit 3, from audit, gate and verify."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from husai_core import strict_json
from husai_core.bundle import Snapshot
from husai_core.cli import invoke
from husai_gates.attest.attester import attest
from husai_gates.attest.envelope import PAYLOAD_TYPE, Envelope, Signature, pae
from husai_gates.attest.files import path_for, separate
from husai_gates.attest.keys import PrivateKey, PublicKey, Trust
from husai_gates.attest.signing import sign
from husai_gates.pipeline import audited

NOON = datetime(2026, 2, 1, 12)
Statements = list[dict[str, Any]]


def lines(folder: Path) -> list[bytes]:
    (path,) = (folder / "attestations").iterdir()
    return path.read_bytes().splitlines()


def replace(folder: Path, raw: bytes) -> None:
    """Other attestations in place of those there, under the name that fits them."""
    for path in (folder / "attestations").iterdir():
        path.unlink()
    (folder / path_for(raw)).write_bytes(raw)


def put(folder: Path, found: list[bytes]) -> None:
    replace(folder, b"".join(line + b"\n" for line in found))


def envelope(statement: dict[str, Any], key: PrivateKey) -> bytes:
    payload = strict_json.encode(statement)
    return Envelope(payload, (Signature(key.public.keyid, key.sign(pae(PAYLOAD_TYPE, payload))),)).to_line()


def resigned(folder: Path, key: PrivateKey, change: Callable[[Statements], None]) -> None:
    """What a holder of the key could sign instead, with the summary listing what it now rests on."""
    statements = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in lines(folder)]
    change(statements)
    first = [envelope(statement, key) for statement in statements[:2]]
    listed = statements[2]["predicate"]["inputAttestations"]
    if [item["digest"]["sha256"] for item in listed] != ["kept"]:
        listed[:] = [{"digest": {"sha256": hashlib.sha256(line).hexdigest()}} for line in first]
    put(folder, [*first, envelope(statements[2], key)])


def envelopes(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    found = [json.loads(line) for line in lines(folder)]
    change(found)
    put(folder, [json.dumps(each).encode() for each in found])


def codes(folder: Path, trust: Trust | None = None, latest: datetime | None = None) -> set[str]:
    report = audited(folder, trust, latest=latest).report
    assert report.exit_code == (3 if report.findings else 0)
    assert not any(finding.code == "GATE-ERROR" for finding in report.findings), report.findings
    return {finding.code for finding in report.findings}


@pytest.fixture
def ours(keys: Path) -> PrivateKey:
    return PrivateKey.read(keys / "ours")


@pytest.fixture
def trust(keys: Path) -> Trust:
    return Trust((PublicKey.read(keys / "ours.pub"),))


def test_a_good_one_is_good(signed: Path, trust: Trust) -> None:
    assert codes(signed) == codes(signed, trust) == set()
    assert audited(signed, trust).report.attested_by == (trust.keys[0].keyid,)
    assert audited(signed).report.attested_by == ()


# --- what the holder of a trusted key signs, and is not so: found by making it again


def other_payload(path: tuple[str | int, ...], value: Any) -> Callable[[Statements], None]:
    def change(statements: Statements) -> None:
        at: Any = statements
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = value

    return change


def _lie(statements: Statements) -> None:
    """A rule that did not pass, and everything else in agreement with that lie."""
    decision = statements[2]["predicate"]["husai:decision/v1"]
    decision["rows"][0] |= {"status": "fail", "code": "RULE-FAILED"}
    decision |= {"verdict": "not_released", "exit_code": 2}
    statements[2]["predicate"] |= {"verificationResult": "FAILED", "verifiedLevels": ["FAILED"]}
    result = statements[1]["predicate"]
    failed = decision["rows"][0]["rule"]
    result |= {"result": "FAILED", "failedTests": [failed]}
    result["passedTests"].remove(failed)


HEX = "0" * 64
SIGNED_LIES: dict[str, tuple[Callable[[Statements], None], str]] = {
    "a verdict that its decision does not give": (
        other_payload((2, "predicate", "verificationResult"), "FAILED"),
        "EV-PREDICATE",
    ),
    "a level that its decision does not give": (other_payload((2, "predicate", "verifiedLevels"), []), "EV-PREDICATE"),
    "a field of the signer's own": (other_payload((2, "predicate", "slsaVersion"), "1.0"), "EV-PREDICATE"),
    "another policy than its decision's": (
        other_payload((2, "predicate", "policy", "digest"), {"sha256": HEX}),
        "EV-PREDICATE",
    ),
    "another resource": (other_payload((2, "predicate", "resourceUri"), f"sha256:{HEX}"), "EV-PREDICATE"),
    "a decision by another policy than it was signed with": (
        other_payload((2, "predicate", "husai:decision/v1", "policy", "digest"), f"sha256:{HEX}"),
        "EV-INPUT-MISSING",
    ),
    "a decision on another bundle": (
        other_payload((2, "predicate", "husai:decision/v1", "bundle", "content_digest"), f"sha256:{HEX}"),
        "EV-RESOURCE",
    ),
    "a decision that this bundle does not give": (_lie, "EV-VIEW"),
    "a decision whose verdict contradicts its rows": (
        other_payload((2, "predicate", "husai:decision/v1", "rows", 0, "status"), "waived"),
        "EV-VIEW",
    ),
    "a decision with a row less": (other_payload((2, "predicate", "husai:decision/v1", "rows"), []), "EV-PREDICATE"),
    "no decision at all": (other_payload((2, "predicate", "husai:decision/v1"), None), "EV-PREDICATE"),
    "a decision that claims signers": (
        other_payload((2, "predicate", "husai:decision/v1", "attested_by"), [HEX]),
        "EV-VIEW",
    ),
    "a test result of another decision": (other_payload((1, "predicate", "passedTests"), ["all"]), "EV-VIEW"),
    "a test result about something else": (
        other_payload((1, "subject"), [{"name": "manifest.json", "digest": {"sha256": HEX}}]),
        "EV-RESOURCE",
    ),
    "a summary about something else": (
        other_payload((2, "subject"), [{"name": "manifest.json", "digest": {"sha256": HEX}}]),
        "EV-RESOURCE",
    ),
    "a file with another digest": (other_payload((0, "subject", 3, "digest", "sha256"), HEX), "EV-RESOURCE"),
    "a file too few": (lambda s: s[0]["subject"].pop(), "EV-RESOURCE"),
    "another content digest": (other_payload((0, "predicate", "contentDigest"), f"sha256:{HEX}"), "EV-RESOURCE"),
    "a bundle signed along with another decision": (
        other_payload((0, "predicate", "decidedBy"), {"digest": {"sha256": HEX}}),
        "EV-INPUT-MISSING",
    ),
    "a bundle signed along with words": (other_payload((0, "predicate", "decidedBy"), "all is well"), "EV-PREDICATE"),
    "another verifier": (
        other_payload((2, "predicate", "verifier", "id"), f"husai:verifier/{HEX}"),
        "EV-SIGNER",
    ),
    "a verifier that is none": (other_payload((2, "predicate", "verifier"), []), "EV-SIGNER"),
    "inputs that are none": (
        other_payload((2, "predicate", "inputAttestations"), [{"digest": {"sha256": "kept"}}]),
        "EV-INPUT-MISSING",
    ),
    "an unknown predicate": (other_payload((2, "predicateType"), "https://slsa.dev/provenance/v1"), "EV-PREDICATE"),
    "a summary under the name of a test result": (
        other_payload((2, "predicateType"), "https://in-toto.io/attestation/test-result/v0.1"),
        "EV-INPUT-MISSING",
    ),
    "an older statement": (other_payload((0, "_type"), "https://in-toto.io/Statement/v0.1"), "EV-PREDICATE"),
    "a predicate that is no object": (other_payload((1, "predicate"), []), "EV-PREDICATE"),
    "signed before the run finished": (
        other_payload((0, "predicate", "timeSigned"), "2026-01-31T12:09:59Z"),
        "EV-TIME",
    ),
    "judged before the run finished": (
        other_payload((2, "predicate", "timeVerified"), "2026-01-31T12:09:59Z"),
        "EV-TIME",
    ),
    "judged before it was signed": (other_payload((2, "predicate", "timeVerified"), "2026-01-31T13:00:00Z"), "EV-TIME"),
    "a time that is no time": (other_payload((0, "predicate", "timeSigned"), "2026-02-30T12:00:00Z"), "EV-TIME"),
    "a time in another form": (other_payload((2, "predicate", "timeVerified"), "2026-2-1T12:00:00Z"), "EV-TIME"),
    "a time that is a number": (other_payload((0, "predicate", "timeSigned"), 5), "EV-TIME"),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNED_LIES)
def test_what_is_signed_and_not_so_is_found_without_any_key(name: str, signed: Path, ours: PrivateKey) -> None:
    change, code = SIGNED_LIES[name]
    resigned(signed, ours, change)
    assert code in codes(signed)


def test_from_the_future_is_for_verify_which_has_a_clock(signed: Path, ours: PrivateKey, trust: Trust) -> None:
    resigned(signed, ours, other_payload((2, "predicate", "timeVerified"), "2026-02-01T12:00:01Z"))
    assert codes(signed, trust) == codes(signed, trust, datetime(2026, 2, 1, 12, 0, 1)) == set()
    assert codes(signed, trust, NOON) == {"EV-TIME"}


# --- what anyone can do to the file


def _flip(text: str) -> str:
    return ("B" if text[0] == "A" else "A") + text[1:]


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "payload of another type": (
        lambda b: envelopes(b, lambda e: e[2].update(payloadType="application/json")),
        "EV-PREDICATE",
    ),
    "signatures stripped": (lambda b: envelopes(b, lambda e: e[2].update(signatures=[])), "EV-SIGNATURE"),
    "half a signature": (
        lambda b: envelopes(b, lambda e: e[2]["signatures"][0].update(sig="AAAA")),
        "EV-SIGNATURE",
    ),
    "truncated in the middle of a line": (lambda b: replace(b, b"\n".join(lines(b))[:-40]), "EV-JSON"),
    "without a statement": (lambda b: replace(b, b""), "EV-JSON"),
    "with an empty line": (lambda b: put(b, [*lines(b), b""]), "EV-JSON"),
    "with garbage at the end": (lambda b: replace(b, b"\n".join(lines(b)) + b"\nx"), "EV-JSON"),
    "with a key twice": (
        lambda b: put(b, [lines(b)[0].replace(b'{"payload"', b'{"payload":"","payload"', 1), *lines(b)[1:]]),
        "EV-DUP-KEY",
    ),
    "line 1 deleted": (lambda b: put(b, lines(b)[1:]), "EV-INPUT-MISSING"),
    "line 2 deleted": (lambda b: put(b, [lines(b)[0], lines(b)[2]]), "EV-INPUT-MISSING"),
    "line 3 deleted": (lambda b: put(b, lines(b)[:2]), "EV-INPUT-MISSING"),
    "lines 2 and 3 deleted": (lambda b: put(b, lines(b)[:1]), "EV-INPUT-MISSING"),
    "only the test result left": (lambda b: put(b, lines(b)[1:2]), "EV-INPUT-MISSING"),
    "renamed": (
        lambda b: next((b / "attestations").iterdir()).rename(b / "attestations" / f"{HEX}.intoto.jsonl"),
        "EV-DIGEST",
    ),
    "under a name of its own": (
        lambda b: next((b / "attestations").iterdir()).rename(b / "attestations" / "decision.intoto.jsonl"),
        "EV-UNLISTED",
    ),
    "with something beside it": (lambda b: (b / "attestations" / "note.txt").write_text("trust me"), "EV-UNLISTED"),
    "in capital letters": (
        lambda b: (b / "attestations" / f"{'A' * 64}.intoto.jsonl").write_text("trust me"),
        "EV-UNLISTED",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_spoilt_file_is_found_without_any_key(name: str, signed: Path) -> None:
    change, code = FILES[name]
    change(signed)
    assert code in codes(signed)


def test_a_link_is_no_attestation(signed: Path, tmp_path: Path) -> None:
    (path,) = (signed / "attestations").iterdir()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert codes(signed) == {"EV-SYMLINK"}


def test_the_manifest_lists_no_attestation(signed: Path, seal: Any) -> None:
    files = {str(p.relative_to(signed)): p.read_bytes() for p in signed.rglob("*") if p.is_file()}
    (signed / "manifest.json").write_bytes(seal(files)["manifest.json"])
    assert "EV-FILE-MISSING" in codes(signed)


# --- what a key finds


KEYED: dict[str, tuple[Callable[[Path, Path], Any], str]] = {
    "nothing signed": (
        lambda b, k: [p.unlink() for p in (b / "attestations").iterdir()] and (b / "attestations").rmdir(),
        "EV-SIGNATURE",
    ),
    "a signature changed": (
        lambda b, k: envelopes(b, lambda e: e[2]["signatures"][0].update(sig=_flip(e[2]["signatures"][0]["sig"]))),
        "EV-SIGNATURE",
    ),
    "the signature of another line": (
        lambda b, k: envelopes(b, lambda e: e[2].update(signatures=e[1]["signatures"])),
        "EV-SIGNATURE",
    ),
    "signed by a stranger": (lambda b, k: resigned(b, PrivateKey.read(k / "stranger"), _stranger(k)), "EV-SIGNER"),
    "signed by a stranger in our name": (lambda b, k: _in_our_name(b, k), "EV-SIGNATURE"),
    "signed by us in a stranger's name": (
        lambda b, k: envelopes(
            b, lambda e: [x["signatures"][0].update(keyid=PublicKey.read(k / "stranger.pub").keyid) for x in e]
        ),
        "EV-SIGNER",
    ),
    "the decision signed by a stranger, the bundle by us": (lambda b, k: _grafted(b, k), "EV-SIGNER"),
}


def _stranger(keys: Path) -> Callable[[Statements], None]:
    keyid = PublicKey.read(keys / "stranger.pub").keyid
    return other_payload((2, "predicate", "verifier", "id"), f"husai:verifier/{keyid}")


def _in_our_name(folder: Path, keys: Path) -> None:
    resigned(folder, PrivateKey.read(keys / "stranger"), lambda statements: None)
    keyid = PublicKey.read(keys / "ours.pub").keyid
    envelopes(folder, lambda found: [e["signatures"][0].update(keyid=keyid) for e in found] and None)


def _grafted(folder: Path, keys: Path) -> None:
    """Our statement about the bundle, and a stranger's decision that lists it."""
    first = lines(folder)[0]
    stranger = PrivateKey.read(keys / "stranger")
    resigned(folder, stranger, _stranger(keys))
    rest = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in lines(folder)][1:]
    result = envelope(rest[0], stranger)
    listed = [{"digest": {"sha256": hashlib.sha256(line).hexdigest()}} for line in (first, result)]
    rest[1]["predicate"]["inputAttestations"] = listed
    put(folder, [first, result, envelope(rest[1], stranger)])


@pytest.mark.parametrize("name", KEYED)
def test_a_key_finds_what_was_not_signed_with_it(
    name: str, signed: Path, keys: Path, trust: Trust, capsys: pytest.CaptureFixture[str]
) -> None:
    change, code = KEYED[name]
    change(signed, keys)
    assert code in codes(signed, trust)
    assert audited(signed, trust).report.attested_by == ()
    given = ["--trust", str(keys / "ours.pub")]
    for command in (
        ["verify", str(signed)],
        ["audit", str(signed)],
        ["gate", str(signed), "--policy", str(signed / "policy" / "test.toml")],
    ):
        assert invoke([*command, *given]) == 3
        output = capsys.readouterr()
        assert code in output.out
        assert "Traceback" not in output.out + output.err


def test_a_stranger_beside_us_does_no_harm_and_counts_for_nothing(
    signed: Path, keys: Path, trust: Trust, capsys: pytest.CaptureFixture[str]
) -> None:
    attest(signed, PrivateKey.read(keys / "stranger"), None, NOON)
    assert codes(signed, trust) == set()
    assert audited(signed, trust).report.attested_by == (trust.keys[0].keyid,)
    two = Trust((*trust.keys, PublicKey.read(keys / "second.pub")), 2)
    assert codes(signed, two) == {"EV-SIGNER"}


def test_the_pass_of_one_bundle_is_none_for_another(
    signed: Path, make_draft: Any, write: Any, tmp_path: Path, trust: Trust
) -> None:
    worse = make_draft()
    worse.measurement("explained_variance")["observations"][2]["value"] = 0.84
    later = make_draft()
    later.provenance["packages"]["numpy"] = "2.0"
    for name, draft in (("worse", worse), ("later", later)):
        draft.views = True
        folder = write(draft.files(), tmp_path / name)
        (folder / "attestations").mkdir()
        put(folder, lines(signed))
        assert codes(folder) == codes(folder, trust) == {"EV-RESOURCE"}
        assert invoke(["gate", str(folder), "--policy", str(folder / "policy" / "test.toml")]) == 3


def test_everything_made_again_by_the_producer_needs_the_key(
    signed: Path, keys: Path, trust: Trust, make_draft: Any, write: Any, tmp_path: Path
) -> None:
    """Threat 3: all digests and views fit; only a signature that cannot be made again is missing."""
    forged = make_draft(views=True)
    for observation in forged.measurement("explained_variance")["observations"]:
        observation["value"] = round(observation["value"] + 0.01, 9)
    folder = write(forged.files(), tmp_path / "forged")
    attest(folder, PrivateKey.read(keys / "stranger"), None, NOON)
    assert codes(folder) == set()
    assert codes(folder, trust) == {"EV-SIGNER"}


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_flipped_byte_of_an_attestation_goes_unnoticed(data: Any, signed: Path) -> None:
    (path,) = (signed / "attestations").iterdir()
    raw = path.read_bytes()
    at, flip = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(1, 255))
    try:
        path.write_bytes(raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :])
        assert "EV-DIGEST" in codes(signed)
    finally:
        path.write_bytes(raw)


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inside for place in _places(item, (*path, key)))]


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_signed_value_can_be_another(data: Any, signed: Path, ours: PrivateKey, signed_files: Any) -> None:
    (path,) = (path for path in signed_files if path.startswith("attestations/"))
    (signed / "attestations").joinpath(Path(path).name).write_bytes(signed_files[path])
    put(signed, signed_files[path].splitlines())
    statements = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in lines(signed)]
    left_alone = {(2, "predicate"), *((n, "predicateType") for n in range(3))}  # `resigned` needs them
    places = [p for p in _places(statements) if len(p) > 1 and "inputAttestations" not in p and p not in left_alone]
    place = data.draw(st.sampled_from(places))
    value = data.draw(st.sampled_from(["", "x", None, [], {}, -1, [[]], {"x": {}}, HEX]))
    at: Any = statements
    for part in place:
        at = at[part]
    if at != value:
        resigned(signed, ours, other_payload(place, value))
        assert codes(signed), (place, value)


def test_the_same_key_bundle_and_time_give_the_same_bytes(signed: Path, ours: PrivateKey) -> None:
    from husai_gates.judge import judge
    from husai_gates.policy import load

    found = audited(signed)
    raw = found.snapshot.files["policy/test.toml"]
    decision = judge(found.report, load(raw, "policy/test.toml"), found.snapshot)
    again = sign(found.snapshot, decision, ours, NOON)
    assert (signed / path_for(again)).read_bytes() == again


def test_attestations_are_no_part_of_what_is_audited(signed: Path, good: Any) -> None:
    files = {str(p.relative_to(signed)): p.read_bytes() for p in signed.rglob("*") if p.is_file()}
    rest, attested = separate(Snapshot("bundle", files))
    assert rest.files == good
    assert len(attested) == 1
