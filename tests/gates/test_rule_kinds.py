"""Range, proportion, Pareto, exact p-values, and claims about other parts: each at its boundary."""

from __future__ import annotations

from typing import Any

import pytest

from husai_core.errors import UsageError
from husai_gates import policy as policies
from husai_gates.explain import explain
from husai_gates.reporters import REPORTERS

HEAD = """
schema = "husai:policy/v1"
name = "kinds"
version = "1"
purpose = "One rule at its boundary."
confidence = 0.95
min_units = 3

[[rule]]
id = "it"
question = "Does it hold?"
reason = "To find the boundary."
"""
UP, DOWN = 1 + 1e-9, 1 - 1e-9
RANGE = 'kind = "range"\nbenchmark = "reconstruction"\nmetric = "l0"\n'
SHARE = 'kind = "proportion"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\n'
EXACT = (
    'kind = "superiority"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\n'
    'over = { control = "untrained" }\nexact = true\n'
)
PARETO = """kind = "pareto"
over = { role = "baseline" }
metrics = [
    { benchmark = "reconstruction", metric = "explained_variance" },
    { benchmark = "reconstruction", metric = "dead_fraction" },
]
"""
PARTS = (
    'kind = "threshold"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\nunits = "seeds_and_parts"\n'
    "at_least = 0.5\n"
)


@pytest.fixture
def row(draft: Any, decide: Any) -> Any:
    def judged(rule: str) -> Any:
        decision = decide(draft.files(), HEAD + rule)
        assert explain(decision)
        return decision.rows[0]

    return judged


def test_a_range_holds_the_whole_interval_and_its_ends(row: Any) -> None:
    wide = row(RANGE + "at_least = 0\nat_most = 100")
    interval = wide.cells[0].interval
    assert wide.status == "pass"
    t = pytest.importorskip("scipy.stats").t
    assert wide.detectable == pytest.approx((t.ppf(0.975, 4) + t.ppf(0.9, 4)) * interval.spread.error, rel=1e-8)
    assert row(RANGE + "at_least = 9\nat_most = 100").status == "fail"
    assert row(RANGE + "at_least = 0\nat_most = 7").status == "fail"
    low, high = interval.low, interval.high
    assert row(RANGE + f"at_least = {low!r}\nat_most = {high!r}").status == "pass"
    assert row(RANGE + f"at_least = {low * UP!r}\nat_most = {high!r}").status == "fail"
    assert row(RANGE + f"at_least = {low!r}\nat_most = {high * DOWN!r}").status == "fail"
    found = row(RANGE + f"at_least = {low!r}\nat_most = 100")
    assert found.cells[0].p == pytest.approx(0.025, rel=1e-6)
    assert found.detectable > 0
    assert "interval between" in found.asks


def test_a_range_with_its_ends_exchanged_is_refused() -> None:
    with pytest.raises(UsageError, match="at_least must be below at_most"):
        policies.load((HEAD + RANGE + "at_least = 2\nat_most = 1").encode(), "p")


def test_a_proportion_is_met_above_wilsons_bound(row: Any) -> None:
    low = row(SHARE + "at_least = 0.9\nshare = 0.1").cells[0].interval.low
    assert low == pytest.approx(0.5655, abs=1e-4)
    assert row(SHARE + f"at_least = 0.9\nshare = {low * DOWN!r}").status == "pass"
    assert row(SHARE + f"at_least = 0.9\nshare = {low!r}").status == "fail"
    assert row(SHARE + "at_least = 0.9\nshare = 0.9").status == "fail"


def test_a_proportion_says_how_it_stands_and_how_surely(row: Any) -> None:
    held, failed = (row(SHARE + f"at_least = 0.9\nshare = {share}") for share in (0.4, 0.9))
    assert (held.status, held.code, failed.status, failed.code) == ("pass", "RULE-HOLDS", "fail", "RULE-FAILED")
    assert held.says.startswith("holds: 5 of 5 seeds have it; the share is 1, ")
    assert failed.says.startswith("the lower bound 0.565518 is not above 0.9: 5 of 5 seeds have it; ")
    loose, exact = (row(SHARE + f"at_least = 0.9\nshare = 0.4{more}").cells[0] for more in ("", "\nexact = true"))
    assert loose.exact_p == exact.exact_p == exact.p == pytest.approx(0.4**5)
    assert loose.p < 0.4**5


def test_a_seed_on_the_number_itself_counts_and_one_beyond_it_does_not(row: Any) -> None:
    values = (0.95, 0.954, 0.947, 0.952, 0.949)
    for floor, hits in ((0.947, 5), (0.9471, 4), (0.954, 1), (0.955, 0)):
        cell = row(SHARE + f"at_least = {floor}\nshare = 0.01").cells[0]
        assert cell.interval.estimate == hits / 5 == sum(v >= floor for v in values) / 5
    ceiling = SHARE.replace("explained_variance", "dead_fraction") + "at_most = 0.25\nshare = 0.01"
    assert row(ceiling).cells[0].interval.estimate == 3 / 5


def test_a_proportion_may_be_asked_exactly(row: Any) -> None:
    """Five of five: Wilson's bound is 0.57, the exact one 0.025 ** (1 / 5) = 0.478."""
    for share, exact in ((0.5, "fail"), (0.47, "pass")):
        assert row(SHARE + f"at_least = 0.9\nshare = {share}").status == "pass"
        found = row(SHARE + f"at_least = 0.9\nshare = {share}\nexact = true")
        assert found.status == exact
        assert found.cells[0].exact_p == pytest.approx(share**5)
    for confidence, exact in ((0.9375, "pass"), (0.938, "fail")):  # 0.5 ** 5 is half of what 0.9375 leaves
        found = row(SHARE + f"at_least = 0.9\nshare = 0.5\nexact = true\nconfidence = {confidence}")
        assert (found.status, found.cells[0].exact_p) == (exact, 1 / 32)


def test_a_proportion_asks_for_the_good_side_of_single_seeds(row: Any, draft: Any) -> None:
    assert (
        row(SHARE.replace("explained_variance", "dead_fraction") + "at_least = 0.1\nshare = 0.1").code
        == "POL-DIRECTION"
    )
    assert row(SHARE + "at_most = 0.1\nshare = 0.1").code == "POL-DIRECTION"
    pairs = SHARE.replace("reconstruction", "consistency").replace("explained_variance", "pwmcc")
    found = row(pairs + "at_least = 0.1\nshare = 0.1")
    assert (found.status, found.code) == ("inconclusive", "EV-UNITS")
    found = row(SHARE + "at_least = 0.9\nshare = 0.1\nmin_units = 6")
    assert (found.status, found.code) == ("inconclusive", "EV-UNITS")


def test_an_exact_rule_needs_seeds_enough_for_its_p(row: Any) -> None:
    found = row(EXACT)
    assert (found.status, found.code) == ("inconclusive", "EV-UNITS")
    assert "needs 6" in found.says
    assert "exact p at most 0.025" in found.asks
    found = row(EXACT + "confidence = 0.9")
    assert (found.status, found.cells[0].exact_p) == ("pass", 1 / 32)
    assert found.cells[0].p == 1 / 32


def test_an_exact_rule_fails_by_its_exact_p_alone(row: Any, draft: Any) -> None:
    """One seed of five gains nothing, so signs say 2 of 32 where t is sure."""
    for place, observation in enumerate(
        draft.measurement("explained_variance", "addition.topk.untrained")["observations"]
    ):
        observation["value"] = 0.3 + 0.001 * place
    ours = draft.measurement("explained_variance")["observations"]
    values = [1.0, 0.99, 0.98, 0.97, 0.3]
    for observation, value in zip(ours, values, strict=True):
        observation["value"] = value
    rule = EXACT + "confidence = 0.9\n"
    assert row(rule.replace("exact = true\n", "")).status == "pass"
    found = row(rule)
    assert (found.status, found.cells[0].exact_p) == ("fail", 2 / 32)
    assert "the exact p is 0.0625" in found.says


def test_metrics_of_pairs_have_no_exact_p(row: Any) -> None:
    found = row(EXACT.replace("reconstruction", "consistency").replace("explained_variance", "pwmcc"))
    assert (found.status, found.code) == ("inconclusive", "EV-UNITS")


def test_not_dominated_is_a_gain_in_some_metric(row: Any, draft: Any) -> None:
    """The candidate explains 0.01 more than the baseline, and has more dead latents."""
    found = row(PARETO)
    assert found.status == "pass"
    assert "explained_variance or dead_fraction" in found.asks
    (cell,) = found.cells
    assert cell.interval.confidence == 0.975
    gains = [
        a["value"] - b["value"]
        for a, b in zip(
            draft.measurement("explained_variance")["observations"],
            draft.measurement("explained_variance", "addition.relu")["observations"],
            strict=True,
        )
    ]
    stats = pytest.importorskip("scipy.stats")
    assert cell.p == pytest.approx(2 * stats.ttest_1samp(gains, 0, alternative="greater").pvalue, rel=1e-6)
    for observation in draft.measurement("explained_variance")["observations"]:
        observation["value"] -= 0.02
    found = row(PARETO)
    assert (found.status, found.code) == ("fail", "RULE-FAILED")
    assert "may dominate" in found.says
    assert found.cells[0].p == 1.0


def test_of_several_metrics_one_is_luck(row: Any, draft: Any) -> None:
    """A gain with p between 0.025 / 2 and 0.025 is a gain of one metric, and none of the better of two."""
    from husai_gates.student_t import quantile

    theirs = draft.measurement("explained_variance", "addition.relu")["observations"]
    noise = [-1.0, 1.0, 0.5, -0.5, 0.0]
    error = (sum(n * n for n in noise) / 4 / 5) ** 0.5
    for one, other, n in zip(draft.measurement("explained_variance")["observations"], theirs, noise, strict=True):
        one["value"] = other["value"] + 0.001 * (quantile(1 - 0.018, 4) * error + n)
    alone = EXACT.replace('{ control = "untrained" }\nexact = true', '{ role = "baseline" }')
    assert row(alone).status == "pass"
    assert row(alone).cells[0].p == pytest.approx(0.018, rel=1e-4)
    found = row(PARETO)
    assert (found.status, found.cells[0].p) == ("fail", pytest.approx(0.036, rel=1e-4))


def test_a_gain_that_never_varies_is_not_the_one_that_counts(row: Any, draft: Any) -> None:
    """The same 0.02 for every seed proves nothing, and the other metric of the two shows no gain."""
    theirs = draft.measurement("explained_variance", "addition.relu")["observations"]
    for one, other in zip(draft.measurement("explained_variance")["observations"], theirs, strict=True):
        other["value"] = one["value"] - 0.02
    assert (row(PARETO).status, row(PARETO).code) == ("fail", "RULE-FAILED")


def test_a_metric_in_which_we_never_vary_does_not_stand_before_one_in_which_we_do(row: Any, draft: Any) -> None:
    """All of the spread of that gain is the baseline's, so it proves nothing; the other metric does."""
    for observation in draft.measurement("explained_variance")["observations"]:
        observation["value"] = 0.99
    assert (row(PARETO).status, row(PARETO).code) == ("fail", "RULE-FAILED")
    for place, observation in enumerate(draft.measurement("dead_fraction")["observations"]):
        observation["value"] = (5 + place % 2) / 256
    found = row(PARETO)
    assert (found.status, found.code) == ("pass", "RULE-HOLDS")
    assert "gain in dead_fraction over addition.relu" in found.says


def test_a_gain_of_nought_on_its_lower_bound_is_none(row: Any, draft: Any) -> None:
    """Dead latents are whole numbers, so their gain may be the same for every seed and count."""
    for place, observation in enumerate(draft.measurement("dead_fraction")["observations"]):
        observation["value"] = (40 + place) / 256
        draft.measurement("dead_fraction", "addition.relu")["observations"][place]["value"] = (40 + place) / 256
    for observation in draft.measurement("explained_variance")["observations"]:
        observation["value"] -= 0.02
    found = row(PARETO)
    assert (found.status, found.cells[0].p) == ("fail", 1.0)
    assert "dead_fraction 0" in found.says
    for observation in draft.measurement("dead_fraction")["observations"]:
        observation["value"] -= 1 / 256
    found = row(PARETO)
    assert (found.status, found.cells[0].p) == ("pass", 0.0)


def test_every_metric_of_a_front_must_have_been_measured(row: Any) -> None:
    found = row(PARETO.replace("dead_fraction", "mse"))
    assert (found.status, found.code) == ("missing", "EV-ABSENT")
    found = row(PARETO.replace("dead_fraction", "l0"))
    assert (found.status, found.code) == ("error", "POL-DIRECTION")


def split(draft: Any, condition: str = "addition.topk", parts: int = 10, size: float = 0.01) -> None:
    """Explained variance by document, with the mean that it had."""
    found = draft.measurement("explained_variance", condition)
    found["observations"] = [
        {**o, "value": round(o["value"] + size * (part - (parts - 1) / 2), 9), "part": f"document {part}"}
        for o in found["observations"]
        for part in range(parts)
    ]


def test_a_rule_may_be_about_other_parts_too(row: Any, draft: Any) -> None:
    split(draft)
    found = row(PARTS)
    over_seeds = row(PARTS.replace('units = "seeds_and_parts"\n', ""))
    assert found.cells[0].interval.method == "t over seeds and parts"
    assert over_seeds.cells[0].interval.method == "t over seeds"
    assert found.cells[0].interval.estimate == pytest.approx(over_seeds.cells[0].interval.estimate)
    assert found.cells[0].interval.low < over_seeds.cells[0].interval.low
    assert "over seeds and parts" in found.asks
    between = (found.cells[0].interval.low + over_seeds.cells[0].interval.low) / 2
    found, over_seeds = (row(rule.replace("0.5", repr(between))) for rule in (PARTS, PARTS.replace("_and_parts", "")))
    assert (found.status, over_seeds.status) == ("fail", "pass")
    assert over_seeds.cells[0].p < 0.025 < found.cells[0].p


def test_paired_differences_are_taken_part_by_part(row: Any, draft: Any) -> None:
    """Both sides find the same documents hard, and that goes out of their difference."""
    split(draft)
    split(draft, "addition.relu")
    rule = (
        'kind = "non_inferiority"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\n'
        'to = { role = "baseline" }\nmargin = 0.01\nunits = "seeds_and_parts"\n'
    )
    cell = row(rule).cells[0]
    assert cell.interval.method == "t over seeds and parts"
    assert cell.interval.high - cell.interval.low < 0.01
    assert cell.exact_p is None
    apart = row(rule + "paired = false").cells[0]
    assert apart.interval.method == "Welch: t over seeds and parts"
    assert apart.interval.high - apart.interval.low > 0.02


@pytest.mark.parametrize("parts", [0, 1])
def test_what_was_not_observed_by_part_says_nothing_of_other_parts(row: Any, draft: Any, parts: int) -> None:
    if parts:
        split(draft, parts=1)
    found = row(PARTS)
    assert (found.status, found.code) == ("inconclusive", "EV-PARTS")


def test_pairs_of_seeds_are_not_judged_over_parts(row: Any) -> None:
    found = row(PARTS.replace("reconstruction", "consistency").replace("explained_variance", "pwmcc"))
    assert (found.status, found.code) == ("inconclusive", "EV-PARTS")


def test_an_exact_p_over_parts_is_refused() -> None:
    with pytest.raises(UsageError, match="over seeds alone"):
        policies.load((HEAD + EXACT + 'units = "seeds_and_parts"').encode(), "p")


def test_a_rule_says_what_it_could_have_seen(row: Any, draft: Any, decide: Any) -> None:
    stats = pytest.importorskip("scipy.stats")
    found = row(PARTS.replace('units = "seeds_and_parts"\n', ""))
    cell = found.cells[0]
    half = (cell.interval.high - cell.interval.low) / 2
    error = half / stats.t.ppf(0.975, 4)
    assert found.detectable == pytest.approx((stats.t.ppf(0.975, 4) + stats.t.ppf(0.8, 4)) * error, rel=1e-9)
    assert row('kind = "present"\nbenchmark = "reconstruction"\n').detectable is None
    decided = decide(draft.files(), HEAD + RANGE + "at_least = 0\nat_most = 100")
    for text in (explain(decided), REPORTERS["text"](decided), REPORTERS["markdown"](decided)):
        assert "smallest margin it would have met" in text
    worst = 'kind = "threshold"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\nworst_at_least = 0.5'
    assert (row(worst).cells[0].p, row(worst).detectable) == (None, None)
