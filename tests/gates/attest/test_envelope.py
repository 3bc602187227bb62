"""Envelopes: DSSE as others write and read it, and nothing that only looks like it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_core.errors import InvalidEvidence
from husai_gates.attest.envelope import PAYLOAD_TYPE, Envelope, Signature, pae
from husai_gates.attest.keys import PrivateKey, PublicKey

securesystemslib = pytest.importorskip("securesystemslib", reason="needs securesystemslib (pip install 'husai[dev]')")


def signed(keys: Path, payload: bytes) -> Envelope:
    key = PrivateKey.read(keys / "ours")
    return Envelope(payload, (Signature(key.public.keyid, key.sign(pae(PAYLOAD_TYPE, payload))),))


def test_the_vector_of_the_dsse_protocol() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("", b"") == b"DSSEv1 0  0 "


def test_lengths_keep_type_and_payload_apart() -> None:
    assert pae("a b", b"c") != pae("a", b"b c")
    assert pae("é", b"").startswith(b"DSSEv1 2 ")


@given(st.binary(max_size=200))
def test_a_line_reads_back(payload: bytes) -> None:
    envelope = Envelope(payload, (Signature("a" * 64, b"s" * 64), Signature("b" * 64, b"t" * 64)))
    assert Envelope.of_line(envelope.to_line(), "here") == envelope
    assert b"\n" not in envelope.to_line()


def _theirs(pem: Path, keyid: str) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    return SSlibKey.from_crypto(load_pem_public_key(pem.read_bytes()), keyid=keyid)


def test_securesystemslib_verifies_our_envelope(keys: Path) -> None:
    from securesystemslib.dsse import Envelope as Theirs
    from securesystemslib.exceptions import VerificationError

    envelope = signed(keys, b'{"a": 1}')
    theirs = Theirs.from_dict(json.loads(envelope.to_line()))
    ours, stranger = (PublicKey.read(keys / f"{name}.pub").keyid for name in ("ours", "stranger"))
    assert list(theirs.verify([_theirs(keys / "ours.pub", ours)], 1)) == [ours]
    with pytest.raises(VerificationError):
        theirs.verify([_theirs(keys / "stranger.pub", stranger)], 1)
    with pytest.raises(VerificationError):
        theirs.verify([_theirs(keys / "stranger.pub", ours)], 1)


def test_we_verify_an_envelope_of_securesystemslib(keys: Path) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.dsse import Envelope as Theirs
    from securesystemslib.signer import CryptoSigner

    key = PublicKey.read(keys / "ours.pub")
    private: Any = load_pem_private_key((keys / "ours").read_bytes(), None)
    theirs = Theirs(b'{"b": 2}', PAYLOAD_TYPE, {})
    theirs.sign(CryptoSigner(private, _theirs(keys / "ours.pub", key.keyid)))
    envelope = Envelope.of_line(json.dumps(theirs.to_dict()).encode(), "here")
    assert envelope.payload == b'{"b": 2}'
    (signature,) = envelope.signatures
    assert signature.keyid == key.keyid
    assert key.verifies(signature.raw, envelope.signed_bytes)
    assert not PublicKey.read(keys / "stranger.pub").verifies(signature.raw, envelope.signed_bytes)


def test_the_key_is_named_as_openssl_would(keys: Path) -> None:
    import hashlib

    pem = (keys / "ours.pub").read_text().splitlines()[1:-1]
    assert PublicKey.read(keys / "ours.pub").keyid == hashlib.sha256(base64.b64decode("".join(pem))).hexdigest()


GOOD = {"payload": "e30=", "payloadType": PAYLOAD_TYPE, "signatures": [{"keyid": "a" * 64, "sig": "A" * 86 + "=="}]}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"payloadType": "application/vnd.in-toto+xml"}, "EV-PREDICATE"),
        ({"payloadType": 1}, "EV-PREDICATE"),
        ({"payload": "e30"}, "EV-TYPE"),
        ({"payload": "e31="}, "EV-TYPE"),
        ({"payload": " e30="}, "EV-TYPE"),
        ({"payload": None}, "EV-TYPE"),
        ({"signatures": []}, "EV-SIGNATURE"),
        ({"signatures": {}}, "EV-SIGNATURE"),
        ({"signatures": [{"keyid": "a" * 64, "sig": "AA=="}]}, "EV-SIGNATURE"),
        ({"signatures": [{"keyid": "a" * 64, "sig": "A" * 85 + "B=="}]}, "EV-SIGNATURE"),
        ({"signatures": [{"keyid": "a" * 64 + "\n", "sig": "A" * 86 + "=="}]}, "EV-SIGNER"),
        ({"signatures": [{"keyid": "", "sig": "A" * 86 + "=="}]}, "EV-SIGNER"),
        ({"signatures": [{"sig": "A" * 86 + "=="}]}, "EV-TYPE"),
        ({"signatures": ["x"]}, "EV-TYPE"),
        ({"more": 1}, "EV-TYPE"),
    ],
)
def test_what_is_no_envelope_of_ours_is_refused_with_its_code(change: dict[str, Any], code: str) -> None:
    assert Envelope.of_line(json.dumps(GOOD).encode(), "here").payload == b"{}"
    with pytest.raises(InvalidEvidence) as refused:
        Envelope.of_line(json.dumps({**GOOD, **change}).encode(), "here")
    assert refused.value.code == code


@given(st.binary(max_size=120) | st.text(max_size=60).map(str.encode))
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    with pytest.raises(InvalidEvidence):
        Envelope.of_line(raw, "here")
