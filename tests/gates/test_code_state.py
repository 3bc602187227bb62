"""The state of the code: who releases must be able to find it again, unless the policy says that any will do."""

from __future__ import annotations

from typing import Any

import pytest

from husai_core.bundle import Snapshot
from husai_gates import policy as policies
from husai_gates.code_state import check_code

HEAD = """
schema = "husai:policy/v1"
name = "code"
version = "1"
purpose = "Whose code?"
confidence = 0.95
min_units = 3
"""
RULE = """
[[rule]]
id = "it"
question = "Was it measured?"
reason = "It must be."
kind = "present"
benchmark = "reconstruction"
"""
COMMIT = "a" * 40


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ({"commit": COMMIT, "dirty": False, "diff": None}, []),
        ({"commit": None, "dirty": None, "diff": None}, ["PROV-UNKNOWN"]),
        ({"commit": None, "dirty": False, "diff": None}, ["PROV-UNKNOWN"]),
        ({"commit": COMMIT, "dirty": None, "diff": None}, ["PROV-UNKNOWN"]),
        ({"commit": COMMIT, "dirty": True, "diff": "sha256:" + "1" * 64}, ["PROV-DIRTY"]),
        ({"commit": COMMIT, "dirty": True, "diff": None}, ["PROV-DIRTY"]),
        ({"commit": COMMIT, "dirty": False, "diff": "sha256:" + "1" * 64}, ["PROV-DIRTY"]),
    ],
)
def test_code_is_known_and_committed_or_it_does_not_release(
    draft: Any, decide: Any, code: dict[str, Any], found: list[str]
) -> None:
    draft.provenance["code"] = code
    policy = policies.load((HEAD + RULE).encode(), "p")
    findings = list(check_code(policy, Snapshot("bundle", draft.files())))
    assert [finding.code for finding in findings] == found
    assert all(int(finding.severity) == 2 for finding in findings)
    if "PROV-DIRTY" in found:
        assert COMMIT[:12] in findings[0].rule
        assert COMMIT[:13] not in findings[0].rule
    anything = policies.load((HEAD + 'code = "any"\n' + RULE).encode(), "p")
    assert list(check_code(anything, Snapshot("bundle", draft.files()))) == []
    assert list(check_code(policy, Snapshot("bundle", {}))) == []


def test_the_gate_holds_a_bundle_to_it_and_says_nothing_of_one_it_cannot_believe(draft: Any, decide: Any) -> None:
    draft.provenance["code"] = {"commit": COMMIT, "dirty": True, "diff": None}
    files = draft.files()
    decision = decide(files, HEAD + RULE)
    assert ([f.code for f in decision.findings], int(decision.exit_code)) == (["PROV-DIRTY"], 2)
    decision = decide({**files, "study.toml": files["study.toml"] + b"\n"}, HEAD + RULE)
    assert ([f.code for f in decision.findings], int(decision.exit_code)) == (["EV-DIGEST"], 3)
