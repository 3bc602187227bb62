"""Preregistration: the policy that judges is the one that lay in the bundle, and no other lay beside it."""

from __future__ import annotations

from typing import Any

import pytest

from husai_core import strict_json
from husai_gates import policy as policies
from husai_gates.preregistration import check_preregistration

POLICY = """
schema = "husai:policy/v1"
name = "before"
version = "1"
purpose = "Was it fixed before the run?"
confidence = 0.95
min_units = 3
preregistered = true

[[rule]]
id = "it"
question = "Was it measured?"
reason = "It must be."
kind = "present"
benchmark = "reconstruction"
"""
RAW = POLICY.encode()
OTHER = RAW.replace(b"Was it measured?", b"Was it not measured?")


def said(files: dict[str, bytes], raw: bytes = RAW) -> list[str]:
    findings = list(check_preregistration(policies.load(raw, "p"), files))
    assert {f.code for f in findings} <= {"POL-PREREG-MISMATCH"}
    return [f.rule.rpartition(" holds ")[2] for f in findings]


def test_the_one_policy_of_the_bundle_may_judge_it() -> None:
    assert strict_json.digest(RAW) == policies.load(RAW, "p").digest
    assert said({"policy/a.toml": RAW, "study.toml": b""}) == []


@pytest.mark.parametrize(
    ("files", "holds"),
    [
        ({"study.toml": b""}, "none"),
        ({"policy/a.toml": OTHER}, "another one, which also calls itself before 1"),
        ({"policy/a.toml": RAW.replace(b'version = "1"', b'version = "0"')}, "before 0"),
        ({"policy/a.toml": b"no policy"}, "another one, policy/a.toml"),
        ({"policy/a.toml": RAW, "policy/b.toml": OTHER}, "2 policies, of which a reader could pick one"),
        ({"policy/a.toml": RAW, "policy/b.toml": RAW}, "2 policies, of which a reader could pick one"),
    ],
)
def test_any_other_is_found(files: dict[str, bytes], holds: str) -> None:
    assert said(files) == [holds]


def test_both_versions_and_both_ways_out_are_named() -> None:
    newer = RAW.replace(b'version = "1"', b'version = "2"')
    (found,) = check_preregistration(policies.load(newer, "p"), {"policy/before.toml": RAW})
    assert "you gave before 2" in found.rule
    assert "the bundle holds before 1" in found.rule
    assert found.next_step.startswith("run the study again")
    assert found.next_step.endswith("husai gate BUNDLE --policy BUNDLE/policy/before.toml")
    (none,) = check_preregistration(policies.load(newer, "p"), {"study.toml": b""})
    assert none.next_step == "run the study again with this policy"


def test_a_policy_that_does_not_claim_it_is_not_held_to_it() -> None:
    assert said({"study.toml": b""}, RAW.replace(b"preregistered = true\n", b"")) == []


def test_a_bundle_that_could_not_be_read_says_nothing_of_it() -> None:
    assert said({}) == []


def test_the_gate_asks(draft: Any, decide: Any) -> None:
    draft.policy = POLICY
    assert int(decide(draft.files(), POLICY).exit_code) == 0
    assert int(decide(draft.files(), OTHER.decode()).exit_code) == 64
