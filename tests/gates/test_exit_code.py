"""The exit code: one function, and its precedence."""

from __future__ import annotations

import itertools

import pytest

from husai_core.errors import ExitCode, InvalidEvidence
from husai_gates.decision import STATUSES, WORST_FIRST, Decision, PolicyName, Row, conclude
from husai_gates.finding import Finding, severity

CODES = {
    "EV-DIGEST": 3,
    "EV-NEVER-HEARD-OF": 3,
    "POL-DIRECTION": 64,
    "GATE-ERROR": 4,
    "GATE-VACUOUS": 5,
    "EV-ABSENT": 2,
    "EV-SEEDS-MISSING": 2,
    "EV-SELECTION": 3,
    "EV-SELECTION-SEEDS": 2,
    "EV-SELECTION-ABSENT": 2,
}
ORDER = [3, 64, 4, 5, 2]


def finding(code: str) -> Finding:
    return Finding(code, "file", "$", "rule")


@pytest.mark.parametrize(("code", "exit_code"), CODES.items())
def test_every_code_has_a_severity_and_an_unknown_one_the_gravest(code: str, exit_code: int) -> None:
    assert severity(code) == exit_code
    assert conclude(["pass"], [finding(code)]) == exit_code


@pytest.mark.parametrize(("one", "other"), itertools.combinations(CODES, 2))
def test_the_graver_of_two_findings_decides(one: str, other: str) -> None:
    expected = min(CODES[one], CODES[other], key=ORDER.index)
    assert conclude(["pass"], [finding(one), finding(other)]) == expected
    assert conclude(["pass"], [finding(other), finding(one)]) == expected


@pytest.mark.parametrize(
    ("rows", "exit_code"),
    [
        (["pass"], 0),
        (["pass", "waived", "not_applicable"], 0),
        (["pass", "fail"], 2),
        (["pass", "missing"], 2),
        (["pass", "inconclusive"], 2),
        (["pass", "error", "fail"], 4),
        (["pass", "invalid", "error", "fail"], 3),
        (["missing"], 2),
        ([], 5),
        (["waived"], 5),
        (["not_applicable", "waived"], 5),
        (["a status from the future", "pass"], 2),
    ],
)
def test_rows_decide(rows: list[str], exit_code: int) -> None:
    assert conclude(rows, []) == exit_code


def test_a_policy_mistake_comes_before_the_error_row_it_makes_but_never_before_tampering() -> None:
    assert conclude(["error"], [finding("POL-DIRECTION")]) == ExitCode.USAGE
    assert conclude(["invalid"], [finding("POL-DIRECTION")]) == ExitCode.INVALID


def test_a_finding_is_plain_text_in_one_line_each() -> None:
    found = Finding("A\x1b", "two\nlines", "\u202e", "long" * 1000, " blank   blank ")
    assert (found.code, found.file, found.path) == ("A\\x1b", "two lines", "\\u202e")
    assert (len(found.rule), found.next_step) == (600, "blank blank")
    assert Finding.from_json(found.to_json()) == found


def test_findings_have_an_order() -> None:
    one, other = Finding("A", "b", "$", "rule"), Finding("A", "a", "$.x", "rule")
    assert sorted([one, other]) == [other, one]


@pytest.mark.parametrize(
    ("place", "path"), [("file.json", "$"), ("file.json $.a[0]", "$.a[0]"), ("another", "another"), ("", "$")]
)
def test_a_document_that_was_refused_is_a_finding_at_its_place(place: str, path: str) -> None:
    error = InvalidEvidence("EV-SCHEMA", place, "it must not be", "mend it")
    assert Finding.of_error(error, "file.json") == Finding("EV-SCHEMA", "file.json", path, "it must not be", "mend it")


def test_every_status_has_a_rank() -> None:
    assert sorted(WORST_FIRST) == sorted(STATUSES)
    assert WORST_FIRST[-1] == "pass"


def test_a_decision_whose_verdict_does_not_follow_from_its_rows_is_refused() -> None:
    row = Row("r", "q", "because", "present", "it", "fail", "RULE-FAILED", "no")
    decision = Decision(
        PolicyName("p", "1", "sha256:" + "0" * 64, "", 0.95), "sha256:" + "0" * 64, "hash_only", (row,), ()
    )
    data = decision.to_json()
    assert Decision.from_json(data) == decision
    with pytest.raises(InvalidEvidence, match="not_released"):
        Decision.from_json({**data, "verdict": "released", "exit_code": 0})
