"""Comparable keys: what must be the same by default, what a policy may relax, and claims across sites."""

from __future__ import annotations

import json
from typing import Any

import pytest

from husai_core import strict_json
from husai_core.errors import UsageError
from husai_gates import policy as policies

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
