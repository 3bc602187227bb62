"""Signing: the lines that one key says of a bundle, and the file they make."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from husai_core import strict_json
from husai_core.bundle import Snapshot
from husai_gates.attest.envelope import PAYLOAD_TYPE, Envelope, Signature, pae
from husai_gates.attest.keys import PrivateKey
from husai_gates.attest.statements import bundle_statement, summary, test_result
from husai_gates.decision import Decision


def sign(snapshot: Snapshot, decision: Decision | None, key: PrivateKey, now: datetime) -> bytes:
    """The bundle, and if there is a decision its test result and summary, signed: one envelope a line."""
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    keyid = key.public.keyid
    policy = decision.policy.digest if decision else None
    lines = [_envelope(bundle_statement(snapshot, policy, time), key, keyid)]
    if decision:
        lines.append(_envelope(test_result(snapshot, decision), key, keyid))
        lines.append(_envelope(summary(snapshot, decision, lines, time, keyid), key, keyid))
    return b"".join(line + b"\n" for line in lines)


def _envelope(statement: dict[str, Any], key: PrivateKey, keyid: str) -> bytes:
    payload = strict_json.encode(statement)
    return Envelope(payload, (Signature(keyid, key.sign(pae(PAYLOAD_TYPE, payload))),)).to_line()
