"""Claims about these very dictionaries: a difference part by part, over other parts, and of nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_core.errors import UsageError
from husai_gates import policy
from husai_gates.interval import mean_interval
from husai_gates.needs import needs
from husai_gates.parts import OverParts
from husai_gates.strictness import weakened

TOPK, RELU = "addition.topk", "addition.relu"
HEAD = """
schema = "husai:policy/v1"
name = "parts"
version = "1"
purpose = "p"
confidence = 0.95
min_units = 3

[[rule]]
id = "r"
question = "q"
reason = "r"
benchmark = "reconstruction"
metric = "explained_variance"
"""
RULE = HEAD + 'kind = "non_inferiority"\nto = { role = "baseline" }\nmargin = 0.05\nunits = "parts"\n'
GAINS = {"a": 0.01, "b": 0.03, "c": -0.02, "d": 0.00}


def observed(draft: Any, condition: str, values: dict[str, float], seeds: int = 5) -> None:
    """Every seed has the value of a part, and a tenth of a per mille more for every seed."""
    found = draft.measurement("explained_variance", condition)
    found["observations"] = [
        {"seeds": [seed], "value": round(value + 0.0001 * seed, 9), "part": part}
        for seed in range(1, seeds + 1)
        for part, value in values.items()
    ]


@pytest.fixture
def sides(draft: Any) -> Any:
    observed(draft, RELU, dict.fromkeys(GAINS, 0.9))
    observed(draft, TOPK, {part: 0.9 + gain for part, gain in GAINS.items()})
    return draft


def row(draft: Any, decide: Any, rule: str = RULE) -> Any:
    return decide(draft.files(), rule).rows[0]


def test_the_interval_is_students_over_the_differences_of_the_parts(sides: Any, decide: Any) -> None:
    found = row(sides, decide)
    expected = mean_interval(list(GAINS.values()), 0.95)
    (cell,) = found.cells
    assert cell.interval.low == pytest.approx(expected.low)
    assert cell.interval.high == pytest.approx(expected.high)
    assert (cell.interval.n, cell.interval.method) == (4, "t over parts")
    assert (found.status, found.code) == ("pass", "RULE-HOLDS")
    assert "from 4 parts (t over parts)" in found.says
    assert "about these dictionaries alone" in found.says
    assert "about no other training run" in found.says
    assert "of these very dictionaries" in found.asks
    assert "3 parts or more" in found.asks


def test_it_fails_where_the_bound_reaches_the_margin(sides: Any, decide: Any) -> None:
    assert row(sides, decide, RULE.replace("margin = 0.05", "margin = 0.02")).code == "RULE-FAILED"


def test_one_seed_a_side_is_enough_and_the_seeds_need_not_be_the_same(sides: Any, decide: Any) -> None:
    whole = row(sides, decide).cells[0].interval
    for metric in ("explained_variance",):
        found = sides.measurement(metric, RELU)
        for observation in found["observations"]:
            observation["value"] = round(observation["value"] + 0.01 * (observation["seeds"][0] - 3), 9)
    again = row(sides, decide).cells[0].interval
    assert again.low == pytest.approx(whole.low)


def test_lower_is_better_turns_the_difference(sides: Any, decide: Any) -> None:
    rule = RULE.replace('"explained_variance"', '"dead_fraction"').replace("0.05", "0.5")
    for condition in (TOPK, RELU):
        found = sides.measurement("dead_fraction", condition)
        level = 0.25 if condition == TOPK else 0.125
        found["observations"] = [
            {"seeds": [seed], "value": level + step / 256, "part": part}
            for seed in range(1, 6)
            for step, part in enumerate("abc")
        ]
    assert row(sides, decide, rule).cells[0].interval.estimate == pytest.approx(-0.125)


def test_a_part_that_one_side_lacks_stops_it_unless_the_rule_is_about_the_shared(sides: Any, decide: Any) -> None:
    observed(sides, RELU, dict.fromkeys("abce", 0.9))
    stopped = row(sides, decide)
    assert (stopped.status, stopped.code) == ("inconclusive", "CMP-UNITS")
    assert "'d' of 'addition.topk' alone; 'e' of 'addition.relu' alone" in stopped.says
    found = row(sides, decide, RULE.replace('"parts"', '"shared_parts"'))
    assert found.cells[0].interval.n == 3
    assert "left out: 'd' of 'addition.topk' alone; 'e' of 'addition.relu' alone" in found.says
    assert "on the parts that both have" in found.asks
    observed(sides, RELU, dict.fromkeys("xyz", 0.9))
    assert row(sides, decide, RULE.replace('"parts"', '"shared_parts"')).code == "CMP-UNITS"


def test_too_few_parts_and_no_parts_at_all(sides: Any, decide: Any, draft: Any) -> None:
    few = row(sides, decide, RULE + "\nmin_units = 5")
    assert (few.code, few.says) == ("EV-UNITS", "has 4 parts, needs 5")
    assert row(draft, decide, RULE.replace('"explained_variance"', '"l0"')).code in ("EV-PARTS", "POL-DIRECTION")


def test_a_metric_that_was_not_observed_by_part_answers_nothing(decide: Any, draft: Any) -> None:
    assert row(draft, decide).code == "EV-PARTS"


TO = 'to = { role = "baseline" }'
NOT_WORSE = 'kind = "non_inferiority"\n'


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((f"{NOT_WORSE}{TO}\nmargin = 0.05", 'kind = "threshold"\nat_least = 0.5'), "is for a difference"),
        ((f"{NOT_WORSE}{TO}", 'kind = "equivalence"\nto = "chance"'), "is for a difference"),
        ((TO, f"{TO}\npaired = true"), "paired by part"),
        ((TO, f"{TO}\nexact = true"), "over seeds alone"),
    ],
)
def test_what_such_a_rule_cannot_ask(change: tuple[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        policy.load(RULE.replace(*change).encode(), "p")


def test_superiority_and_equivalence_are_asked_in_the_same_way(sides: Any, decide: Any) -> None:
    same = RULE.replace(f"{NOT_WORSE}{TO}", 'kind = "equivalence"\nto = { condition = "addition.relu" }')
    assert row(sides, decide, same).status == "pass"
    better = RULE.replace('kind = "non_inferiority"\nto', 'kind = "superiority"\nover').replace("margin = 0.05\n", "")
    assert row(sides, decide, better).code == "RULE-FAILED"


@pytest.mark.parametrize(("old", "new"), [("parts", "shared_parts"), ("seeds_and_parts", "parts"), ("seeds", "parts")])
def test_a_claim_about_less_is_a_weaker_policy(old: str, new: str) -> None:
    before, after = (policy.load(RULE.replace('"parts"', f'"{units}"').encode(), "p") for units in (old, new))
    (finding,) = weakened(before, after)
    assert (finding.code, finding.path) == ("POL-WEAKENED", "$.rule.r.units")


def test_what_it_needs_is_said_without_a_bundle() -> None:
    assert "observed in 3 parts or more" in needs(policy.load(RULE.encode(), "p"))


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.floats(-5, 5))
def test_the_interval_is_that_of_the_values_and_moves_with_them(values: list[float], shift: float) -> None:
    parts = {f"p{number}": value for number, value in enumerate(values)}
    found = OverParts(None, parts, "").interval(0.95)  # type: ignore[arg-type]
    expected = mean_interval(values, 0.95)
    assert found.low == pytest.approx(expected.low, abs=1e-12)
    moved = OverParts(None, {part: value + shift for part, value in parts.items()}, "").interval(0.95)  # type: ignore[arg-type]
    assert moved.estimate == pytest.approx(found.estimate + shift, abs=1e-9)
    turned = OverParts(None, dict(reversed(parts.items())), "").interval(0.95)  # type: ignore[arg-type]
    assert turned == found
