"""The judge: what a row says of its cells, whose rows a report remembers, and which findings a decision has."""

from __future__ import annotations

from typing import Any

import pytest

from husai_core.bundle import Snapshot
from husai_gates import judge as judging
from husai_gates import policy as policies
from husai_gates.audit import AuditReport, audit
from husai_gates.finding import Finding
from husai_gates.judge import judge
from husai_gates.last_release import LastRelease

HEAD = """
schema = "husai:policy/v1"
name = "judging"
version = "1"
purpose = "What does a row say?"
confidence = 0.95
min_units = 3

[[rule]]
id = "it"
question = "Does it hold?"
reason = "To see what is said."
"""
FLOOR = 'kind = "threshold"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\n'
ALIVE = (
    'kind = "superiority"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\nover = { role = "baseline" }\n'
)


def loaded(rule: str) -> Any:
    return policies.load((HEAD + rule).encode(), "p")


@pytest.fixture
def row(draft: Any, decide: Any) -> Any:
    def judged(rule: str) -> Any:
        (found,) = decide(draft.files(), HEAD + rule).rows
        return found

    return judged


def two_candidates(draft: Any) -> None:
    draft.study = draft.study.replace('role = "baseline"', 'role = "candidate"')
    for subject in draft.subjects.values():
        subject["role"] = "candidate" if subject["role"] == "baseline" else subject["role"]


def test_a_row_of_one_cell_says_what_the_cell_says(row: Any) -> None:
    found = row(FLOOR + "at_least = 0.9")
    assert len(found.cells) == 1
    assert found.says == found.cells[0].says


def test_a_row_of_several_cells_says_how_many_hold_and_what_the_worst_says(row: Any, draft: Any) -> None:
    two_candidates(draft)
    found = row(FLOOR + "at_least = 0.945")
    assert [cell.status for cell in found.cells] == ["fail", "pass"]
    assert [cell.condition for cell in found.cells] == ["addition.relu", "addition.topk"]
    assert found.says == f"1 of 2 hold; addition.relu: {found.cells[0].says}"
    against = row(FLOOR.replace("threshold", "superiority") + 'over = { control = "untrained" }')
    assert against.says.startswith("2 of 2 hold; addition.relu against addition.relu.untrained: ")


def test_a_rule_about_nobody_names_whom_and_where(row: Any) -> None:
    nowhere = row(FLOOR + 'at_least = 0.9\nsite = "elsewhere"')
    assert (nowhere.status, nowhere.code, nowhere.cells) == ("missing", "EV-ABSENT", ())
    assert nowhere.says == "the bundle has no condition that is role 'candidate' at 'elsewhere'"
    nobody = row(FLOOR + 'at_least = 0.9\nsubject = { condition = "nobody" }')
    assert nobody.says == "the bundle has no condition that is condition 'nobody'"


def test_a_control_that_a_candidate_lacks_is_missing_by_name(row: Any, draft: Any) -> None:
    two_candidates(draft)
    found = row(FLOOR + 'at_least = 0.9\nsubject = { control = "pca" }')
    assert [(cell.condition, cell.status, cell.code) for cell in found.cells] == [
        ("addition.relu.pca", "missing", "EV-ABSENT"),
        ("addition.topk.pca", "missing", "EV-ABSENT"),
    ]
    assert "there is no control 'pca' here" in found.says


@pytest.mark.parametrize(
    ("more", "near"),
    [
        ('subject = { control = "untraind" }\nat_least = 0.9', "did you mean 'untrained'?"),
        ('subject = { condition = "addition.topkk" }\nat_least = 0.9', "did you mean 'addition.topk'?"),
    ],
)
def test_a_misspelt_subject_is_answered_with_the_nearest(row: Any, more: str, near: str) -> None:
    found = row(FLOOR + more)
    assert (found.status, found.code) == ("missing", "EV-ABSENT")
    assert found.next_step.startswith(f"{near} the bundle has: ")


def test_a_misspelt_comparator_is_answered_with_the_nearest_and_an_absent_one_is_to_be_added(row: Any) -> None:
    superior = FLOOR.replace("threshold", "superiority")
    found = row(superior + 'over = { control = "untraind" }')
    assert (found.status, found.code) == ("missing", "BASE-ABSENT")
    step = "did you mean 'untrained'? the bundle has: random_decoder, untrained; or add it to the study and run it"
    assert found.next_step == step
    assert row(superior + 'over = { control = "pca" }').next_step.endswith("or add it to the study and run it")


def test_an_audited_bundle_is_judged_by_each_policy_anew(draft: Any) -> None:
    snapshot = Snapshot("bundle", draft.files())
    report = audit(snapshot)
    lenient, strict = loaded(FLOOR + "at_least = 0.9"), loaded(FLOOR + "at_least = 0.99")
    for policy, status in ((lenient, "pass"), (strict, "fail"), (lenient, "pass"), (strict, "fail")):
        assert [row.status for row in judge(report, policy, snapshot).rows] == [status]


def test_an_audited_bundle_is_judged_against_each_last_release_anew(draft: Any, make_draft: Any) -> None:
    older = make_draft(views=True)
    for subject in older.subjects.values():
        subject["weights"] = "sha256:" + subject["weights"].removeprefix("sha256:")[::-1]
    older.provenance |= {"started": "2026-01-01T12:00:00Z", "finished": "2026-01-01T12:10:00Z"}
    for place, observation in enumerate(older.measurement("explained_variance")["observations"]):
        observation["value"] = round(observation["value"] + 0.001 * (place % 3), 6)
    files = older.files()
    last = LastRelease.of(Snapshot("older", files), audit(Snapshot("older", files)))
    snapshot = Snapshot("bundle", draft.files())
    report = audit(snapshot)
    policy = loaded('kind = "regression"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\nmargin = 0.01')
    for release, status in ((None, "missing"), (last, "pass"), (None, "missing"), (last, "pass")):
        (row,) = judge(report, policy, snapshot, release).rows
        assert (row.status, [cell.against for cell in row.cells]) == (status, ["last release"])


def test_rows_are_worked_out_once(draft: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = Snapshot("bundle", draft.files())
    report = audit(snapshot)
    policy = loaded(FLOOR + "at_least = 0.9")
    once = judge(report, policy, snapshot)
    monkeypatch.setitem(judging.RULES, "threshold", None)
    assert judge(report, policy, snapshot) == once
    assert judge(audit(snapshot), policy, snapshot).rows[0].status == "error"


def test_a_mistake_of_the_policy_is_a_finding_that_names_the_rule(draft: Any, decide: Any) -> None:
    decision = decide(draft.files(), HEAD + FLOOR.replace("explained_variance", "dead_fraction") + "at_least = 0.1")
    assert [(f.code, f.file, f.path) for f in decision.findings] == [("POL-DIRECTION", "policy", "$.rule.it")]
    assert int(decision.exit_code) == 64


def test_what_is_not_compared_with_the_last_release_keeps_the_name_of_its_comparator(row: Any) -> None:
    assert row(ALIVE + "margin = 0").cells[0].against == "addition.relu"
    assert row(FLOOR + "at_least = 0.9").cells[0].against is None


@pytest.mark.parametrize(
    ("findings", "status", "code"),
    [
        ((Finding("EV-FAILED", "a", "$", "r"), Finding("EV-DIGEST", "b", "$", "r")), "invalid", "EV-DIGEST"),
        ((Finding("EV-DIGEST", "b", "$", "r"), Finding("EV-SUBJECT", "a", "$", "r")), "invalid", "EV-DIGEST"),
        ((Finding("GATE-ERROR", ".", "$", "r"),), "error", "GATE-ERROR"),
    ],
)
def test_a_bundle_that_cannot_be_believed_is_not_judged(
    draft: Any, findings: tuple[Finding, ...], status: str, code: str
) -> None:
    snapshot = Snapshot("bundle", draft.files())
    report: AuditReport = audit(snapshot).with_findings(findings)
    decision = judge(report, loaded(FLOOR + "at_least = 0.9"), snapshot)
    assert [(row.status, row.code, row.cells) for row in decision.rows] == [(status, code, ())]
    if status == "invalid":
        assert decision.rows[0].says == "the bundle cannot be believed: EV-DIGEST b"
    assert set(findings) <= set(decision.findings)


def test_a_rule_that_breaks_is_an_error_with_its_cell(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setitem(judging.RULES, "superiority", broken)
    found = row(ALIVE)
    (cell,) = found.cells
    assert (found.status, found.code, cell.condition) == ("error", "GATE-ERROR", "addition.topk")
    assert cell.against == "addition.relu"
    assert "RuntimeError: no" in found.says


def test_nothing_to_judge_and_nothing_to_judge_by_are_found(draft: Any, seal: Any) -> None:
    empty = {"study.toml": draft.study.encode(), "provenance.json": draft.content()["provenance.json"]}
    snapshot = Snapshot("bundle", seal(empty))
    codes = {f.path for f in judge(audit(snapshot), loaded(FLOOR + "at_least = 1"), snapshot).findings
             if f.code == "GATE-VACUOUS"}  # fmt: skip
    assert codes == {"$"}
    full = Snapshot("bundle", draft.files())
    found = judge(audit(full), loaded(FLOOR + "at_least = 0.9"), full).findings
    assert not [f for f in found if f.code == "GATE-VACUOUS"]
