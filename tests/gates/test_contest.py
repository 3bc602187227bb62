"""Contests: nothing but bounds, weights and failed rules decides, and the draws are what they are said to be."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_gates import contest as module
from husai_gates.contest import Contest, Entrant, drawn, exact

BOUND = st.integers(-20, 20).map(lambda n: Fraction(n, 8))
WEIGHT, MAYBE_NONE = st.integers(1, 5), st.integers(0, 4)
DRAWS = 32  # enough to see that the draws change nothing, and quick


@st.composite
def contests(draw: Any, weights: Any = WEIGHT) -> Contest:
    many = draw(st.integers(1, 4))
    weighed = tuple(Fraction(draw(weights)) for _ in range(many))
    rows = draw(st.lists(st.tuples(st.tuples(*[BOUND] * many), st.booleans()), min_size=1, max_size=6))
    return Contest(weighed, tuple(Entrant(f"c{i}", bounds, fails, f"{-i}") for i, (bounds, fails) in enumerate(rows)))


def contest(*rows: tuple[float, ...], weights: tuple[float, ...] = (), fails: tuple[int, ...] = ()) -> Contest:
    entrants = tuple(Entrant("abcdefgh"[i], tuple(map(exact, row)), i in fails, str(i)) for i, row in enumerate(rows))
    return Contest(tuple(map(exact, weights or (1.0,) * len(rows[0]))), entrants)


def outcome(found: Contest) -> tuple[Any, Any]:
    with mock.patch.object(module, "DRAWS", DRAWS):
        return found.result(), found.sensitivity()


def labels(entrants: list[Entrant]) -> set[str]:
    return {e.label for e in entrants}


@given(contests())
def test_what_is_chosen_may_be_chosen_and_has_the_best_score(found: Contest) -> None:
    able = {e.label for e in found.entrants if not e.fails}
    scores = found.scores
    assert (found.chosen is None) == (not able)
    assert scores.keys() <= able
    assert labels(found.front) & able <= scores.keys(), "what nothing dominates may be chosen, unless it fails a rule"
    if found.chosen:
        assert scores[found.chosen] == max(scores.values())
        assert all(0 <= score <= 1 for score in scores.values())


@given(contests(), st.data())
def test_a_dominated_condition_changes_neither_front_nor_choice(found: Contest, data: Any) -> None:
    over = data.draw(st.sampled_from(found.entrants))
    steps = data.draw(st.tuples(*[st.integers(0, 3)] * len(over.bounds)).filter(any))
    less = tuple(bound - step for bound, step in zip(over.bounds, steps, strict=True))
    more = Contest(found.weights, (*found.entrants, Entrant("z", less, over.fails or data.draw(st.booleans()), "")))
    assert labels(more.front) == labels(found.front)
    assert more.scores == found.scores
    assert more.chosen == found.chosen
    (_, after), (_, before) = outcome(more), outcome(found)
    assert after == before or (after["weights"], after["nearest"]) == (before["weights"], before["nearest"])


@given(contests(), st.data())
def test_the_unit_of_a_metric_changes_nothing(found: Contest, data: Any) -> None:
    index = data.draw(st.integers(0, len(found.weights) - 1))
    scale, shift = data.draw(st.sampled_from([Fraction(1, 1000), Fraction(3), Fraction(1024)])), data.draw(BOUND)

    def other(bounds: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        return (*bounds[:index], scale * bounds[index] + shift, *bounds[index + 1 :])

    scaled = Contest(found.weights, tuple(replace(e, bounds=other(e.bounds)) for e in found.entrants))
    assert outcome(scaled) == outcome(found)


@given(contests(), st.sampled_from([Fraction(1, 3), Fraction(7)]))
def test_only_the_ratios_of_weights_count(found: Contest, scale: Fraction) -> None:
    other = Contest(tuple(scale * weight for weight in found.weights), found.entrants)
    assert other.result() == found.result()


@given(contests(weights=MAYBE_NONE).filter(lambda c: any(c.weights)))
def test_the_nearest_change_is_where_the_choice_begins_to_change(found: Contest) -> None:
    near = (outcome(found)[1] or {}).get("nearest")
    if near is None:
        return
    # The document rounds to ten digits; the weights here are small fractions, found again from them.
    to = Fraction(near["to"]).limit_denominator(10**4)
    index, chosen = near["objective"], found.chosen
    assert chosen

    def behind(weight: Fraction) -> Fraction:
        weights = (*found.weights[:index], weight, *found.weights[index + 1 :])
        scores = Contest(weights, found.entrants).scores
        return scores[chosen] - scores[near["chosen"]]

    assert abs(behind(to)) < Fraction(1, 10**6)
    beyond = to + (to - found.weights[index] or Fraction(1, 100)) / 2
    if to != found.weights[index] and beyond > 0:
        assert behind(beyond) < 0 < behind(found.weights[index])


@pytest.mark.parametrize(
    ("rows", "weights", "nearest"),
    [
        ([(1, 0), (0, 1)], (2, 1), (0, 2.0, 1.0, "b")),
        ([(1, 1, 0), (0, 0, 1)], (2, 1, 1), (0, 2.0, 0.0, "b")),  # a weight may go
        ([(0.9, 1, 0.9), (1, 0, 0), (0, 0, 1)], (0, 1, 0), (0, 0.0, 10.0, "b")),  # but not the only one
        ([(0.9, 1, 0.5), (0, 0, 1), (1, 0, 0)], (0, 1, 0), (2, 0.0, 2.0, "b")),
        ([(1, 1, 0), (0, 1, 0.5), (0, 0, 1)], (2, 1, 0), (0, 2.0, 0.0, "b")),
        ([(1, 0), (0.5, 1), (0, 0)], (3, 1), (0, 3.0, 1.0, "b")),
    ],
)
def test_the_weight_that_need_change_least_is_named(rows: Any, weights: Any, nearest: tuple[Any, ...]) -> None:
    found = contest(*rows, weights=weights)
    assert found.chosen == "a"
    sensitivity = outcome(found)[1]
    assert sensitivity
    assert sensitivity["nearest"] == dict(zip(("objective", "from", "to", "chosen"), nearest, strict=True))


def test_no_single_weight_helps_who_is_behind_in_all_that_differs_but_the_chosen() -> None:
    assert outcome(contest((1.0, 1.0), (1.0, 1.0)))[1]["nearest"] is None
    assert contest((1.0, 1.0), (1.0, 1.0)).result()["equal"] == ["b"]


def test_equal_scores_go_by_lot_and_are_said() -> None:
    found = contest((1.0, 0.0), (0.0, 1.0))
    assert (found.result()["chosen"], found.result()["equal"]) == ("a", ["b"])
    swapped = Contest(found.weights, tuple(replace(e, lot=lot) for e, lot in zip(found.entrants, "zy", strict=True)))
    assert (swapped.result()["chosen"], swapped.result()["equal"]) == ("b", ["a"])


@given(contests(), st.permutations("abcdef"))
def test_no_name_makes_a_condition_win(found: Contest, names: list[str]) -> None:
    named = {e.label: name for e, name in zip(found.entrants, names, strict=False)}
    entrants = sorted((replace(e, label=named[e.label]) for e in found.entrants), key=lambda e: e.label)
    other = Contest(found.weights, tuple(entrants))
    assert other.chosen == (found.chosen and named[found.chosen])
    assert {named[e.label] for e in found.front} == labels(other.front)


def test_a_failing_condition_stands_on_the_front_and_is_not_chosen() -> None:
    found = contest((1.0, 1.0), (0.5, 0.2), (0.2, 0.5), fails=(0,), weights=(1.0, 2.0))
    assert found.result() == {
        "front": ["a"],
        "dominated": [{"label": "b", "by": "a"}, {"label": "c", "by": "a"}],
        "contenders": [{"label": "c", "score": 0.6666666667}, {"label": "b", "score": 0.3333333333}],
        "chosen": "c",
        "equal": [],
    }
    assert contest((1.0,), (0.5,), fails=(0, 1)).sensitivity() is None


def test_decimals_are_taken_as_written() -> None:
    """In binary floating point the first would be ahead by rounding: 0.1 + 0.2 is more than 0.3 there."""
    found = contest((0.3, 0.0), (0.0, 0.3), (0.1, 0.2), weights=(0.1, 0.1))
    assert found.result()["equal"] == ["b", "c"]
    assert [entry["score"] for entry in found.result()["contenders"]] == [0.5, 0.5, 0.5]


def test_what_each_objective_decides_is_seen_without_it() -> None:
    found = contest((1.0, 0.0, 1.0), (0.0, 1.0, 0.0), weights=(2.0, 2.0, 1.0))
    assert found.chosen == "a"
    without = {entry["objective"]: entry["chosen"] for entry in outcome(found)[1]["without"]}
    assert without == {0: "b", 1: "a", 2: "a"}
    (alone,) = [outcome(contest((1.0,), (0.5,)))[1]["without"]]
    assert alone == []


def test_the_draws_are_uniform_over_the_weights() -> None:
    """Of two metrics, the weight of one is uniform; of three, the second is chosen where its weight is the most."""
    shares = {s["label"]: s["of_draws"] for s in contest((1.0, 0.0), (0.0, 1.0)).sensitivity()["weights"]["chosen"]}  # type: ignore[index]
    assert sum(shares.values()) == module.DRAWS
    assert shares["a"] / module.DRAWS == pytest.approx(0.5, abs=0.03)
    vectors = list(drawn(3, module.DRAWS))
    for index in range(3):
        assert sum(v[index] for v in vectors) / sum(map(sum, vectors)) == pytest.approx(1 / 3, abs=0.015)
        assert sum(max(v) == v[index] for v in vectors) / len(vectors) == pytest.approx(1 / 3, abs=0.03)
    # Of a uniform vector of three, one weight is over a half in a quarter of the cases.
    assert sum(2 * v[0] > sum(v) for v in vectors) / len(vectors) == pytest.approx(0.25, abs=0.03)


def test_the_draws_are_the_recorded_ones() -> None:
    import hashlib

    first = hashlib.sha256(b"husai:choice/v1 0").digest()
    low, high = sorted(int.from_bytes(first[i : i + 4], "big") for i in (0, 4))
    assert next(drawn(3, 1)) == [low, high - low, 2**32 - high]
    assert list(drawn(1, 2)) == [[2**32], [2**32]]


def test_a_contest_is_read_with_every_bound_turned_so_that_more_is_better() -> None:
    ends = {"low": 0.25, "high": 0.75}
    document = {
        "objectives": [{"direction": "higher", "weight": 2.0}, {"direction": "lower", "weight": 0.5}],
        "compared": [
            {"label": label, "intervals": [ends, ends], "fails": fails, "weights": ["w3", "w1"]}
            for label, fails in (("b", ["rule"]), ("a", []))
        ],
    }
    found = Contest.from_json(document)
    bounds = (Fraction(1, 4), Fraction(-3, 4))
    assert found.entrants == (Entrant("a", bounds, False, "w1"), Entrant("b", bounds, True, "w1"))
    assert found.weights == (Fraction(2), Fraction(1, 2))


def test_one_contender_has_all_there_is_to_have() -> None:
    found = contest((0.5, 0.25))
    assert found.result() == {
        "front": ["a"],
        "dominated": [],
        "contenders": [{"label": "a", "score": 1.0}],
        "chosen": "a",
        "equal": [],
    }
    assert found.sensitivity() == {
        "without": [{"objective": 0, "chosen": "a"}, {"objective": 1, "chosen": "a"}],
        "weights": {"stream": module.STREAM, "draws": 4096, "chosen": [{"label": "a", "of_draws": 4096}]},
        "nearest": None,
    }


def test_without_an_objective_the_others_keep_their_weights() -> None:
    sensitivity = outcome(contest((1, 0, 0), (0, 1, 0), (0, 0, 1), weights=(3, 1, 2)))[1]
    assert sensitivity
    assert [one["chosen"] for one in sensitivity["without"]] == ["c", "a", "a"]
    assert [one["objective"] for one in sensitivity["without"]] == [0, 1, 2]


def test_a_middling_condition_may_have_the_best_of_both() -> None:
    found = contest((1, 0), (0.6, 0.5), (0, 1))
    assert (found.chosen, found.scores["b"]) == ("b", Fraction(55, 100))


def test_what_is_dominated_is_so_by_one_that_dominates_it() -> None:
    found = contest((1, 0), (0, 1), (0, 0.5))
    assert found.result()["dominated"] == [{"label": "c", "by": "b"}]
