"""Statements: what is said of a bundle in in-toto's words: which files it has, what passed, and whether it is released.

Each is a pure function of the bundle, the decision, the time and the signer, so a verifier makes it again and compares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from husai_core import strict_json
from husai_core.bundle import MANIFEST, Snapshot
from husai_core.errors import ExitCode
from husai_gates.decision import DECISION_SCHEMA, Decision

STATEMENT = "https://in-toto.io/Statement/v1"
BUNDLE = "husai:bundle/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
SUMMARY = "https://slsa.dev/verification_summary/v1"
PREDICATES = (BUNDLE, TEST_RESULT, SUMMARY)

RELEASED_LEVEL = "HUSAI_RELEASED"

Document = dict[str, Any]


def bundle_statement(snapshot: Snapshot, policy: str | None, time: str) -> Document:
    """Every file of the bundle by digest, and the digest of the policy whose decision is signed along with it."""
    manifest = snapshot.json(MANIFEST)
    files = manifest["files"]
    subject = [{"name": path, "digest": {"sha256": _hex(files[path]["sha256"])}} for path in sorted(files)]
    decided = {"digest": {"sha256": _hex(policy)}} if policy else None
    predicate = {"contentDigest": manifest["content_digest"], "decidedBy": decided, "timeSigned": time}
    return _statement([*manifest_subject(snapshot), *subject], BUNDLE, predicate)


def test_result(snapshot: Snapshot, decision: Decision) -> Document:
    """The rules of the policy as tests, and the findings as tests that failed."""
    by_status = {row.rule: row.status for row in decision.rows}
    passed = sorted(rule for rule, status in by_status.items() if status == "pass")
    warned = sorted(rule for rule, status in by_status.items() if status in ("waived", "not_applicable"))
    failed = sorted(set(by_status) - set(passed) - set(warned)) + sorted(
        {f"finding {f.code}" for f in decision.findings}
    )
    predicate = {
        "result": "PASSED" if decision.exit_code == ExitCode.RELEASED else "FAILED",
        "configuration": [_policy(decision)],
        "passedTests": passed,
        "warnedTests": warned,
        "failedTests": failed,
    }
    return _statement(manifest_subject(snapshot), TEST_RESULT, predicate)


def summary(snapshot: Snapshot, decision: Decision, inputs: Iterable[bytes], time: str, keyid: str) -> Document:
    """The verification summary: released or not, by which policy and whom, after seeing these envelopes.

    The whole decision stands in the field named by its schema; SLSA's own fields say what anyone can read.
    """
    released = decision.exit_code == ExitCode.RELEASED
    policy = _policy(decision)
    predicate = {
        "verifier": {"id": verifier_id(keyid), "version": {"husai": decision.made_by}},
        "timeVerified": time,
        "resourceUri": decision.content_digest,
        "policy": {"uri": policy["name"], "digest": policy["digest"]},
        "inputAttestations": [{"digest": {"sha256": line_digest(line)}} for line in inputs],
        "verificationResult": "PASSED" if released else "FAILED",
        "verifiedLevels": [RELEASED_LEVEL] if released else ["FAILED"],
        DECISION_SCHEMA: decision.to_json(),
    }
    return _statement(manifest_subject(snapshot), SUMMARY, predicate)


def line_digest(line: bytes) -> str:
    """How a summary names the envelope on a line."""
    return hashlib.sha256(line).hexdigest()


def verifier_id(keyid: str) -> str:
    """Who judged, as a URI: whoever holds the key."""
    return f"husai:verifier/{keyid}"


def _statement(subject: list[Document], predicate_type: str, predicate: Document) -> Document:
    return {"_type": STATEMENT, "subject": subject, "predicateType": predicate_type, "predicate": predicate}


def manifest_subject(snapshot: Snapshot) -> list[Document]:
    """The manifest stands for the bundle: it holds the digest of every other file."""
    return [{"name": MANIFEST, "digest": {"sha256": _hex(strict_json.digest(snapshot.files[MANIFEST]))}}]


def _policy(decision: Decision) -> Document:
    policy = decision.policy
    return {"name": f"husai:policy/{policy.name}", "digest": {"sha256": _hex(policy.digest)}}


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
