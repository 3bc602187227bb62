"""Qualification: an instrument passes by telling good from bad beyond its noise, and never for want of noise."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest

from husai_gates.explain import explain

HEAD = """
schema = "husai:policy/v1"
name = "qualification"
version = "1"
purpose = "May these instruments decide?"
confidence = 0.95
min_units = 2

[[rule]]
id = "it"
question = "Does it separate?"
reason = "An instrument that does not may not decide."
kind = "qualified"
"""
VARIANCE = 'benchmark = "reconstruction"\nmetric = "explained_variance"\nbad = { control = "random_decoder" }\n'
DEAD = 'benchmark = "reconstruction"\nmetric = "dead_fraction"\nbad = { control = "random_decoder" }\n'
PAIRS = 'benchmark = "consistency"\nmetric = "pwmcc"\nbad = { control = "random_decoder" }\n'
GOOD, BAD = "addition.topk", "addition.topk.random_decoder"


def judged(draft: Any, decide: Any, rule: str) -> Any:
    (row,) = decide(draft.files(), HEAD + rule).rows
    return row


def put(draft: Any, metric: str, condition: str, values: list[float]) -> None:
    """These values in place of those observed, one per seed."""
    for observation, value in zip(draft.measurement(metric, condition)["observations"], values, strict=True):
        observation["value"] = value


def test_the_separation_is_the_lower_bound_of_the_gain_over_the_upper_bound_of_the_noise(
    draft: Any, decide: Any
) -> None:
    stats = pytest.importorskip("scipy.stats")
    good, bad = [0.95, 0.93, 0.96, 0.94, 0.92], [0.2, 0.1, 0.3, 0.25, 0.1]
    put(draft, "explained_variance", GOOD, good)
    put(draft, "explained_variance", BAD, bad)
    cell = judged(draft, decide, VARIANCE + "at_least = 1").cells[0]
    gains = [a - b for a, b in zip(good, bad, strict=True)]
    low = statistics.mean(gains) - stats.t.ppf(0.975, 4) * statistics.stdev(gains) / math.sqrt(5)
    noise = max(map(statistics.stdev, (good, bad))) * math.sqrt(4 / stats.chi2.ppf(0.025, 4))
    assert cell.interval.low == pytest.approx(low / noise)
    assert cell.interval.estimate == pytest.approx(statistics.mean(gains) / noise)
    assert cell.interval.estimate - cell.interval.low == pytest.approx(cell.interval.spread.half(0.95))
    assert (cell.condition, cell.against, cell.unit, cell.direction) == (GOOD, BAD, "reseed noise", "higher")


def test_it_holds_at_its_number_and_not_above(draft: Any, decide: Any) -> None:
    low = judged(draft, decide, VARIANCE + "at_least = 1").cells[0].interval.low
    assert low > 10
    assert judged(draft, decide, VARIANCE + f"at_least = {low!r}").status == "pass"
    above = judged(draft, decide, VARIANCE + f"at_least = {low * (1 + 1e-9)!r}")
    assert (above.status, above.code) == ("fail", "RULE-FAILED")
    assert "the separation is" in above.says


def test_fewer_is_better_where_the_card_says_so(draft: Any, decide: Any) -> None:
    """Dead latents are fewer in the control here, so the instrument tells them apart the wrong way round."""
    assert judged(draft, decide, DEAD + "at_least = 1").cells[0].interval.high < 0
    put(draft, "dead_fraction", BAD, [v / 256 for v in (230, 232, 238, 235, 240)])
    row = judged(draft, decide, DEAD + "at_least = 3")
    assert row.status == "pass"


def test_pairs_are_held_against_the_noise_of_their_seeds(draft: Any, decide: Any) -> None:
    cell = judged(draft, decide, PAIRS + "at_least = 1").cells[0]
    assert cell.interval.n == 5
    assert cell.interval.method == "jackknife over seeds, t"
    assert cell.status == "pass"


def test_an_instrument_that_reads_the_same_on_both_does_not_qualify(draft: Any, decide: Any) -> None:
    put(draft, "explained_variance", GOOD, [0.5, 0.52, 0.49, 0.51, 0.5])
    put(draft, "explained_variance", BAD, [0.51, 0.5, 0.5, 0.52, 0.49])
    assert judged(draft, decide, VARIANCE + "at_least = 1").status == "fail"


@pytest.mark.parametrize("condition", [GOOD, BAD])
def test_without_noise_nothing_is_shown(draft: Any, decide: Any, condition: str) -> None:
    put(draft, "explained_variance", condition, [0.5 if condition == GOOD else 0.1] * 5)
    row = judged(draft, decide, VARIANCE + "at_least = 1")
    assert (row.status, row.code) == ("inconclusive", "EV-ZERO-WIDTH")


def test_counts_may_stand_still_on_one_side_but_not_on_both(draft: Any, decide: Any) -> None:
    put(draft, "dead_fraction", GOOD, [0.0] * 5)
    put(draft, "dead_fraction", BAD, [v / 256 for v in (230, 232, 238, 235, 240)])
    assert judged(draft, decide, DEAD + "at_least = 3").status == "pass"
    put(draft, "dead_fraction", BAD, [0.9375] * 5)
    row = judged(draft, decide, DEAD + "at_least = 1")
    assert (row.status, row.code) == ("inconclusive", "EV-ZERO-WIDTH")
    assert f"of '{GOOD}' has the same value" in row.says


def test_a_gain_that_never_varies_is_a_copy(draft: Any, decide: Any) -> None:
    good = [0.95, 0.93, 0.96, 0.94, 0.92]
    put(draft, "explained_variance", GOOD, good)
    put(draft, "explained_variance", BAD, [value - 0.5 for value in good])
    row = judged(draft, decide, VARIANCE + "at_least = 1")
    assert (row.status, row.code) == ("inconclusive", "EV-ZERO-WIDTH")


def test_the_known_good_may_be_a_control_or_the_baseline(draft: Any, decide: Any) -> None:
    found = judged(draft, decide, VARIANCE + 'at_least = 1\ngood = { control = "untrained" }')
    assert [(c.condition, c.against, c.status) for c in found.cells] == [
        ("addition.topk.untrained", "addition.topk.random_decoder", "pass")
    ]
    found = judged(draft, decide, VARIANCE + 'at_least = 1\ngood = { role = "baseline" }')
    assert [(c.condition, c.against) for c in found.cells] == [("addition.relu", "addition.relu.random_decoder")]


@pytest.mark.parametrize(
    "change", ['bad = { control = "oracle" }', 'bad = { control = "random_decoder" }\ngood = { control = "oracle" }']
)
def test_a_known_subject_that_was_not_made_is_missing(draft: Any, decide: Any, change: str) -> None:
    rule = VARIANCE.replace('bad = { control = "random_decoder" }', change)
    assert judged(draft, decide, rule + "at_least = 1").status == "missing"


def test_a_metric_without_a_better_side_is_a_mistake_in_the_policy(draft: Any, decide: Any) -> None:
    decision = decide(draft.files(), HEAD + VARIANCE.replace("explained_variance", "l0") + "at_least = 1")
    assert (decision.rows[0].status, decision.rows[0].code) == ("error", "POL-DIRECTION")
    assert int(decision.exit_code) == 64


def test_one_seed_has_no_noise(draft: Any, decide: Any) -> None:
    for seed in (2, 3, 4, 5):
        draft.drop_seed(seed)
    draft.study = draft.study.replace("[1, 2, 3, 4, 5]", "[1]").replace('[[benchmark]]\nname = "consistency"\n', "")
    del draft.evidence["evidence/consistency.addition.json"]
    row = judged(draft, decide, VARIANCE + "at_least = 1")
    assert (row.status, row.code) == ("inconclusive", "EV-UNITS")


def test_a_seed_that_was_left_out_is_asked_for(draft: Any, decide: Any) -> None:
    found = draft.measurement("explained_variance", BAD)
    found["observations"] = found["observations"][1:]
    row = judged(draft, decide, VARIANCE + "at_least = 1")
    assert (row.status, row.code) == ("inconclusive", "EV-SEEDS-MISSING")


def test_it_is_explained(draft: Any, decide: Any) -> None:
    text = explain(decide(draft.files(), HEAD + VARIANCE + "at_least = 1e6"), "it")
    assert "better than control 'random_decoder' by at least 1e+06 times its reseed noise" in text
    assert "times the noise of" in text
    assert "reseed noise, better: higher" in text
    assert "Another instrument, or more seeds" in text
