"""Choosing: the conditions of several bundles, each once, measured as the judge does, and comparable or refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import husai_schemas
from husai_core import bundle, strict_json
from husai_core.bundle import Snapshot
from husai_core.cli import invoke
from husai_core.errors import UsageError
from husai_gates import policy as policies
from husai_gates.audit import AuditReport, audit
from husai_gates.choosing import exit_code, make_choice
from husai_gates.contest import Contest
from husai_gates.interval import interval
from husai_gates.observe import estimate, observe
from husai_gates.reporters.choice import render

BOTH = ("candidate", "baseline")


@pytest.fixture(scope="session")
def policy(test_policy: str) -> policies.Policy:
    return policies.load(test_policy.encode(), "test.toml")


def report_of(draft: Any) -> AuditReport:
    report = audit(Snapshot("bundle", draft.files()))
    assert report.intact
    return report


def renamed(draft: Any, old: str, new: str) -> Any:
    """The same bundle, whose dictionary has another name, and other weights."""
    text = json.dumps([draft.subjects, draft.evidence]).replace(f"addition.{old}", f"addition.{new}")
    subjects, draft.evidence = json.loads(text)
    draft.subjects = {subject["name"]: subject for subject in subjects.values()}
    draft.study = draft.study.replace(f'[[sae]]\nname = "{old}"', f'[[sae]]\nname = "{new}"')
    reweighted(draft, new)
    return draft


def reweighted(draft: Any, salt: str) -> Any:
    for subject in draft.subjects.values():
        subject["weights"] = strict_json.digest(f"{salt} {subject['name']}".encode())
    return draft


def with_settings(draft: Any, **settings: Any) -> Any:
    for subject in draft.subjects.values():
        subject["architecture"]["settings"] = settings
    return draft


def shifted(draft: Any, metric: str, by: float, sae: str = "topk") -> Any:
    for observation in draft.measurement(metric, f"addition.{sae}")["observations"]:
        observation["value"] += by
    return draft


def test_the_best_on_its_bounds_is_chosen_and_everything_is_said(draft: Any, policy: policies.Policy) -> None:
    report = report_of(draft)
    document = make_choice([report], policy, roles=BOTH)
    assert exit_code(document) == 0
    assert husai_schemas.problems("choice", strict_json.parse(strict_json.encode(document), "choice.json")) == []
    assert document["result"]["chosen"] == "addition.topk"
    assert [o["metric"] for o in document["objectives"]] == ["pwmcc", "dead_fraction", "explained_variance"]
    assert [o["rules"] for o in document["objectives"]] == [["trained"], ["alive"], ["explains", "not-worse"]]
    condition = report.conditions["addition.topk"]
    by_rule = {rule.id: rule for rule in policy.rules}
    for objective, found in zip(document["objectives"], document["compared"][1]["intervals"], strict=True):
        rule = by_rule[objective["rules"][0]]
        expected = estimate(rule, observe(rule, condition, report))
        assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_explored_points_and_controls_do_not_stand_for_election(draft: Any, policy: policies.Policy) -> None:
    document = make_choice([report_of(draft)], policy, roles=BOTH)
    assert [entry["label"] for entry in document["compared"]] == ["addition.relu", "addition.topk"]
    assert [e["label"] for e in make_choice([report_of(draft)], policy)["compared"]] == ["addition.topk"]


def test_a_noisy_condition_is_not_chosen_for_its_mean(draft: Any, policy: policies.Policy) -> None:
    for observation in draft.measurement("explained_variance", "addition.relu")["observations"]:
        observation["value"] += 0.03 * (observation["seeds"][0] % 2)
    one_metric = policies.load(
        b'schema = "husai:policy/v1"\nname = "one"\nversion = "1"\npurpose = "x"\nconfidence = 0.95\nmin_units = 3\n'
        b'[[rule]]\nid = "a"\nquestion = "q"\nreason = "r"\nkind = "threshold"\nbenchmark = "reconstruction"\n'
        b'metric = "explained_variance"\nat_least = 0.5\n',
        "one.toml",
    )
    document = make_choice([report_of(draft)], one_metric, roles=BOTH)
    estimates = {entry["label"]: entry["intervals"][0]["estimate"] for entry in document["compared"]}
    assert estimates["addition.relu"] > estimates["addition.topk"]
    assert document["result"]["chosen"] == "addition.topk"


def _drafts(make_draft: Any) -> dict[str, Any]:
    """Three bundles with a candidate each."""
    second = with_settings(renamed(make_draft(), "topk", "wide"), k=16)
    shifted(shifted(second, "explained_variance", 0.01, "wide"), "pwmcc", -0.05, "wide")
    third = with_settings(renamed(make_draft(), "topk", "narrow"), k=2)
    shifted(shifted(third, "explained_variance", -0.01, "narrow"), "pwmcc", 0.05, "narrow")
    return {"topk": make_draft(), "wide": second, "narrow": third}


@pytest.fixture(scope="session")
def others(make_draft: Any) -> list[AuditReport]:
    return [report_of(draft) for draft in _drafts(make_draft).values()]


@pytest.mark.parametrize("name", ["topk", "wide", "narrow"])
@pytest.mark.parametrize("new", ["aaa", "zzz"])
def test_a_copy_under_any_name_never_changes_which_weights_are_chosen(
    make_draft: Any, others: list[AuditReport], policy: policies.Policy, name: str, new: str
) -> None:
    copied = _drafts(make_draft)[name]
    weights = {subject["name"]: subject["weights"] for subject in copied.subjects.values()}
    renamed(copied, name, new)
    for subject in copied.subjects.values():
        subject["weights"] = weights[subject["name"].replace(f"addition.{new}", f"addition.{name}")]
    alone, document = make_choice(others, policy), make_choice([*others, report_of(copied)], policy)
    assert len(document["compared"]) == 3
    assert _chosen_weights(document) == _chosen_weights(alone)
    assert [left["code"] for left in document["left_out"]] == ["EV-DUP-UNIT"]


def _chosen_weights(document: dict[str, Any]) -> list[str]:
    (found,) = (e["weights"] for e in document["compared"] if e["label"] == document["result"]["chosen"])
    assert isinstance(found, list)
    return found


def test_no_order_of_bundles_and_no_bundle_given_twice_changes_a_byte(
    others: list[AuditReport], policy: policies.Policy
) -> None:
    expected = make_choice(others, policy)
    assert [entry["label"] for entry in expected["compared"]] == ["addition.narrow", "addition.topk", "addition.wide"]

    @given(st.lists(st.sampled_from(range(len(others))), max_size=3), st.permutations(range(len(others))))
    def check(again: list[int], order: list[int]) -> None:
        given_twice = [others[i] for i in (*order, *again)]
        assert strict_json.encode(make_choice(given_twice, policy)) == strict_json.encode(expected)

    from unittest import mock

    from husai_gates import contest

    with mock.patch.object(contest, "DRAWS", 16):
        expected = make_choice(others, policy)
        check()


def test_the_same_weights_count_once_whatever_their_name(make_draft: Any, policy: policies.Policy) -> None:
    original = report_of(make_draft())
    copied = make_draft()
    weights = {name: subject["weights"] for name, subject in copied.subjects.items()}
    renamed(copied, "topk", "zzz")
    for name, subject in copied.subjects.items():
        subject["weights"] = weights[name.replace("addition.zzz", "addition.topk")]
    alone = make_choice([original], policy)
    document = make_choice([original, report_of(copied)], policy)
    assert document["compared"] == alone["compared"]
    assert document["result"] == alone["result"]
    assert document["sensitivity"] == alone["sensitivity"]
    (left,) = document["left_out"]
    assert (left["condition"], left["code"]) == ("addition.zzz", "EV-DUP-UNIT")
    assert "'addition.zzz' and 'addition.topk' share the weights sha256:" in left["reason"]


def test_one_recipe_in_two_bundles_is_no_choice_but_of_seeds(make_draft: Any, policy: policies.Policy) -> None:
    again = reweighted(make_draft(), "again")
    shifted(again, "explained_variance", 0.04)
    fewer = reweighted(make_draft(), "fewer")
    fewer.study = fewer.study.replace("[1, 2, 3, 4, 5]", "[1, 2, 3, 4]")
    fewer.drop_seed(5)
    shifted(fewer, "explained_variance", 0.04)
    document = make_choice([report_of(make_draft()), report_of(fewer)], policy)
    assert [len(entry["seeds"]) for entry in document["compared"]] == [5], "the one with more seeds is kept"
    document = make_choice([report_of(make_draft()), report_of(again)], policy)
    assert len(document["compared"]) == 1
    (left,) = document["left_out"]
    assert left["code"] == "EV-DUP-UNIT"
    assert "to choose between them is to choose seeds" in left["reason"]
    assert left["label"].startswith("addition.topk@")


def test_too_few_seeds_a_missing_metric_and_flat_values_are_left_out(make_draft: Any, policy: policies.Policy) -> None:
    few = with_settings(renamed(make_draft(), "topk", "few"), k=1)
    few.study = few.study.replace("[1, 2, 3, 4, 5]", "[1, 2]")
    for seed in (3, 4, 5):
        few.drop_seed(seed)
    silent = with_settings(renamed(make_draft(), "topk", "silent"), k=2)
    silent.consistency["measurements"] = [
        m for m in silent.consistency["measurements"] if m["condition"] != "addition.silent"
    ]
    flat = with_settings(renamed(make_draft(), "topk", "flat"), k=3)
    for observation in flat.measurement("explained_variance", "addition.flat")["observations"]:
        observation["value"] = 0.99
    document = make_choice([report_of(d) for d in (make_draft(), few, silent, flat)], policy)
    assert [entry["label"] for entry in document["compared"]] == ["addition.topk"]
    assert {left["condition"]: left["code"] for left in document["left_out"]} == {
        "addition.few": "EV-UNITS",
        "addition.silent": "EV-ABSENT",
        "addition.flat": "EV-ZERO-WIDTH",
    }


def _other_rows(draft: Any) -> None:
    for document in draft.evidence.values():
        document["data"][0]["rows"] = 480
    draft.site["data"][1]["rows"] = 480


def _other_data(draft: Any) -> None:
    new = strict_json.digest(b"other")
    for document in draft.evidence.values():
        document["data"][0]["digest"] = new
    draft.site["data"][1]["digest"] = new


def _other_version(draft: Any) -> None:
    draft.reconstruction["benchmark"]["version"] = "2"


def _other_settings(draft: Any) -> None:
    draft.consistency["settings"] = {"pairs": "all"}


def _other_metric(draft: Any) -> None:
    foreign(draft)
    for measurement in draft.consistency["measurements"]:
        measurement["metric"]["definition"] = "something else"


def foreign(draft: Any) -> Any:
    """The same bundle, whose metric of pairs is one that husai does not ship."""
    for measurement in draft.consistency["measurements"]:
        measurement["metric"] |= {"name": "kinship", "bounds": [None, None]}
    draft.consistency["metrics"][0]["name"] = "kinship"
    return draft


@pytest.mark.parametrize(
    ("change", "code", "key"),
    [
        (_other_rows, "CMP-SITE", "site"),
        (_other_data, "CMP-SITE", "site"),
        (_other_version, "CMP-BENCHMARK", "version"),
        (_other_settings, "CMP-BENCHMARK", "settings"),
        (_other_metric, "CMP-METRIC", "definition"),
    ],
)
def test_what_was_measured_otherwise_is_refused_by_key(
    make_draft: Any, test_policy: str, change: Callable[[Any], None], code: str, key: str
) -> None:
    metric = "kinship" if change is _other_metric else "pwmcc"
    policy = policies.load(test_policy.replace("pwmcc", metric).encode(), "t")
    mine = make_draft() if metric == "pwmcc" else foreign(make_draft())
    other = with_settings(renamed(make_draft(), "topk", "wide"), k=16)
    change(other)
    with pytest.raises(UsageError, match=rf"^{code}: 'addition.topk' and 'addition.wide' differ in {key}"):
        make_choice([report_of(mine), report_of(other)], policy)


def test_budgets_are_compared_only_if_a_rule_names_them(make_draft: Any, test_policy: str) -> None:
    longer = with_settings(renamed(make_draft(), "topk", "longer"), k=16)
    longer.study = longer.study.replace("steps = 1500", "steps = 3000")
    for subject in longer.subjects.values():
        for key in ("steps", "rows_seen"):
            subject["budget"][key] *= 2
    reports = [report_of(make_draft()), report_of(longer)]
    assert len(make_choice(reports, policies.load(test_policy.encode(), "t"))["compared"]) == 2
    asks = test_policy.replace("margin = 0.05\n", 'margin = 0.05\ncomparable = ["site", "data", "budget"]\n')
    with pytest.raises(UsageError, match=r"CMP-BUDGET: .* differ in rows_seen"):
        make_choice(reports, policies.load(asks.encode(), "t"))


def test_what_fails_a_rule_is_not_chosen_if_anything_does_not(draft: Any, policy: policies.Policy) -> None:
    for observation in draft.measurement("explained_variance", "addition.topk")["observations"][:1]:
        observation["value"] = 0.849  # below the floor of the worst seed; the bound stays high
    document = make_choice([report_of(draft)], policy, {"pwmcc": 5.0, "dead_fraction": 0.0}, BOTH)
    fails = {entry["label"]: [failed["rule"] for failed in entry["fails"]] for entry in document["compared"]}
    assert "explains" in fails["addition.topk"]
    assert fails["addition.relu"] == []
    assert document["result"]["chosen"] == "addition.relu"


def test_where_nothing_could_be_compared_there_is_no_table(make_draft: Any, policy: policies.Policy) -> None:
    few = make_draft()
    few.study = few.study.replace("[1, 2, 3, 4, 5]", "[1, 2]")
    for seed in (3, 4, 5):
        few.drop_seed(seed)
    document = make_choice([report_of(few)], policy)
    said = render(document)
    assert document["compared"] == []
    assert said.startswith("NOTHING COMPARED: 1 left out")
    assert "standing" not in said
    assert "standing" in render(make_choice([report_of(make_draft())], policy))


def test_if_everything_fails_nothing_is_chosen(draft: Any, test_policy: str) -> None:
    strict = policies.load(test_policy.replace("at_least = 0.9\n", "at_least = 0.99\n").encode(), "t")
    document = make_choice([report_of(draft)], strict, roles=BOTH)
    assert (document["result"]["chosen"], document["sensitivity"], exit_code(document)) == (None, None, 2)
    assert document["result"]["front"] == ["addition.relu", "addition.topk"]
    assert "NOTHING CHOSEN: each of 2 compared fails a rule" in render(document)


def test_if_nothing_can_be_compared_nothing_was_evaluated(draft: Any, test_policy: str) -> None:
    many = policies.load(test_policy.replace("min_units = 3", "min_units = 9").encode(), "t")
    document = make_choice([report_of(draft)], many)
    assert exit_code(document) == 5
    assert "has 5 seeds, needs 9" in render(document)


def test_a_metric_without_a_better_side_is_judged_and_not_wanted(draft: Any, test_policy: str) -> None:
    more = '\n[[rule]]\nid = "sparse"\nquestion = "q"\nreason = "r"\nkind = "threshold"\n'
    rule = f'{more}benchmark = "reconstruction"\nmetric = "l0"\nat_most = 8.5\n'
    document = make_choice([report_of(draft)], policies.load((test_policy + rule).encode(), "t"), roles=BOTH)
    assert "l0" not in [objective["metric"] for objective in document["objectives"]]
    assert [[f["rule"] for f in entry["fails"]] for entry in document["compared"]] == [["sparse"], []]


def test_a_site_may_be_asked_for_and_must_be_there(draft: Any, policy: policies.Policy) -> None:
    report = report_of(draft)
    assert make_choice([report], policy, site="addition") == make_choice([report], policy)
    with pytest.raises(UsageError, match="did you mean 'addition'"):
        make_choice([report], policy, site="adition")


def test_rules_about_controls_count_and_those_about_the_last_release_cannot(draft: Any, test_policy: str) -> None:
    regression = """
[[rule]]
id = "no-worse"
question = "q"
reason = "r"
kind = "regression"
benchmark = "reconstruction"
metric = "explained_variance"
margin = 0.01
"""
    shifted(draft, "pwmcc", 0.05, "topk.random_decoder")
    policy = policies.load((test_policy + regression).encode(), "t")
    document = make_choice([report_of(draft)], policy, roles=BOTH)
    assert document["unjudged"] == ["no-worse"]
    by_label = {entry["label"]: entry["fails"] for entry in document["compared"]}
    assert by_label["addition.relu"] == []
    failed = [{"rule": "instrument", "status": "fail", "code": "RULE-FAILED"}]
    assert by_label["addition.topk"] == failed


def test_weights_that_mean_nothing_are_refused(draft: Any, policy: policies.Policy) -> None:
    report = report_of(draft)
    with pytest.raises(UsageError, match="did you mean 'pwmcc'"):
        make_choice([report], policy, {"pwmc": 1.0})
    with pytest.raises(UsageError, match="0 or more"):
        make_choice([report], policy, {"pwmcc": -1.0})
    with pytest.raises(UsageError, match="every metric has the weight 0"):
        make_choice([report], policy, dict.fromkeys(("pwmcc", "dead_fraction", "explained_variance"), 0.0))


def test_the_document_says_enough_to_be_computed_again(others: list[AuditReport], policy: policies.Policy) -> None:
    document = make_choice(others, policy, {"explained_variance": 2.5})
    contest = Contest.from_json(strict_json.parse(strict_json.encode(document), "choice.json"))
    assert (contest.result(), contest.sensitivity()) == (document["result"], document["sensitivity"])
    shares = {of["label"]: of["of_draws"] for of in document["sensitivity"]["weights"]["chosen"]}
    assert sum(shares.values()) == document["sensitivity"]["weights"]["draws"]


def test_the_unit_of_a_metric_does_not_choose(make_draft: Any, test_policy: str) -> None:
    def choice(scale: float) -> Any:
        drafts = [make_draft(), with_settings(renamed(make_draft(), "topk", "wide"), k=16)]
        shifted(shifted(drafts[1], "explained_variance", 0.01, "wide"), "pwmcc", -0.05, "wide")
        for draft in drafts:
            for measurement in foreign(draft).consistency["measurements"]:
                measurement["chance"] *= scale
                for observation in measurement["observations"]:
                    observation["value"] *= scale
        text = test_policy.replace("pwmcc", "kinship")
        for margin in (0.05, 0.01):
            text = text.replace(f"margin = {margin}", f"margin = {scale * margin}")
        document = make_choice([report_of(draft) for draft in drafts], policies.load(text.encode(), "t"))
        return document["result"], document["sensitivity"]["weights"]

    (small, draws), (large, more_draws) = choice(1.0), choice(1000.0)
    assert [c["label"] for c in small["contenders"]] == [c["label"] for c in large["contenders"]]
    assert [c["score"] for c in small["contenders"]] == pytest.approx([c["score"] for c in large["contenders"]])
    assert draws == more_draws


@pytest.fixture
def folders(tmp_path: Path, make_draft: Any) -> list[Path]:
    wide = with_settings(renamed(make_draft(), "topk", "wide"), k=16)
    shifted(wide, "explained_variance", 0.01, "wide")
    for name, draft in (("one", make_draft()), ("two", wide)):
        bundle.write(draft.content(), tmp_path / name)
    (tmp_path / "policy.toml").write_text(make_draft().policy)
    return [tmp_path / "one", tmp_path / "two"]


def test_the_command_writes_the_document_and_says_what_it_holds(
    folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    here = folders[0].parent
    asked = ["select", *map(str, folders), "--policy", str(here / "policy.toml"), "--weight", "pwmcc=0.5"]
    assert invoke([*asked, "--out", str(here / "choice.json")]) == 0
    said = capsys.readouterr().out
    document = json.loads((here / "choice.json").read_bytes())
    assert said == render(document)
    assert "CHOSEN: addition.wide of 2 compared, 0 left out" in said
    assert (here / "choice.json").read_bytes() == strict_json.encode(document)
    assert str(here) not in (here / "choice.json").read_text(), "a document names no folder of a machine"
    assert invoke([*asked, "--out", str(here / "choice.json")]) == 64
    assert "already exists" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["pwmcc", "pwmcc=much", "=1", "pwmcc=1e999"])
def test_the_command_refuses_a_weight_that_is_none(
    folders: list[Path], wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = str(folders[0].parent / "policy.toml")
    assert invoke(["select", *map(str, folders), "--policy", policy, "--weight", wrong]) == 64
    assert "--weight" in capsys.readouterr().err
    assert invoke(["select", str(folders[0]), "--policy", policy, *["--weight", "pwmcc=1"] * 2]) == 64


def test_the_command_refuses_a_bundle_that_cannot_be_believed(
    folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = folders[1] / "evidence" / "consistency.addition.json"
    path.write_bytes(path.read_bytes().replace(b"0.6", b"0.9", 1))
    assert invoke(["select", *map(str, folders), "--policy", str(folders[0].parent / "policy.toml")]) == 3
    assert "evidence/consistency.addition.json" in capsys.readouterr().err


def test_an_interval_is_the_one_that_is_most_against_the_condition(draft: Any, test_policy: str) -> None:
    """Two rules on one metric at different confidences: the wider interval counts."""
    wider = policies.load(test_policy.replace("worst_at_least = 0.85", "confidence = 0.999").encode(), "t")
    document = make_choice([report_of(draft)], wider)
    found = document["compared"][0]["intervals"][2]
    values = {
        tuple(o["seeds"]): o["value"] for o in copy.deepcopy(draft.measurement("explained_variance")["observations"])
    }
    assert (found["confidence"], found["low"]) == (0.999, pytest.approx(interval(values, 0.999).low))
