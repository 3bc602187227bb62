"""Selection: whom a rule is about, what each is held against, and where that was measured."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from husai_core.bundle import Snapshot
from husai_gates import policy as policies
from husai_gates.audit import AuditReport, audit
from husai_gates.cannot_judge import CannotJudge
from husai_gates.condition import Condition
from husai_gates.policy import Rule, Who
from husai_gates.select import comparators, documents, locate, targets

HEAD = """
schema = "husai:policy/v1"
name = "selecting"
version = "1"
purpose = "Whom is it about?"
confidence = 0.95
min_units = 2

[[rule]]
id = "it"
question = "Does it hold?"
reason = "It must."
kind = "threshold"
benchmark = "reconstruction"
metric = "explained_variance"
at_least = 0.5
"""
TOPK, RELU = "addition.topk", "addition.relu"


def asked(more: str = "") -> Rule:
    return policies.load((HEAD + more).encode(), "p.toml").rules[0]


@pytest.fixture
def report(draft: Any) -> AuditReport:
    return audit(Snapshot("bundle", draft.files()))


@pytest.fixture
def conditions(report: AuditReport) -> dict[str, Condition]:
    """Those of one site, and the baseline with its controls at another, too."""
    found = dict(report.conditions)
    for name in (RELU, f"{RELU}.untrained"):
        there = name.replace("addition", "other")
        moved = [dataclasses.replace(s, site="other", condition=there) for s in found[name].subjects]
        if name != RELU:
            moved = [dataclasses.replace(s, control=dataclasses.replace(s.control, of="other.relu")) for s in moved]
        found[there] = Condition(there, tuple(moved))
    return found


def names(found: list[Any]) -> list[str]:
    return [one if isinstance(one, str) else one.name for one in found]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", [TOPK]),
        ('subject = { role = "baseline" }', [RELU, "other.relu"]),
        ('subject = { role = "baseline" }\nsite = "other"', ["other.relu"]),
        ('site = "other"', []),
        ('subject = { condition = "other.relu" }', ["other.relu"]),
        ('subject = { condition = "addition.gone" }', []),
        ('subject = { control = "untrained" }', [f"{TOPK}.untrained"]),
        ('subject = { control = "shuffled" }', [f"{TOPK}.shuffled"]),
        ('subject = { control = "untrained" }\nsite = "other"', []),
    ],
)
def test_a_rule_is_about_a_role_a_condition_or_the_control_of_every_candidate(
    conditions: dict[str, Condition], more: str, expected: list[str]
) -> None:
    assert names(targets(asked(more), conditions)) == expected


def test_a_control_that_a_candidate_lacks_is_no_condition(conditions: dict[str, Condition]) -> None:
    (made,) = targets(asked('subject = { control = "untrained" }'), conditions)
    (lost,) = targets(asked('subject = { control = "shuffled" }'), conditions)
    assert isinstance(made, Condition)
    assert isinstance(lost, str)


def test_a_condition_by_the_name_of_a_control_that_is_another_s_is_not_it(conditions: dict[str, Condition]) -> None:
    for wrong in (f"{RELU}.untrained", f"{TOPK}.random_decoder", RELU):
        mistaken = {**conditions, f"{TOPK}.untrained": conditions[wrong]}
        assert targets(asked('subject = { control = "untrained" }'), mistaken) == [f"{TOPK}.untrained"]


@pytest.mark.parametrize(
    ("who", "target", "expected"),
    [
        (Who("role", "baseline"), TOPK, [RELU]),
        (Who("role", "baseline"), RELU, ["other.relu"]),
        (Who("role", "baseline"), "other.relu", [RELU]),
        (Who("role", "candidate"), "other.relu", [TOPK]),
        (Who("role", "candidate"), TOPK, []),
        (Who("condition", RELU), TOPK, [RELU]),
        (Who("condition", TOPK), TOPK, []),
        (Who("condition", "addition.gone"), TOPK, []),
        (Who("control", "untrained"), TOPK, [f"{TOPK}.untrained"]),
        (Who("control", "untrained"), "other.relu", ["other.relu.untrained"]),
        (Who("control", "untrained"), f"{TOPK}.random_decoder", [f"{TOPK}.untrained"]),
        (Who("control", "untrained"), f"{TOPK}.untrained", []),
        (Who("control", "shuffled"), TOPK, []),
    ],
)
def test_nothing_is_compared_with_itself_and_baselines_at_the_same_site_come_first(
    conditions: dict[str, Condition], who: Who, target: str, expected: list[str]
) -> None:
    assert names(comparators(who, conditions[target], conditions)) == expected


def test_several_baselines_at_a_site_all_count(conditions: dict[str, Condition]) -> None:
    again = Condition("addition.gated", conditions[RELU].subjects)
    found = comparators(Who("role", "baseline"), conditions[TOPK], {**conditions, "addition.gated": again})
    assert names(found) == [RELU, "addition.gated"]


def stopped(report: AuditReport, rule: Rule) -> CannotJudge:
    with pytest.raises(CannotJudge) as caught:
        locate(rule, report.conditions[TOPK], report)
    return caught.value


def test_what_was_measured_is_found_with_its_evidence(report: AuditReport) -> None:
    found = locate(asked(), report.conditions[TOPK], report)
    assert (found.path, found.condition.name) == ("evidence/reconstruction.addition.json", TOPK)
    assert (found.measurement.card.name, found.measurement.condition) == ("explained_variance", TOPK)
    assert list(documents(asked(), report.conditions[TOPK], report)) == [found.path]


@pytest.mark.parametrize(
    ("outcome", "status", "code", "says", "step"),
    [
        ({"status": "failed", "reason": "No memory.", "next_step": "Buy some."}, "error", "EV-FAILED",
         "reconstruction failed: No memory.", "Buy some."),
        ({"status": "skipped", "reason": "No model.", "next_step": "Get it."}, "missing", "EV-SKIPPED",
         "reconstruction was skipped: No model.", "Get it."),
        ({"status": "skipped", "reason": "No model.", "next_step": ""}, "missing", "EV-SKIPPED",
         "reconstruction was skipped: No model.", "see evidence/reconstruction.addition.json"),
    ],
)  # fmt: skip
def test_a_benchmark_that_did_not_complete_has_no_answer(
    draft: Any, outcome: dict[str, str], status: str, code: str, says: str, step: str
) -> None:
    draft.reconstruction["outcome"] = outcome
    draft.reconstruction["measurements"] = []
    found = stopped(audit(Snapshot("bundle", draft.files())), asked())
    assert (found.status, found.code, found.says, found.next_step) == (status, code, says, step)


def test_what_is_not_there_is_missing_and_what_is_there_is_named(report: AuditReport, draft: Any) -> None:
    found = stopped(report, dataclasses.replace(asked(), benchmark="probing"))
    assert (found.status, found.code) == ("missing", "EV-ABSENT")
    assert found.says == "there is no evidence of the benchmark 'probing' at the site 'addition'"
    assert found.next_step == "the bundle has: consistency, reconstruction"
    draft.evidence.clear()
    assert stopped(audit(Snapshot("bundle", draft.files())), asked()).next_step == "the bundle has: none"
    found = stopped(report, dataclasses.replace(asked(), metric="mse"))
    assert (found.status, found.code) == ("missing", "EV-ABSENT")
    assert (found.says, found.next_step) == (
        f"reconstruction has no 'mse' of '{TOPK}'",
        "reconstruction measured here: dead_fraction, explained_variance, l0; or run it with the plugin of that metric",
    )


def test_a_misspelt_metric_is_answered_with_the_nearest_of_this_evidence(report: AuditReport, draft: Any) -> None:
    rule = dataclasses.replace(asked(), metric="explained_varience")
    assert stopped(report, rule).next_step.startswith("did you mean 'explained_variance'? reconstruction measured here")
    for number in range(40):
        measured = draft.measurement("explained_variance")
        own = {**measured["metric"], "name": f"own_{number}"}
        draft.reconstruction["measurements"].append({**measured, "metric": own})
    step = stopped(audit(Snapshot("bundle", draft.files())), rule).next_step
    assert step.startswith("did you mean 'explained_variance'?")
    assert "and 37 more" in step


def test_a_metric_that_others_have_is_still_to_be_measured(draft: Any) -> None:
    measured = [m for m in draft.reconstruction["measurements"] if m["metric"]["name"] == "l0"]
    draft.reconstruction["measurements"].remove(next(m for m in measured if m["condition"] == TOPK))
    found = stopped(audit(Snapshot("bundle", draft.files())), dataclasses.replace(asked(), metric="l0"))
    assert found.next_step == "run the benchmark on this condition"


def test_a_measurement_is_of_one_setting(draft: Any) -> None:
    measured = draft.measurement("explained_variance")
    for setting in ({"b": 2, "a": True}, {"a": 1, "b": 2}):
        draft.reconstruction["measurements"].append({**measured, "setting": setting})
    report = audit(Snapshot("bundle", draft.files()))
    assert dict(locate(asked(), report.conditions[TOPK], report).measurement.setting) == {}
    for setting in ({"a": True, "b": 2}, {"a": 1, "b": 2}):
        rule = dataclasses.replace(asked(), setting=setting)
        found = locate(rule, report.conditions[TOPK], report).measurement.setting
        assert (found["a"] is True) is (setting["a"] is True)
    found = stopped(report, dataclasses.replace(asked(), setting={"a": 2}))
    assert (found.status, found.code) == ("missing", "EV-ABSENT")
    assert found.says == f"reconstruction has no 'explained_variance' of '{TOPK}' at setting {{'a': 2}}"
    assert found.next_step == "measured at: {'a': 1, 'b': 2}, {'a': True, 'b': 2}, {}"


def test_a_measurement_that_stands_twice_is_not_chosen_from(draft: Any) -> None:
    draft.reconstruction["measurements"].append(draft.measurement("explained_variance"))
    found = stopped(audit(Snapshot("bundle", draft.files())), asked())
    assert (found.status, found.code) == ("invalid", "EV-DUP-MEASUREMENT")
    assert found.says == f"'explained_variance' of '{TOPK}' was measured 2 times at one setting"
