"""Observations: what must be there before there is an interval, on which units two sides are compared, and how many."""

from __future__ import annotations

import math
from typing import Any

import pytest

from husai_gates.observe import Apart, Observed

HEAD = """
schema = "husai:policy/v1"
name = "observing"
version = "1"
purpose = "What is an observation of?"
confidence = 0.95
min_units = 2

[[rule]]
id = "it"
question = "Does it hold?"
reason = "To see what it is made of."
"""
BETTER = 'kind = "superiority"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\n'
BASELINE = BETTER + 'over = { role = "baseline" }\n'
FEWER = BASELINE.replace("explained_variance", "dead_fraction")
FLOOR = 'kind = "threshold"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\nat_least = 0.5\n'
PARTS = 'units = "seeds_and_parts"\n'


@pytest.fixture
def row(draft: Any, decide: Any) -> Any:
    def judged(rule: str) -> Any:
        (found,) = decide(draft.files(), HEAD + rule).rows
        return found

    return judged


def put(draft: Any, metric: str, condition: str, values: list[float]) -> None:
    for observation, value in zip(draft.measurement(metric, condition)["observations"], values, strict=True):
        observation["value"] = value


@pytest.mark.parametrize(
    ("confidence", "paired", "needs"),
    [
        (0.95, True, 6),  # 2 ** -6 = 0.0156
        (0.9375, True, None),  # 2 ** -5 = 0.03125 itself
        (0.51, True, None),  # three would be enough
        (0.9376, True, 6),
        (0.99, True, 8),
        (0.9922, False, 6),  # 1 / 252 of five and five is not enough
    ],
)
def test_an_exact_p_needs_seeds_enough_to_be_as_small(
    row: Any, confidence: float, paired: bool, needs: int | None
) -> None:
    found = row(BASELINE + f"exact = true\npaired = {str(paired).lower()}\nconfidence = {confidence}\n")
    if needs is None:
        assert found.code == "RULE-HOLDS"
    else:
        assert found.code == "EV-UNITS"
        assert found.says.startswith("has 5 seeds; an exact p of ")
        assert found.says.endswith(f" needs {needs}")


def test_as_many_seeds_as_give_the_very_p_are_enough() -> None:
    nothing: Any = None
    for n in range(1, 9):
        for sample, least in ((Observed(nothing, {}), 2.0**-n), (Apart(nothing, nothing), 1 / math.comb(2 * n, n))):
            assert sample.fewest_seeds(least) == n
            assert sample.fewest_seeds(least * (1 - 1e-12)) == n + 1


def test_four_and_four_seeds_have_an_exact_p_of_one_in_seventy(row: Any, draft: Any) -> None:
    draft.drop_seed(5)
    draft.study = draft.study.replace("[1, 2, 3, 4, 5]", "[1, 2, 3, 4]")
    rule = BETTER + 'over = { control = "untrained" }\nexact = true\npaired = false\n'
    found = row(rule + f"confidence = {1 - 2.0001 / 70!r}")
    assert (found.status, found.cells[0].exact_p) == ("pass", pytest.approx(1 / 70))
    assert row(rule + f"confidence = {1 - 1.9999 / 70!r}").code == "EV-UNITS"


def test_two_sides_that_are_not_paired_are_turned_so_that_more_is_better(row: Any, draft: Any) -> None:
    """The candidate has 0.15 more dead latents, which is worse, and 0.01 more variance explained, which is better."""
    for paired in ("true", "false"):
        fewer = row(FEWER + f"margin = 0\npaired = {paired}")
        assert (fewer.status, fewer.cells[0].interval.estimate) == ("fail", pytest.approx(-0.15, abs=0.01))
        more = row(BASELINE + f"margin = 0\npaired = {paired}").cells[0]
        assert more.interval.estimate == pytest.approx(0.01, abs=0.005)
        assert (fewer.cells[0].exact_p > 0.5, more.exact_p < 0.5) == (True, True)


def test_pairs_of_seeds_that_are_apart_have_no_exact_p(row: Any) -> None:
    rule = 'kind = "superiority"\nbenchmark = "consistency"\nmetric = "pwmcc"\nover = { control = "untrained" }\n'
    for paired in ("true", "false"):
        assert row(rule + f"paired = {paired}").cells[0].exact_p is None
        asked = row(rule + f"paired = {paired}\nexact = true\nconfidence = 0.51")
        assert (asked.status, asked.code) == ("inconclusive", "EV-UNITS")
        assert asked.says.startswith("there is no exact p-value of 'pwmcc'")


def by_part(draft: Any, condition: str, parts: list[str]) -> None:
    found = draft.measurement("explained_variance", condition)
    found["observations"] = [
        {**o, "value": round(o["value"] - 0.01 * place, 9), "part": part}
        for o in found["observations"]
        for place, part in enumerate(parts)
    ]


def test_two_sides_over_parts_have_no_exact_p_even_if_apart(row: Any, draft: Any) -> None:
    for condition in ("addition.topk", "addition.relu"):
        by_part(draft, condition, ["a", "b"])
    for paired in ("true", "false"):
        assert row(BASELINE + f"paired = {paired}").cells[0].exact_p is not None
        assert row(BASELINE + PARTS + f"paired = {paired}").cells[0].exact_p is None


def test_every_seed_must_have_every_part(row: Any, draft: Any) -> None:
    by_part(draft, "addition.topk", ["a", "b"])
    assert row(FLOOR + PARTS).cells[0].interval.method == "t over seeds and parts"
    found = draft.measurement("explained_variance")["observations"]
    found[1]["part"] = "c"
    uneven = row(FLOOR + PARTS)
    assert (uneven.status, uneven.code) in (("inconclusive", "EV-PARTS"), ("invalid", "EV-UNIT-SET"))


def test_one_more_part_on_one_side_is_no_comparison(row: Any, draft: Any) -> None:
    by_part(draft, "addition.topk", ["a", "b", "c"])
    by_part(draft, "addition.relu", ["a", "b"])
    found = row(BASELINE + "paired = true")
    assert (found.status, found.code) == ("inconclusive", "CMP-UNITS")
    assert "was measured on 'c'" in found.says
    assert row(BASELINE + "paired = false").cells[0].interval is not None


def test_one_seed_is_named_in_the_singular(row: Any) -> None:
    found = row(FLOOR + "min_units = 6")
    assert (found.status, found.code, found.says) == ("inconclusive", "EV-UNITS", "has 5 seeds, needs 6")
    assert row(FLOOR + "min_units = 5").status == "pass"


def test_values_without_spread_are_inconclusive_on_either_side(row: Any, draft: Any) -> None:
    put(draft, "explained_variance", "addition.topk", [0.95] * 5)
    for rule in (FLOOR, BASELINE, BASELINE + "paired = false"):
        found = row(rule)
        assert (found.status, found.code) == ("inconclusive", "EV-ZERO-WIDTH")


def test_a_difference_of_one_constant_is_inconclusive(row: Any, draft: Any) -> None:
    ours = draft.measurement("explained_variance")["observations"]
    put(draft, "explained_variance", "addition.relu", [o["value"] - 0.125 for o in ours])
    assert row(BASELINE + "margin = 0.1\npaired = true").code == "EV-ZERO-WIDTH"
    put(draft, "explained_variance", "addition.relu", [0.5] * 5)
    assert row(BASELINE + "margin = 0.1\npaired = false").code == "EV-ZERO-WIDTH"
