"""Comparable keys: what must be the same by default, what a policy may relax, and claims across sites."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from husai_core import strict_json
from husai_core.bundle import Snapshot
from husai_core.errors import UsageError
from husai_core.evidence import DataSource
from husai_gates import policy as policies
from husai_gates.audit import audit
from husai_gates.cannot_judge import CannotJudge
from husai_gates.comparable import require_comparable
from husai_gates.condition import Condition
from husai_gates.policy import LAST_RELEASE
from husai_gates.select import Located, locate

weightstats = pytest.importorskip("statsmodels.stats.weightstats")

HEAD = """
schema = "husai:policy/v1"
name = "comparable"
version = "1"
purpose = "What compares."
confidence = 0.95
min_units = 3

[[rule]]
id = "it"
question = "Does it compare?"
reason = "To find out."
"""
BETTER = (
    'kind = "superiority"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\nover = { role = "baseline" }\n'
    "margin = 0\n"
)
SAME = (
    'kind = "equivalence"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\nmargin = 0.05\n'
    'subject = { condition = "addition.topk" }\nto = { condition = "elsewhere.relu" }\n'
)
ACROSS = "comparable = ['target', 'benchmark', 'settings', 'data', 'rows', 'budget', 'width']\n"


@pytest.fixture
def row(draft: Any, decide: Any) -> Any:
    """The row of one rule on the draft as it is now, digests made anew."""

    def judged(rule: str) -> Any:
        for document in (*draft.subjects.values(), *draft.evidence.values()):
            if document["site"]["name"] == "addition":
                document["site"]["digest"] = ""
            for listed in document.get("subjects", ()):
                listed["digest"] = ""
        return decide(draft.files(), HEAD + rule).rows[0]

    return judged


@pytest.fixture
def two_sites(draft: Any) -> Any:
    """The candidate at one site, the baseline at another, each with its own evidence."""
    raw = strict_json.encode({**draft.site, "name": "elsewhere"})
    draft.extra["sites/elsewhere.json"] = raw
    moved = {"name": "elsewhere", "digest": strict_json.digest(raw)}
    draft.study = draft.study.replace(
        "\n[training]", '\n[[site]]\nname = "elsewhere"\nmodel = "modular_addition"\n\n[training]'
    )
    draft.study = draft.study.replace('role = "candidate"', 'role = "candidate"\nsites = ["addition"]')
    draft.study = draft.study.replace('role = "baseline"', 'role = "baseline"\nsites = ["elsewhere"]')
    draft.subjects = json.loads(json.dumps(draft.subjects).replace("addition.relu", "elsewhere.relu"))
    for subject in draft.subjects.values():
        if subject["condition"].startswith("elsewhere"):
            subject["site"] = dict(moved)
    for path, document in list(draft.evidence.items()):
        twin = json.loads(json.dumps(document).replace("addition.relu", "elsewhere.relu"))
        twin["site"] = dict(moved)
        for part, wanted in ((document, "topk"), (twin, "relu")):
            part["measurements"] = [m for m in part["measurements"] if wanted in m["condition"]]
            part["subjects"] = [s for s in part["subjects"] if wanted in s["name"]]
        draft.evidence[path.replace("addition", "elsewhere")] = twin
    return draft


def train_longer(draft: Any, steps: int) -> None:
    draft.study = draft.study.replace('role = "baseline"', f'role = "baseline"\nsteps = {steps}')
    for subject in (*draft.of("addition.relu"), *draft.of("addition.relu.random_decoder")):
        subject["budget"] |= {"steps": steps, "rows_seen": steps * 512}


def test_two_sites_are_the_same_only_where_the_policy_lets_sites_differ(row: Any, two_sites: Any) -> None:
    assert (row(SAME).status, row(SAME).code) == ("inconclusive", "CMP-SITE")
    found = row(SAME + ACROSS)
    assert found.status == "pass", found.says
    cell = found.cells[0]
    assert (cell.against, cell.interval.method) == ("elsewhere.relu", "Welch: t over seeds")
    assert cell.interval.estimate == pytest.approx(0.01, abs=0.001)
    assert row((SAME + ACROSS).replace("0.05", "0.01")).status == "fail"
    assert "comparable in target" in found.asks


def test_across_sites_it_is_the_test_of_unpaired_seeds(row: Any, two_sites: Any) -> None:
    cell = row(SAME + ACROSS).cells[0]
    ours, theirs = (
        [o["value"] for o in two_sites.measurement("explained_variance", name)["observations"]]
        for name in ("addition.topk", "elsewhere.relu")
    )
    expected, *_ = weightstats.ttost_ind(ours, theirs, -0.05, 0.05, usevar="unequal")
    assert cell.p == pytest.approx(float(expected), rel=1e-9)


def test_consistency_across_sites_is_compared_by_the_spread_of_each(row: Any, two_sites: Any) -> None:
    rule = (SAME + ACROSS).replace("reconstruction", "consistency").replace("explained_variance", "pwmcc")
    cell = row(rule).cells[0]
    assert cell.interval.method == "Welch: jackknife over seeds, t"
    assert cell.interval.n == 5
    sides = [
        row(
            'kind = "range"\nbenchmark = "consistency"\nmetric = "pwmcc"\nat_least = 0\nat_most = 1\n'
            f'subject = {{ condition = "{name}" }}'
        )
        for name in ("addition.topk", "elsewhere.relu")
    ]
    error = sum(side.cells[0].interval.spread.error ** 2 for side in sides) ** 0.5
    assert cell.interval.spread.error == pytest.approx(error)


def test_a_claim_across_sites_is_not_paired_unless_asked(row: Any, two_sites: Any) -> None:
    assert row(SAME + ACROSS + "paired = true").cells[0].interval.method == "t over seeds"


def test_a_longer_training_is_no_comparison_unless_within_the_tolerance(row: Any, draft: Any) -> None:
    assert row(BETTER).status == "pass"
    train_longer(draft, 1600)
    assert (row(BETTER).status, row(BETTER).code) == ("inconclusive", "CMP-BUDGET")
    for tolerance, status in ((0.0625, "pass"), (0.0624, "inconclusive")):
        found = row(BETTER + f"tolerance = {{ steps = {tolerance}, rows_seen = {tolerance} }}")
        assert (found.status, "tolerance rows_seen" in found.asks) == (status, True)
    relaxed = "comparable = ['site', 'target', 'benchmark', 'settings', 'data', 'rows', 'width']\n"
    assert row(BETTER + relaxed).status == "pass"


def test_a_wider_dictionary_is_no_comparison_unless_within_the_tolerance(row: Any, draft: Any) -> None:
    draft.study = draft.study.replace('role = "baseline"\nd_sae = 256', 'role = "baseline"\nd_sae = 320')
    for subject in draft.subjects.values():
        if subject["condition"].startswith("addition.relu"):
            subject["dims"]["d_sae"] = 320
    for measurement in draft.reconstruction["measurements"]:
        if measurement["metric"]["name"] == "dead_fraction" and measurement["condition"].startswith("addition.relu"):
            for observation in measurement["observations"]:  # whole latents of 320
                observation["value"] = round(observation["value"] * 256) / 320
    assert (row(BETTER).code, "d_sae" in row(BETTER).says) == ("CMP-BUDGET", True)
    assert row(BETTER + "tolerance = { width = 0.2 }").status == "pass"
    assert row(BETTER + "tolerance = { width = 0.19 }").code == "CMP-BUDGET"


SPARSE = "comparable = ['site', 'target', 'benchmark', 'settings', 'data', 'rows', 'budget', 'width', 'sparsity']\n"


def test_sparsity_is_matched_where_the_policy_asks(row: Any, draft: Any) -> None:
    """8 and 9 active latents, within a tenth of each other but for a little."""
    assert row(BETTER).status == "pass"
    found = row(BETTER + SPARSE)
    assert (found.status, found.code) == ("inconclusive", "CMP-BUDGET")
    assert "active latents" in found.says
    assert row(BETTER + SPARSE + "tolerance = { sparsity = 0.15 }").status == "pass"
    draft.reconstruction["measurements"] = [
        m
        for m in draft.reconstruction["measurements"]
        if (m["metric"]["name"], m["condition"]) != ("l0", "addition.relu")
    ]
    found = row(BETTER + SPARSE + "tolerance = { sparsity = 1 }")
    assert (found.status, found.code) == ("inconclusive", "CMP-BUDGET")
    assert "nobody measured 'l0'" in found.says


def test_data_that_may_differ_must_still_have_as_many_rows(row: Any, draft: Any) -> None:
    draft.site["data"].append({"name": "addition.test.1", "digest": "sha256:" + "3" * 64, "rows": 481})
    other = json.loads(json.dumps(draft.reconstruction))
    other["measurements"] = [m for m in other["measurements"] if "relu" in m["condition"]]
    draft.reconstruction["measurements"] = [
        m for m in draft.reconstruction["measurements"] if "relu" not in m["condition"]
    ]
    other["data"] = [dict(draft.site["data"][2])]
    draft.evidence["evidence/reconstruction.addition.relu.json"] = other
    assert row(BETTER).code == "CMP-DATA"
    rows = "comparable = ['site', 'target', 'benchmark', 'settings', 'rows', 'budget', 'width']\n"
    assert row(BETTER + rows).status == "pass"
    draft.site["data"][2]["rows"] = other["data"][0]["rows"] = 500
    assert row(BETTER + rows).code == "CMP-DATA"
    assert row(BETTER + rows.replace(" 'rows',", "")).status == "pass"


def test_nothing_relaxes_the_definition_of_the_metric(row: Any, draft: Any) -> None:
    other = json.loads(json.dumps(draft.reconstruction))
    other["measurements"] = [m for m in other["measurements"] if "relu" in m["condition"]]
    draft.reconstruction["measurements"] = [
        m for m in draft.reconstruction["measurements"] if "relu" not in m["condition"]
    ]
    draft.evidence["evidence/reconstruction.addition.relu.json"] = other
    for version, document in (("1", draft.reconstruction), ("2", other)):
        document["metrics"].append({**document["metrics"][0], "name": "acme", "version": version})
        for m in document["measurements"]:
            if m["metric"]["name"] == "explained_variance":
                m["metric"] |= {"name": "acme", "version": version}
    found = row(BETTER.replace("explained_variance", "acme") + "comparable = []")
    assert (found.status, found.code) == ("inconclusive", "CMP-METRIC")
    assert "nothing but the metric" in found.asks


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("comparable = ['site']\ntolerance = { steps = 0.1 }", "'budget' is not among"),
        ("comparable = ['site']\ntolerance = { width = 0.1 }", "'width' is not among"),
        ("tolerance = { sparsity = 0.1 }", "'sparsity' is not among"),
        ("tolerance = { seeds = 0.1 }", "unknown key 'seeds'"),
        ("tolerance = { steps = 2 }", "maximum"),
        ("comparable = ['sites']", "must be one of"),
        ("comparable = ['site', 'site']", "twice"),
    ],
)
def test_keys_that_contradict_themselves_are_refused(keys: str, message: str) -> None:
    with pytest.raises(UsageError) as stop:
        policies.load((HEAD + BETTER + keys).encode(), "p")
    assert message in str(stop.value)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            BETTER.replace('role = "baseline"', 'control = "untrained"') + "tolerance = { steps = 0.1 }",
            "'budget' is not",
        ),
        (SAME.replace('{ condition = "elsewhere.relu" }', '"chance"') + "paired = true", "nothing to pair"),
        (SAME.replace('{ condition = "elsewhere.relu" }', '"chance"') + ACROSS, "nothing to pair"),
        (
            'kind = "regression"\nbenchmark = "a"\nmetric = "b"\nmargin = 1\ntolerance = { width = 0.1 }',
            "'width' is not",
        ),
        (
            'kind = "pareto"\nover = { role = "baseline" }\nmax_age_days = 3\n'
            'metrics = [{ benchmark = "a", metric = "b" }, { benchmark = "a", metric = "c" }]',
            "only the last release",
        ),
    ],
)
def test_keys_without_an_effect_are_refused(rule: str, message: str) -> None:
    with pytest.raises(UsageError) as stop:
        policies.load((HEAD + rule).encode(), "p")
    assert message in str(stop.value)


@pytest.fixture
def two(draft: Any) -> tuple[Any, Located, Located]:
    """The report, and one metric of the candidate and of the baseline, which differ in nothing that counts."""
    report = audit(Snapshot("bundle", draft.files()))
    rule = asked("")
    return report, *(locate(rule, report.conditions[name], report) for name in ("addition.topk", "addition.relu"))


def asked(more: str) -> policies.Rule:
    return policies.load((HEAD + BETTER + more).encode(), "p.toml").rules[0]


def altered(located: Located, **changes: Any) -> Located:
    """With these changes to every subject; `evidence` is of the evidence, and `seeds` are added to every seed."""
    evidence = dataclasses.replace(located.evidence, **changes.pop("evidence", {}))
    shift = changes.pop("seeds", 0)
    budget = changes.pop("budget", {})
    subjects = tuple(
        dataclasses.replace(s, seed=s.seed + shift, budget={**s.budget, **budget}, **changes)
        for s in located.condition.subjects
    )
    return dataclasses.replace(located, evidence=evidence, condition=Condition(located.condition.name, subjects))


def stop(rule: policies.Rule, report: Any, one: Located, other: Located) -> CannotJudge | None:
    try:
        require_comparable(rule, one, other, report, report)
    except CannotJudge as stopped:
        return stopped
    return None


ALTERED: dict[str, tuple[dict[str, Any], str, str]] = {
    "site": ({"site": "there"}, "CMP-SITE", "site: addition and there"),
    "site of that name": ({"site_digest": "sha256:" + "f" * 64}, "CMP-SITE", "(sha256:ffffffffffff...)"),
    "target": (
        {"architecture": {"name": "skip", "own_target": True}}, "CMP-TARGET", "site's target and the choice of 'skip'"
    ),
    "benchmark": ({"evidence": {"settings": {"k": 1}}}, "CMP-BENCHMARK", "differ in settings: {} and {'k': 1}"),
    "fewer rows": ({"evidence": {"data": ()}}, "CMP-DATA", "and nothing"),
    "texts": ({"evidence": {"texts": (DataSource("pile", "sha256:0", 7),)}}, "CMP-DATA", "nothing and ('sha256:0', 7)"),
    "steps": ({"budget": {"steps": 1501}}, "CMP-BUDGET", "differ in steps: 1500 and 1501"),
    "batch size": ({"budget": {"batch_size": 256}}, "CMP-BUDGET", "differ in batch_size: 512 and 256"),
    "rows seen": ({"budget": {"rows_seen": 7}}, "CMP-BUDGET", "differ in rows_seen: 768000 and 7"),
    "order": ({"budget": {"data_order_seed": None}}, "CMP-BUDGET", "differ in data_order_seed: 0 and nothing"),
    "decay": ({"budget": {"decay_share": 0.0}}, "CMP-BUDGET", "differ in decay_share: 0.2 and 0.0"),
    "width": ({"dims": {"d_in": 64, "d_sae": 320, "d_out": 64}}, "CMP-BUDGET", "differ in d_sae: 256 and 320"),
    "width of others": (
        {"dims": {"d_in": 64, "d_sae": 320, "d_out": 64}, "seeds": 10}, "CMP-BUDGET", "differ in d_sae: 256 and 320"
    ),
    "unknown budget": ({"budget": {"pretrained": True}}, "CMP-BUDGET", "of the pretrained 'addition.relu' is unknown"),
}  # fmt: skip


@pytest.mark.parametrize("case", ALTERED)
def test_one_difference_is_enough_and_is_named(two: Any, case: str) -> None:
    report, one, other = two
    change, code, says = ALTERED[case]
    assert stop(asked(""), report, one, other) is None
    assert stop(asked(""), report, one, altered(other, seeds=10)) is None
    found = stop(asked(""), report, one, altered(other, **change))
    assert found
    assert (found.status, found.code) == ("inconclusive", code)
    assert says in found.says
    assert stop(asked(""), report, altered(one, **change), other)
    relaxed = stop(asked("comparable = []"), report, one, altered(other, **change))
    assert relaxed is None


def test_a_benchmark_is_compared_by_name_whatever_a_policy_relaxes(two: Any) -> None:
    report, one, other = two
    benchmark = other.evidence.benchmark
    for change in ({"version": "0"}, {"source": "sha256:0"}):
        again = altered(other, evidence={"benchmark": dataclasses.replace(benchmark, **change)})
        (key,) = change
        found = stop(asked("comparable = ['benchmark']"), report, one, again)
        assert found
        assert (found.code, f"differ in {key}: " in found.says) == ("CMP-BENCHMARK", True)
        assert stop(asked("comparable = ['settings', 'data', 'rows']"), report, one, again) is None
    again = altered(other, evidence={"benchmark": dataclasses.replace(benchmark, name="another")})
    found = stop(asked("comparable = []"), report, one, again)
    assert found
    assert found.code == "CMP-BENCHMARK"
    again = altered(other, evidence={"settings": {"k": 1}})
    assert stop(asked("comparable = ['benchmark', 'data']"), report, one, again) is None
    assert stop(asked("comparable = ['settings']"), report, one, again)


def test_rows_and_data_are_two_keys(two: Any) -> None:
    report, one, other = two
    (source,) = other.evidence.data
    more = altered(other, evidence={"data": (dataclasses.replace(source, rows=482),)})
    moved = altered(other, evidence={"data": (dataclasses.replace(source, name="other", digest="sha256:0"),)})
    for key, stops in (("data", [False, True]), ("rows", [True, False])):
        rule = asked(f"comparable = ['{key}']")
        assert [stop(rule, report, one, there) is not None for there in (more, moved)] == stops
    found = stop(asked("comparable = ['rows']"), report, one, more)
    assert found
    assert "differ in the numbers of rows: [481] and [482]" in found.says


def test_budget_and_width_are_two_keys_of_trained_dictionaries_in_one_study(two: Any) -> None:
    report, one, other = two
    longer, wider = altered(other, budget={"steps": 1501}), altered(other, dims={"d_in": 64, "d_sae": 320, "d_out": 64})
    for key, stops in (("budget", [True, False]), ("width", [False, True])):
        rule = asked(f"comparable = ['{key}']")
        assert [stop(rule, report, one, there) is not None for there in (longer, wider)] == stops
    control = locate(asked(""), report.conditions["addition.relu.untrained"], report)
    assert stop(asked(""), report, one, control) is None
    assert stop(asked("comparable = ['budget']"), report, one, control)
    assert stop(dataclasses.replace(asked(""), against=LAST_RELEASE), report, one, longer) is None
    unknown = altered(other, budget={"pretrained": True, "steps": None})
    assert stop(asked("comparable = ['width']"), report, one, unknown) is None
    for pair in ((one, unknown), (unknown, one)):
        found = stop(asked("comparable = ['budget']"), report, *pair)
        assert found
        assert "is unknown, so none is matched to it" in found.says


def test_the_width_of_a_dictionary_that_was_trained_elsewhere_is_known(two: Any) -> None:
    report, one, other = two
    wider = altered(other, budget={"pretrained": True}, dims={"d_in": 64, "d_sae": 320, "d_out": 64})
    for pair in ((one, wider), (wider, one), (one, altered(wider, seeds=10))):
        found = stop(asked("comparable = ['width']"), report, *pair)
        assert found
        assert (found.code, "differ in d_sae: " in found.says) == ("CMP-BUDGET", True)


def test_only_a_seed_that_both_have_is_held_to_itself(two: Any) -> None:
    report, one, other = two
    mine, theirs = (
        Condition(side.condition.name, tuple(
            dataclasses.replace(s, budget={**s.budget, "data_order_seed": s.seed}) for s in side.condition.subjects
        ))
        for side in (one, other)
    )  # fmt: skip
    pairs = [(dataclasses.replace(one, condition=mine), dataclasses.replace(other, condition=theirs))]
    assert stop(asked(""), report, *pairs[0]) is None
    assert stop(asked(""), report, pairs[0][0], altered(pairs[0][1], seeds=10))


def test_names_of_own_targets_are_all_said_in_order(two: Any) -> None:
    report, one, other = two
    chosen = [{"name": name, "own_target": own} for name, own in (("skip", True), ("mid", False), ("cross", True))]
    each = zip(other.condition.subjects, chosen, strict=False)
    subjects = tuple(dataclasses.replace(subject, architecture=its) for subject, its in each)
    found = stop(asked(""), report, one, dataclasses.replace(other, condition=Condition("other", subjects)))
    assert found
    assert found.says.endswith("the site's target and the choice of 'cross', the choice of 'skip'")


def test_sparsity_is_that_of_no_setting_at_the_site(two: Any, draft: Any) -> None:
    keys = "comparable = ['sparsity']\ntolerance = { sparsity = 0.12 }"
    report, one, other = two
    assert stop(asked(keys), report, one, other) is None  # 8 and 9 active latents
    found = stop(asked(keys.replace("0.12", "0.11")), report, one, other)
    assert found
    assert "differ in sparsity: 8 and 9 active latents" in found.says
    for setting, value in (({}, 20.0), ({"k": 1}, 8.0)):
        for measured in draft.measurement("l0")["observations"]:
            measured["value"] += value - 8.0
        draft.measurement("l0")["setting"] = setting
        again = audit(Snapshot("bundle", draft.files()))
        found = stop(asked(keys), again, one, other)
        assert found
        assert ("nobody measured" in found.says) is bool(setting)


def test_of_two_benchmarks_that_measure_sparsity_the_first_by_path_counts(two: Any, draft: Any) -> None:
    _, one, other = two
    again = json.loads(json.dumps(draft.measurement("l0")))
    for observation in again["observations"]:
        observation["value"] += 12
    (made_by,) = (m for m in draft.reconstruction["metrics"] if m["name"] == "l0")
    draft.consistency["measurements"].append(again)
    draft.consistency["metrics"].append(made_by)
    report = audit(Snapshot("bundle", draft.files()))
    assert report.intact
    found = stop(asked("comparable = ['sparsity']"), report, one, other)
    assert found
    assert "differ in sparsity: 20 and 9 active latents" in found.says


def test_a_tolerance_of_all_is_wide_enough_for_any_number_and_a_tenth_is_the_sparsity_s_own(two: Any) -> None:
    report, one, other = two
    assert stop(asked("tolerance = { steps = 1 }"), report, one, altered(other, budget={"steps": 1})) is None
    assert stop(asked("comparable = ['sparsity']"), report, one, one) is None
    assert stop(asked("comparable = ['sparsity']"), report, one, other)


def test_no_tolerance_is_wide_enough_for_a_budget_that_is_not_said(two: Any) -> None:
    report, one, other = two
    rule = asked("tolerance = { steps = 1 }")
    silent = [altered(side, budget={"steps": None}) for side in (one, other)]
    for sides in ((silent[0], other), (one, silent[1])):
        found = stop(rule, report, *sides)
        assert found
        assert (found.code, "differ in steps: " in found.says, "nothing" in found.says) == ("CMP-BUDGET", True, True)
    assert stop(rule, report, *silent) is None
