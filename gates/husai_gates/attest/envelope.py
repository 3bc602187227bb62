"""The DSSE envelope: a payload, its type, and signatures over both; one line of JSON each."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from husai_core import strict_json
from husai_core.errors import InvalidEvidence

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_KEYID = re.compile(r"[0-9a-f]{64}")
_SIGNATURE_BYTES = 64
_AGAIN = "get the attestation again from who made it"


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed: type and payload with their lengths, so that neither can be taken for the other."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True)
class Signature:
    """The bytes of an ed25519 signature, and the key that it says it was made with."""

    keyid: str
    raw: bytes


@dataclass(frozen=True)
class Envelope:
    """A statement as the bytes that were signed: those that are verified are those that are parsed."""

    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def signed_bytes(self) -> bytes:
        return pae(PAYLOAD_TYPE, self.payload)

    def to_line(self) -> bytes:
        document = {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": s.keyid, "sig": base64.b64encode(s.raw).decode()} for s in self.signatures],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def of_line(cls, line: bytes, place: str) -> Envelope:
        """The envelope on a line; one of another payload type or without a signature is refused."""
        document = _object(strict_json.parse(line, place), {"payload", "payloadType", "signatures"}, place, "$")
        if document["payloadType"] != PAYLOAD_TYPE:
            rule = f"is a payload of type {document['payloadType']!r}, not '{PAYLOAD_TYPE}'"
            raise InvalidEvidence("EV-PREDICATE", f"{place} $.payloadType", rule, _AGAIN)
        payload = _bytes(document["payload"], "EV-TYPE", f"{place} $.payload")
        signatures = document["signatures"]
        if not isinstance(signatures, list) or not signatures:
            raise InvalidEvidence("EV-SIGNATURE", f"{place} $.signatures", "there is no signature", _AGAIN)
        return cls(payload, tuple(_signature(s, place, f"$.signatures[{i}]") for i, s in enumerate(signatures)))


def _signature(value: Any, place: str, path: str) -> Signature:
    document = _object(value, {"keyid", "sig"}, place, path)
    keyid, raw = document["keyid"], _bytes(document["sig"], "EV-SIGNATURE", f"{place} {path}.sig")
    if not isinstance(keyid, str) or not _KEYID.fullmatch(keyid):
        rule = "a key is named by the sha256 of its DER form, in 64 hexadecimal digits"
        raise InvalidEvidence("EV-SIGNER", f"{place} {path}.keyid", rule)
    if len(raw) != _SIGNATURE_BYTES:
        rule = f"has {len(raw)} bytes, a signature of ed25519 has {_SIGNATURE_BYTES}"
        raise InvalidEvidence("EV-SIGNATURE", f"{place} {path}.sig", rule, _AGAIN)
    return Signature(keyid, raw)


def _object(value: Any, keys: set[str], place: str, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        raise InvalidEvidence("EV-TYPE", f"{place} {path}", f"must be an object of {', '.join(sorted(keys))}", _AGAIN)
    return value


def _bytes(value: Any, code: str, where: str) -> bytes:
    """Base64 in the one form that encodes these bytes: otherwise a changed character could mean the same."""
    try:
        raw = base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        raw = None
    if raw is None or base64.b64encode(raw).decode() != value:
        raise InvalidEvidence(code, where, "is not base64 in its one canonical form", _AGAIN)
    return raw
