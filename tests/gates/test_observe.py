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


@pytest.mark.parametrize(("seeds", "words"), [([1], "has 1 seed, needs 3"), ([1, 2], "has 2 seeds, needs 3")])
def test_how_many_seeds_there_are_is_said_in_words(row: Any, draft: Any, seeds: list[int], words: str) -> None:
    keep(draft, seeds)
    found = row(FLOOR + "min_units = 3")
    assert (found.status, found.code, found.says) == ("inconclusive", "EV-UNITS", words)


def test_two_seeds_are_enough_for_a_mean_and_not_for_pairs(row: Any, draft: Any) -> None:
    """What the policy asks for is there, and what the method needs is not."""
    keep(draft, [1, 2])
    assert row(FLOOR + "confidence = 0.6").status == "pass"
    draft.evidence["evidence/consistency.addition.json"] = consistency = draft.__class__().consistency
    consistency["subjects"] = [s for s in consistency["subjects"] if s["name"] in draft.subjects]
    for measured in consistency["measurements"]:
        measured["observations"] = [o for o in measured["observations"] if o["seeds"] == [1, 2]]
    draft.study += '\n[[benchmark]]\nname = "consistency"\n'
    found = row('kind = "threshold"\nbenchmark = "consistency"\nmetric = "pwmcc"\nat_least = 0.1\n')
    assert (found.status, found.code, found.says) == ("inconclusive", "EV-UNITS", "has 2 seeds, needs 3")


def keep(draft: Any, seeds: list[int]) -> None:
    """A study of these seeds alone, which has no pairs."""
    for seed in {1, 2, 3, 4, 5} - set(seeds):
        draft.drop_seed(seed)
    draft.study = draft.study.replace("[1, 2, 3, 4, 5]", str(seeds))
    draft.study = draft.study.replace('[[benchmark]]\nname = "consistency"\n', "")
    del draft.evidence["evidence/consistency.addition.json"]


def test_seeds_that_were_planned_or_that_the_control_has_must_be_observed(row: Any, draft: Any) -> None:
    found = draft.measurement("explained_variance")["observations"]
    draft.measurement("explained_variance")["observations"] = [o for o in found if o["seeds"] != [4]]
    for rule in (FLOOR, BASELINE):
        judged = row(rule)
        assert (judged.status, judged.code) == ("inconclusive", "EV-SEEDS-MISSING")
        assert judged.says == "seeds 4 of 'addition.topk' were not observed"


def test_seeds_that_were_drawn_together_are_one_unit(row: Any, draft: Any) -> None:
    for subject in (*draft.of("addition.relu"), *draft.of("addition.relu.random_decoder")):
        subject["budget"] |= {"agreement": 0.1, "match_every": 1}
    draft.study = draft.study.replace('role = "baseline"', 'role = "baseline"\nagreement = 0.1')
    assert row(FLOOR).code == "RULE-HOLDS"
    assert row(BASELINE).says.startswith("the comparator: the seeds of 'addition.relu' were drawn together in training")
    found = row(FLOOR + 'subject = { role = "baseline" }')
    assert (found.status, found.code) == ("inconclusive", "EV-JOINT-SEEDS")


def test_a_metric_of_pairs_is_refused_over_parts_by_that_name(row: Any) -> None:
    found = row('kind = "threshold"\nbenchmark = "consistency"\nmetric = "pwmcc"\nat_least = 0.1\n' + PARTS)
    assert (found.code, found.next_step) == ("EV-PARTS", "judge it over seeds")
    assert found.says == "'pwmcc' of 'addition.topk' is of pairs of seeds, which cannot be judged over parts"
    found = row(FLOOR + PARTS)
    assert (found.code, found.next_step) == ("EV-PARTS", "measure it by document or data set, or judge it over seeds")


@pytest.mark.parametrize("over_parts", [True, False])
def test_what_is_above_chance_is_taken_off_every_part(row: Any, draft: Any, over_parts: bool) -> None:
    by_part(draft, "addition.topk", ["a", "b", "c"])
    draft.measurement("explained_variance")["chance"] = 0.75
    rule = 'kind = "equivalence"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\nto = "chance"\n'
    found = row(rule + "margin = 0.5\n" + PARTS * over_parts)
    assert found.status == "pass"
    (cell,) = found.cells
    assert cell.interval.method == ("t over seeds and parts" if over_parts else "t over seeds")
    assert cell.interval.estimate == pytest.approx(0.9504 - 0.01 - 0.75)


@pytest.mark.parametrize("paired", ["true", "false"])
def test_a_trained_dictionary_that_never_varies_proves_nothing_by_the_spread_of_another(
    row: Any, draft: Any, paired: str
) -> None:
    put(draft, "explained_variance", "addition.topk", [0.96] * 5)
    found = row(BASELINE + f"margin = 0.001\npaired = {paired}")
    assert (found.status, found.code) == ("inconclusive", "EV-ZERO-WIDTH")
    put(draft, "explained_variance", "addition.topk", [0.96] * 4 + [0.961])
    assert row(BASELINE + f"margin = 0.001\npaired = {paired}").code == "RULE-HOLDS"


def test_a_rule_that_asks_for_the_wrong_side_says_which_side_is_better(row: Any) -> None:
    found = row(FLOOR.replace("explained_variance", "dead_fraction"))
    assert (found.status, found.code) == ("error", "POL-DIRECTION")
    assert found.says == "'dead_fraction' is better when lower; a floor asks for the bad side"
    found = row(BASELINE.replace("explained_variance", "l0"))
    assert (found.status, found.code) == ("error", "POL-DIRECTION")
    assert found.says == "'l0' has no better side, so nothing can be superior in it"
