"""Rules at their boundaries: which side equality falls on, which end of the interval counts, and who is asked."""

from __future__ import annotations

from typing import Any

import pytest

from husai_gates.views import make_views

HEAD = """
schema = "husai:policy/v1"
name = "boundary"
version = "1"
purpose = "One rule at its boundary."
confidence = 0.95
min_units = 3

[[rule]]
id = "it"
question = "Does it hold?"
reason = "To find the boundary."
"""
THRESHOLD = 'kind = "threshold"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\n'
CEILING = 'kind = "threshold"\nbenchmark = "reconstruction"\nmetric = "dead_fraction"\n'
SUPERIOR = 'kind = "superiority"\nbenchmark = "consistency"\nmetric = "pwmcc"\nover = { control = "untrained" }\n'
FEWER = (
    'kind = "superiority"\nbenchmark = "reconstruction"\nmetric = "dead_fraction"\n'
    'subject = { role = "baseline" }\nover = { control = "untrained" }\n'
)
INFERIOR = (
    'kind = "non_inferiority"\nbenchmark = "reconstruction"\nmetric = "dead_fraction"\nto = { role = "baseline" }\n'
)
SAME = 'kind = "equivalence"\nbenchmark = "consistency"\nmetric = "pwmcc"\nsubject = { control = "random_decoder" }\n'

SPLIT_CONDITIONS = ("addition.topk", "addition.relu")


@pytest.fixture
def row(draft: Any, decide: Any) -> Any:
    files = draft.files()

    def judged(rule: str) -> Any:
        decision = decide(files, HEAD + rule)
        assert len(decision.rows) == 1
        return decision.rows[0]

    return judged


UP, DOWN = 1 + 1e-9, 1 - 1e-9


def test_a_threshold_is_met_by_the_bound_itself_and_by_the_worst_unit_itself(row: Any) -> None:
    cell = row(THRESHOLD + "at_least = 0.5").cells[0]
    low, worst = cell.interval.low, cell.worst[1]
    assert low < cell.interval.estimate
    assert row(THRESHOLD + f"at_least = {low!r}").status == "pass"
    assert row(THRESHOLD + f"at_least = {low * UP!r}").status == "fail"
    assert row(THRESHOLD + f"worst_at_least = {worst!r}").status == "pass"
    assert row(THRESHOLD + f"worst_at_least = {worst * UP!r}").status == "fail"
    assert worst == 0.947


def test_a_ceiling_is_met_by_the_bound_itself_and_by_the_worst_unit_itself(row: Any) -> None:
    cell = row(CEILING + "at_most = 0.9").cells[0]
    high, worst = cell.interval.high, cell.worst[1]
    assert row(CEILING + f"at_most = {high!r}").status == "pass"
    assert row(CEILING + f"at_most = {high * DOWN!r}").status == "fail"
    assert row(CEILING + f"worst_at_most = {worst!r}").status == "pass"
    assert row(CEILING + f"worst_at_most = {worst * DOWN!r}").status == "fail"
    assert worst == 65 / 256


@pytest.mark.parametrize("bound", ["at_most", "worst_at_most"])
def test_a_ceiling_on_what_should_be_high_is_a_mistake_of_the_policy(row: Any, bound: str) -> None:
    found = row(THRESHOLD + f"{bound} = 0.99")
    assert (found.status, found.code) == ("error", "POL-DIRECTION")
    assert "a ceiling asks for the bad side" in found.says


@pytest.mark.parametrize("bound", ["at_least", "worst_at_least"])
def test_a_floor_under_what_should_be_low_is_a_mistake_of_the_policy(row: Any, bound: str) -> None:
    found = row(CEILING + f"{bound} = 0.01")
    assert (found.status, found.code) == ("error", "POL-DIRECTION")
    assert "a floor asks for the bad side" in found.says


def test_of_several_worst_units_the_first_is_named(row: Any, draft: Any, decide: Any) -> None:
    for place, observation in enumerate(draft.measurement("explained_variance")["observations"]):
        observation["value"] = (0.9, 0.5, 0.5, 0.95, 0.95)[place]
    low = decide(draft.files(), HEAD + THRESHOLD + "worst_at_least = 0.6").rows[0].cells[0]
    assert (low.worst, low.p, low.says.partition(":")[0]) == (((2,), 0.5), None, "seed 2 has 0.5, not at least 0.6")
    for place, observation in enumerate(draft.measurement("dead_fraction")["observations"]):
        observation["value"] = (0.25, 0.5, 0.5, 0.125, 0.25)[place]
    high = decide(draft.files(), HEAD + CEILING + "worst_at_most = 0.4").rows[0].cells[0]
    assert (high.worst, high.p, high.says.partition(":")[0]) == (((2,), 0.5), None, "seed 2 has 0.5, not at most 0.4")


def test_the_worst_seed_stands_in_the_words_of_a_rule_that_asks_for_it(row: Any, draft: Any, decide: Any) -> None:
    draft.measurement("explained_variance")["observations"][3]["value"] = 0.91
    asked = decide(draft.files(), HEAD + THRESHOLD + "at_least = 0.8\nworst_at_least = 0.6").rows[0]
    assert (asked.status, asked.says.split("; ")[1]) == ("pass", "lowest 0.91 (seed 4)")
    failed = decide(draft.files(), HEAD + THRESHOLD + "at_least = 0.99\nworst_at_least = 0.6").rows[0]
    assert (failed.status, failed.says.split("; ")[1]) == ("fail", "lowest 0.91 (seed 4)")
    draft.measurement("dead_fraction")["observations"][1]["value"] = 0.5
    ceiling = decide(draft.files(), HEAD + CEILING + "worst_at_most = 0.6").rows[0]
    assert (ceiling.status, ceiling.says.split("; ")[1]) == ("pass", "highest 0.5 (seed 2)")
    assert "lowest" not in row(THRESHOLD + "at_least = 0.8").says


def test_a_metric_that_moves_in_steps_is_told_of_both_ways_out(draft: Any, decide: Any) -> None:
    for observation in draft.measurement("explained_variance")["observations"]:
        observation["value"] = 0.95
    found = decide(draft.files(), HEAD + THRESHOLD + "at_least = 0.8").rows[0]
    assert (found.status, found.code) == ("inconclusive", "EV-ZERO-WIDTH")
    assert "check that the seeds are different runs" in found.next_step
    assert "continuous=False" in found.next_step


def test_a_band_has_the_larger_p_of_its_two_bounds(row: Any) -> None:
    """Active latents have no better side, so both bounds may be asked; each must be seen at once."""
    latents = CEILING.replace("dead_fraction", "l0")
    floor, ceiling = (row(latents + bound).cells[0] for bound in ("at_least = 7.99", "at_most = 8.02"))
    both = row(latents + "at_least = 7.99\nat_most = 8.02").cells[0]
    assert both.p == max(floor.p, ceiling.p)
    assert floor.p != ceiling.p
    assert both.detectable > floor.detectable == ceiling.detectable


def values_of(draft: Any, metric: str, condition: str, values: list[float]) -> None:
    for observation, value in zip(draft.measurement(metric, condition)["observations"], values, strict=True):
        observation["value"] = value


def test_what_never_varies_proves_nothing_but_fails_all_the_same(row: Any, draft: Any, decide: Any) -> None:
    values_of(draft, "explained_variance", "addition.topk", [0.75] * 5)
    files = draft.files()
    for floor, status in ((0.7, "inconclusive"), (0.8, "fail")):
        assert decide(files, HEAD + THRESHOLD + f"at_least = {floor}").rows[0].status == status
    over = THRESHOLD.replace("threshold", "superiority") + 'over = { role = "baseline" }\nmargin = -1'
    over = over.replace("superiority", "non_inferiority").replace("over =", "to =").replace("-1", "1")
    assert decide(files, HEAD + over).rows[0].code == "EV-ZERO-WIDTH"


def test_counts_may_well_be_the_same(draft: Any, decide: Any) -> None:
    values_of(draft, "dead_fraction", "addition.topk", [0.25] * 5)
    found = decide(draft.files(), HEAD + CEILING + "at_most = 0.5").rows[0]
    assert (found.status, found.cells[0].interval.high) == ("pass", 0.25)


def test_superiority_must_exceed_its_margin(row: Any) -> None:
    low = row(SUPERIOR).cells[0].interval.low
    assert row(SUPERIOR + f"margin = {low * DOWN!r}").status == "pass"
    assert row(SUPERIOR + f"margin = {low!r}").status == "fail"


def test_fewer_dead_latents_are_better(row: Any) -> None:
    """The untrained control has fewer dead latents, so the baseline is worse, and by a negative gain."""
    found = row(FEWER)
    assert found.status == "fail"
    assert found.cells[0].interval.estimate == pytest.approx(-0.05, abs=0.001)


def test_non_inferiority_must_stay_inside_its_margin(row: Any) -> None:
    low = row(INFERIOR + "margin = 0.5").cells[0].interval.low
    assert low < 0
    assert row(INFERIOR + f"margin = {-low * UP!r}").status == "pass"
    failed = row(INFERIOR + f"margin = {-low!r}")
    assert failed.status == "fail"
    assert failed.says.startswith(f"may be worse than 'addition.relu' by {-low:.6g}, the margin is {-low:.6g}")


def test_a_control_is_not_compared_with_itself(row: Any) -> None:
    itself = row(SAME + 'to = { control = "random_decoder" }\nmargin = 0.5')
    assert (itself.status, itself.code) == ("missing", "BASE-ABSENT")


def test_equivalence_needs_both_sides_inside(row: Any) -> None:
    to = 'to = "chance"\n'
    interval = row(SAME + to + "margin = 0.5").cells[0].interval
    assert interval.confidence == pytest.approx(0.9)
    widest = max(-interval.low, interval.high)
    assert row(SAME + to + f"margin = {widest * UP!r}").status == "pass"
    assert row(SAME + to + f"margin = {widest!r}").status == "fail"


@pytest.mark.parametrize("shift", [-0.01, 0.01])
def test_equivalence_is_lost_on_the_very_margin_of_either_side(draft: Any, decide: Any, shift: float) -> None:
    for observation in draft.measurement("pwmcc", "addition.topk.random_decoder")["observations"]:
        observation["value"] = round(observation["value"] + shift, 9)
    rule = HEAD + SAME + 'to = "chance"\n'
    interval = decide(draft.files(), rule + "margin = 0.5").rows[0].cells[0].interval
    edge = interval.high if shift > 0 else -interval.low
    assert edge == max(interval.high, -interval.low) > 0
    for margin, status in ((edge * UP, "pass"), (edge, "fail"), (edge * DOWN, "fail")):
        assert decide(draft.files(), rule + f"margin = {margin!r}").rows[0].status == status


ALIKE = 'kind = "equivalence"\nbenchmark = "consistency"\nmetric = "pwmcc"\nto = { control = "untrained" }\n'


def untrained_pairs_differ_by(draft: Any, seed_effects: dict[int, float]) -> None:
    """The pairs of `addition.topk.untrained` become those of `addition.topk` plus an effect of each of their seeds."""
    conditions = ("addition.topk", "addition.topk.untrained")
    ours, theirs = (draft.measurement("pwmcc", name)["observations"] for name in conditions)
    for one, other in zip(ours, theirs, strict=True):
        assert one["seeds"] == other["seeds"]
        other["value"] = one["value"] + sum(seed_effects[s] for s in one["seeds"])


def test_two_conditions_are_equally_consistent_only_within_the_margin(draft: Any, decide: Any) -> None:
    seeds = {s for o in draft.measurement("pwmcc")["observations"] for s in o["seeds"]}
    untrained_pairs_differ_by(draft, {seed: 0.002 * (-1) ** place for place, seed in enumerate(sorted(seeds))})
    files = draft.files()
    (close,) = decide(files, HEAD + ALIKE + "margin = 0.02").rows
    assert (close.status, close.cells[0].against) == ("pass", "addition.topk.untrained")
    assert decide(files, HEAD + ALIKE + "margin = 0.001").rows[0].status == "fail"


def test_not_significantly_different_is_not_the_same(draft: Any, decide: Any) -> None:
    """Noise that hides a difference does not show that there is none: neither claim holds."""
    seeds = sorted({s for o in draft.measurement("pwmcc")["observations"] for s in o["seeds"]})
    untrained_pairs_differ_by(draft, {seed: 0.05 * (-1) ** place for place, seed in enumerate(seeds)})
    files = draft.files()
    (superior,) = decide(files, HEAD + SUPERIOR).rows
    assert superior.status == "fail"
    assert superior.cells[0].interval.low < 0 < superior.cells[0].interval.high
    assert decide(files, HEAD + ALIKE + "margin = 0.02").rows[0].status == "fail"


def test_a_higher_confidence_gives_a_wider_interval(row: Any) -> None:
    narrow, wide = (row(THRESHOLD + f"at_least = 0.5\nconfidence = {c}").cells[0].interval for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(("units", "status"), [(5, "pass"), (6, "inconclusive")])
def test_pairs_count_as_their_seeds(row: Any, units: int, status: str) -> None:
    found = row(SUPERIOR + f"min_units = {units}")
    assert found.status == status
    if status == "inconclusive":
        assert "has 5 seeds, needs 6" in found.says


@pytest.mark.parametrize(
    "subject",
    ['{ condition = "addition.gated" }', '{ control = "pca" }', '{ role = "candidate" }\nsite = "elsewhere"'],
)
def test_a_rule_about_nobody_is_missing(row: Any, subject: str) -> None:
    found = row(THRESHOLD + f"at_least = 0\nsubject = {subject}")
    assert (found.status, found.code) == ("missing", "EV-ABSENT")


def test_one_condition_may_be_asked_by_name(row: Any) -> None:
    found = row(THRESHOLD + 'at_least = 0.9\nsubject = { condition = "addition.relu" }')
    assert [cell.condition for cell in found.cells] == ["addition.relu"]
    assert found.status == "pass"


def test_the_worst_of_several_candidates_is_the_row(draft: Any, decide: Any) -> None:
    for subject in draft.of("addition.relu"):
        subject["role"] = "candidate"
    draft.study = draft.study.replace('"baseline"', '"candidate"')
    draft.measurement("explained_variance", "addition.relu")["observations"][0]["value"] = 0.2
    (row,) = decide(draft.files(), HEAD + THRESHOLD + "worst_at_least = 0.5").rows
    assert [cell.status for cell in row.cells] == ["fail", "pass"]
    assert row.status == "fail"
    assert row.says.startswith("1 of 2 hold; addition.relu: seed 1 has 0.2")


def test_parts_of_a_seed_are_no_replicates_of_it(draft: Any, decide: Any) -> None:
    """Ten documents per seed give the interval of five seeds, about the mean of the documents."""
    whole = decide(draft.files(), HEAD + THRESHOLD + "at_least = 0.5").rows[0].cells[0].interval
    for name in SPLIT_CONDITIONS:
        found = draft.measurement("explained_variance", name)
        found["observations"] = [
            {**o, "value": o["value"] + (part - 4.5) / 100, "part": f"document {part}"}
            for o in found["observations"]
            for part in range(10)
        ]
    split = decide(draft.files(), HEAD + THRESHOLD + "at_least = 0.5").rows[0].cells[0].interval
    assert split.n == whole.n == 5
    assert (split.low, split.high) == pytest.approx((whole.low, whole.high))


def test_the_report_says_what_other_parts_might_have_given(draft: Any) -> None:
    """Only where there are parts; and an interval over seeds and parts is about more, so it is wider."""
    assert "seeds and parts" not in draft.report()
    name = SPLIT_CONDITIONS[0]
    found = draft.measurement("explained_variance", name)
    found["observations"] = [
        {**o, "value": o["value"] + (part - 4.5) / 100, "part": f"document {part}"}
        for o in found["observations"]
        for part in range(10)
    ]
    text = make_views(draft.content())["report/reconstruction.addition.md"].decode().partition("## Differences")[0]
    (line,) = (row for row in text.splitlines() if row.startswith(f"| explained_variance |  | {name} |"))
    over_seeds, over_both = (tuple(map(float, cell.split(" to "))) for cell in line.split(" | ")[4:6])
    assert over_both[0] < over_seeds[0] < over_seeds[1] < over_both[1]


def test_two_sides_measured_on_other_parts_are_not_compared(draft: Any, decide: Any) -> None:
    for number, name in enumerate(SPLIT_CONDITIONS):
        for observation in draft.measurement("explained_variance", name)["observations"]:
            observation["part"] = f"document {number}"
    rule = THRESHOLD.replace("threshold", "non_inferiority") + 'to = { role = "baseline" }\nmargin = 0.5'
    row = decide(draft.files(), HEAD + rule).rows[0]
    assert (row.status, row.code) == ("inconclusive", "CMP-UNITS")
