"""Families: what holds alone may fall among others, and nothing that is left out helps."""

from __future__ import annotations

from typing import Any

import pytest

from husai_core.errors import UsageError
from husai_gates import policy as policies
from husai_gates.decision import Cell, Row
from husai_gates.explain import explain
from husai_gates.multiplicity import corrected
from husai_gates.reporters import REPORTERS

HEAD = """
schema = "husai:policy/v1"
name = "family"
version = "1"
purpose = "Claims that are made together."
confidence = 0.95
min_units = 3

[[family]]
name = "claims"
reason = "Each is quoted by itself."
"""


def rule(name: str, metric: str, floor: float, family: str = 'family = "claims"') -> str:
    return f"""
[[rule]]
id = "{name}"
question = "Is it above?"
reason = "It must be."
kind = "threshold"
benchmark = "reconstruction"
metric = "{metric}"
at_least = {floor!r}
{family}
"""


def floor_at(draft: Any, decide: Any, p: float) -> float:
    """The floor of explained variance whose rule has about this p-value."""
    from husai_gates.student_t import quantile

    found = decide(draft.files(), HEAD.partition("\n[[family]]")[0] + rule("a", "explained_variance", 0.1, "")).rows[0]
    spread = found.cells[0].interval.spread
    return float(found.cells[0].interval.estimate - quantile(1 - p, spread.freedom) * spread.error)


def test_a_claim_that_holds_alone_must_hold_among_the_others_too(draft: Any, decide: Any) -> None:
    close = rule("close", "explained_variance", floor_at(draft, decide, 0.02))
    far = rule("far", "explained_variance", floor_at(draft, decide, 1e-5))
    near = rule("near", "explained_variance", floor_at(draft, decide, 0.015))
    rows = {row.rule: row for row in decide(draft.files(), HEAD + close + far).rows}
    assert [rows[name].status for name in ("close", "far")] == ["pass", "pass"]
    assert rows["close"].family.adjusted == pytest.approx(0.02, rel=1e-6)
    assert rows["far"].family.adjusted == pytest.approx(2e-5, rel=1e-3)
    rows = {row.rule: row for row in decide(draft.files(), HEAD + close + far + near).rows}
    assert {name: (row.status, row.code) for name, row in rows.items()} == {
        "far": ("pass", "RULE-HOLDS"),
        "near": ("fail", "RULE-FAMILY"),
        "close": ("fail", "RULE-FAMILY"),
    }
    assert rows["near"].family.adjusted == rows["close"].family.adjusted == pytest.approx(0.03, rel=1e-6)
    assert rows["near"].cells[0].status == "pass"
    assert "Holm's correction for 3 rules" in rows["near"].says


def test_a_family_may_state_its_error(draft: Any, decide: Any) -> None:
    rules = rule("close", "explained_variance", floor_at(draft, decide, 0.02))
    rules += rule("near", "explained_variance", floor_at(draft, decide, 0.015))
    stated = HEAD + "error = 0.05\n"
    assert [row.status for row in decide(draft.files(), HEAD + rules).rows] == ["fail", "fail"]
    rows = decide(draft.files(), stated + rules).rows
    assert [row.status for row in rows] == ["pass", "pass"]
    adjusted = max(row.family.adjusted for row in rows)
    for error, status in ((adjusted, "pass"), (adjusted * (1 - 1e-12), "fail")):
        rows = decide(draft.files(), HEAD + f"error = {error!r}\n" + rules).rows
        assert [row.status for row in rows] == [status, status]


def test_a_rule_that_cannot_be_judged_counts_against_the_others(draft: Any, decide: Any) -> None:
    rules = rule("near", "explained_variance", floor_at(draft, decide, 0.015)) + rule("lost", "mse", 0.5)
    rows = {row.rule: row for row in decide(draft.files(), HEAD + rules).rows}
    assert (rows["lost"].status, rows["lost"].family.p) == ("missing", 1.0)
    assert rows["near"].status == "fail"


def test_several_cells_count_as_the_least_sure_of_them(draft: Any, decide: Any) -> None:
    for subject in draft.of("addition.relu"):
        subject["role"] = "candidate"
    draft.study = draft.study.replace('role = "baseline"', 'role = "candidate"')
    rules = rule("both", "explained_variance", 0.93) + rule("other", "explained_variance", 0.5)
    row = decide(draft.files(), HEAD + rules).rows[0]
    assert len(row.cells) == 2
    assert row.family.p == max(cell.p for cell in row.cells)
    assert row.detectable == max(cell.detectable for cell in row.cells)


def test_families_are_shown(draft: Any, decide: Any) -> None:
    rules = rule("close", "explained_variance", floor_at(draft, decide, 0.02)) + rule("a", "explained_variance", 0.5)
    decision = decide(draft.files(), HEAD + rules)
    assert "in the family 'claims'" in decision.rows[0].asks
    for text in (REPORTERS["text"](decision), REPORTERS["markdown"](decision), explain(decision)):
        assert "by Holm" in text
        assert "smallest effect it would have seen" in text


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (HEAD + rule("a", "mse", 0.1), "fewer than two rules"),
        (HEAD + rule("a", "mse", 0.1) + rule("b", "mse", 0.1, 'family = "claim"'), "fewer than two rules"),
        (
            HEAD + rule("a", "mse", 0.1) * 1 + rule("b", "mse", 0.1) + rule("c", "mse", 0.1, 'family = "claim"'),
            "no [[fam",
        ),
        (
            HEAD + '\n[[family]]\nname = "claims"\nreason = "Again."\n' + rule("a", "mse", 0.1) + rule("b", "mse", 0.1),
            "twice",
        ),
        (HEAD + rule("a", "mse", 0.1) + rule("b", "mse", 0.1).replace("at_least", "worst_at_least"), "has no p-value"),
        (HEAD.replace("reason", "raeson") + rule("a", "mse", 0.1), "did you mean 'reason'"),
        (HEAD + "error = 0.5\n" + rule("a", "mse", 0.1) + rule("b", "mse", 0.1), "maximum"),
    ],
)
def test_a_family_with_a_mistake_is_refused(policy: str, message: str) -> None:
    with pytest.raises(UsageError) as stop:
        policies.load(policy.encode(), "p.toml")
    assert message in str(stop.value)


def test_a_rule_outside_a_family_is_left_alone_and_counts_for_nothing(draft: Any, decide: Any) -> None:
    rules = rule("close", "explained_variance", floor_at(draft, decide, 0.02)) + rule("far", "explained_variance", 0.5)
    rows = {row.rule: row for row in decide(draft.files(), HEAD + rules + rule("own", "mse", 0.1, "")).rows}
    assert [(rows[name].status, rows[name].family and rows[name].family.rules) for name in ("close", "far", "own")] == [
        ("pass", 2),
        ("pass", 2),
        ("missing", None),
    ]


@pytest.mark.parametrize(
    ("status", "p_values", "p"),
    [
        ("pass", [0.01, 0.04], 0.04),
        ("pass", [0.01, None], 1.0),
        ("pass", [None], 1.0),
        ("pass", [], 1.0),
        ("fail", [0.01], 1.0),
        ("fail", [], 1.0),
    ],
)
def test_a_rule_counts_by_what_is_known_of_every_cell(status: Any, p_values: list[float | None], p: float) -> None:
    policy = policies.load((HEAD + rule("a", "mse", 0.1) + rule("b", "mse", 0.1)).encode(), "p.toml")
    cells = tuple(Cell("it", None, status, "CODE", "says", p=value) for value in p_values)
    rows = [Row(name, "q", "r", "threshold", "asks", status, "CODE", "says", cells=cells) for name in ("a", "b")]
    for row in corrected(policy, tuple(rows)):
        assert row.family
        assert row.family.p == p
        assert row.family.adjusted == min(1.0, 2 * p)
