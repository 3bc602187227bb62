"""What a SAEBench result says: observations of its details, and everything in it that is no number."""

from __future__ import annotations

import copy
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_saebench.fields import quantity
from husai_saebench.metrics import card, husai_metrics
from husai_saebench.results import problems, readings
from husai_saebench.rows import EVALS, headline, rows

FILES = Path(__file__).parent / "files"
BASELINE, CANDIDATE = "baseline_topk_k320", "run_1_topk_k160_ortho0.1"
ABSORPTION, CORE = "absorption evaluation results", "core evaluation results"
PROBING, ABLATION = "sparse probing evaluation results", "scr and tpp evaluations results"
UNLEARNING = "unlearning evaluation results"


def block(key: str, name: str = BASELINE) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FILES / f"{name}.json").read_text())[key]
    return found


def values(result: dict[str, Any], metric: str, **setting: Any) -> dict[str, float]:
    found = readings(result)
    return {r.part: r.value for r in found if r.metric == f"saebench_{metric}" and dict(r.setting) == setting}


def said(result: dict[str, Any]) -> str:
    return "\n".join(f"{p.place} {p.rule}" for p in problems(result))


def mean(numbers: Any) -> float:
    listed = list(numbers)
    return math.fsum(listed) / len(listed)


def test_the_real_results_give_observations_whose_means_are_their_headlines() -> None:
    probing = block(PROBING)
    top = values(probing, "sparse_probing_accuracy", k=1)
    assert len(top) == 8
    assert "LabHC/bias_in_bios_class_set1" in top
    stated = probing["eval_result_metrics"]
    assert mean(top.values()) == pytest.approx(stated["sae"]["sae_top_1_test_accuracy"])
    llm = values(probing, "llm_sparse_probing_accuracy", k=1)
    assert mean(llm.values()) == pytest.approx(stated["llm"]["llm_top_1_test_accuracy"])
    absorption = block(ABSORPTION)
    rate = values(absorption, "absorption_rate")
    assert len(rate) == 21
    assert mean(rate.values()) == pytest.approx(absorption["eval_result_metrics"]["mean"]["mean_absorption_score"])
    assert len(values(block(ABLATION), "scr", threshold=20)) == 8
    assert len(values(block(ABLATION, CANDIDATE), "tpp", threshold=20)) == 2
    assert values(block(UNLEARNING), "unlearning_score") == {"": pytest.approx(0.0018726587)}


def test_the_dictionary_minus_the_model_is_taken_on_the_same_data_set_at_the_same_k() -> None:
    found = block(PROBING)
    for k in (1, 2, 5, 10, 20, 50):
        sae, llm = (values(found, f"{side}sparse_probing_accuracy", k=k) for side in ("", "llm_"))
        dense = values(found, "llm_probe_accuracy")
        for part, value in values(found, "sparse_probing_delta", k=k).items():
            assert value == pytest.approx(sae[part] - llm[part])
        for part, value in values(found, "sparse_probing_dense_delta", k=k).items():
            assert value == pytest.approx(sae[part] - dense[part])


def test_core_before_march_2025_has_the_withdrawn_explained_variance_under_the_name_of_the_new_one() -> None:
    found = {r.metric: r.value for r in readings(block(CORE))}
    assert found["saebench_explained_variance_legacy"] == 0.77734375
    assert "saebench_explained_variance" not in found
    newer = block(CORE)
    newer["metrics"]["reconstruction_quality"]["explained_variance_legacy"] = 0.5
    found = {r.metric: r.value for r in readings(newer)}
    assert (found["saebench_explained_variance"], found["saebench_explained_variance_legacy"]) == (0.77734375, 0.5)
    for name in ("explained_variance", "explained_variance_legacy", "mse", "probe_all_latents_accuracy"):
        assert card(f"saebench_{name}").defect


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("absorption_rate", "lower"),
        ("kl_div_score", "higher"),
        ("tpp", "higher"),
        ("tpp_unintended", "lower"),
        ("llm_probe_accuracy", "neither"),
        ("l0", "neither"),
        ("unlearning_score", "higher"),
    ],
)
def test_directions_that_are_easily_misread(metric: str, direction: str) -> None:
    assert card(f"saebench_{metric}").direction == direction


def test_every_metric_is_one_of_ours_by_name_and_none_stands_twice() -> None:
    names = [metric.name for metric in husai_metrics()]
    assert len(names) == len(set(names))
    assert all(name.startswith("saebench_") for name in names)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (math.nan, "no finite number"),
        (math.inf, "no finite number"),
        (-1, "writes for NaN"),
        (None, "is null"),
        (1.7, "outside 0.0 to 1.0"),
        (True, "no number"),
        ("0.8", "no number"),
        (10**400, "no finite number"),
    ],
)
def test_what_is_no_number_of_a_metric_is_a_problem_and_never_a_reading(bad: Any, words: str) -> None:
    found = block(PROBING)
    found["eval_result_details"][3]["sae_top_5_test_accuracy"] = bad
    assert len(values(found, "sparse_probing_accuracy", k=5)) == 7
    assert len(values(found, "sparse_probing_delta", k=5)) == 7
    assert "$.eval_result_details[3].sae_top_5_test_accuracy is " in said(found)
    assert words in said(found)


def test_an_edited_headline_is_found_and_the_details_are_read() -> None:
    found = block(ABSORPTION)
    before = values(found, "absorption_rate")
    found["eval_result_metrics"]["mean"]["mean_absorption_score"] = 0.001
    assert "$.eval_result_metrics.mean.mean_absorption_score is 0.001" in said(found)
    assert values(found, "absorption_rate") == before


@pytest.mark.parametrize(
    ("key", "name", "path", "words"),
    [
        (ABSORPTION, BASELINE, ("eval_result_details", 2, "absorption_rate"), "words are"),
        (ABLATION, CANDIDATE, ("eval_result_details", 0, "tpp_threshold_20_total_metric"), "intended minus unintended"),
        (ABLATION, BASELINE, ("eval_result_details", 0, "scr_metric_threshold_20"), "neither of the two directions"),
        (CORE, BASELINE, ("metrics", "model_behavior_preservation", "kl_div_score"), "the divergences beside it"),
        (CORE, BASELINE, ("metrics", "model_performance_preservation", "ce_loss_score"), "the losses beside it"),
    ],
)
def test_a_number_that_contradicts_those_beside_it_is_no_reading(
    key: str, name: str, path: tuple[Any, ...], words: str
) -> None:
    found = block(key, name)
    count = len(list(readings(found)))
    holder: Any = found
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = 0.123
    assert words in said(found)
    assert len(list(readings(found))) == count - 1


def test_a_row_that_stands_twice_or_says_nothing_of_itself_is_not_read() -> None:
    found = block(PROBING)
    found["eval_result_details"].append(copy.deepcopy(found["eval_result_details"][0]))
    assert len(values(found, "sparse_probing_accuracy", k=1)) == 7
    assert "more than once" in said(found)
    del found["eval_result_details"][-1]["dataset_name"]
    assert len(values(found, "sparse_probing_accuracy", k=1)) == 8
    assert "does not say what it is of" in said(found)


def test_a_headline_without_details_gives_nothing() -> None:
    found = block(PROBING)
    found["eval_result_details"] = []
    assert list(readings(found)) == []
    assert "holds no observations" in said(found)


def test_what_was_asked_for_and_is_not_there_is_said_and_what_was_not_asked_for_is_one_line() -> None:
    found = block(PROBING)
    del found["eval_result_details"][1]
    assert "no result for 'LabHC/bias_in_bios_class_set2'" in said(found)
    assert said(found).count("k = 100 was not asked for") == 1
    found["eval_config"]["k_values"].append(100)
    assert "sae_top_100_test_accuracy is null" in said(found)


def test_letters_without_a_result_are_named_and_why_they_may_be_the_best_ones() -> None:
    words = said(block(ABSORPTION))
    assert "no result for 5 of 26 letters: c, f, l, q, x" in words
    assert "its best case" in words
    newer = block(ABSORPTION)
    for detail in newer["eval_result_details"]:
        detail["full_absorption_rate"] = detail.pop("absorption_rate")
        detail["num_full_absorption"] = detail.pop("num_absorption")
    assert "its best case" not in said(newer)
    assert len(values(newer, "full_absorption_rate")) == 21


def test_a_part_that_was_switched_off_is_said() -> None:
    assert "featurewise density statistics was switched off" in said(block(CORE))


def test_the_sentinel_of_core_is_no_number_although_its_metric_would_allow_it() -> None:
    found = block(CORE)
    found["metrics"]["model_behavior_preservation"] = dict.fromkeys(
        ("kl_div_score", "kl_div_with_ablation", "kl_div_with_sae"), -1.0
    )
    assert "saebench_kl_div_score" not in {r.metric for r in readings(found)}
    assert said(found).count("writes for NaN") == 3


def test_an_eval_that_is_not_known_is_not_read() -> None:
    found = {**block(PROBING), "eval_type_id": "mdl"}
    assert list(readings(found)) == []
    assert "'mdl', which is no eval that is known here" in said(found)
    assert "does not say its eval" in said({"anything": 1})


def test_latents_attributes_and_probes_by_k_are_read_from_where_newer_versions_keep_them() -> None:
    latents = {"7": {"latent": 7, "score": 0.5}, "9": {"latent": 9, "score": 0.75}}
    autointerp = {
        "eval_type_id": "autointerp",
        "eval_result_metrics": {"autointerp": {"autointerp_score": 0.625, "autointerp_std_dev": 0.1767767}},
        "eval_result_details": [],
        "eval_result_unstructured": latents,
    }
    assert values(autointerp, "autointerp_score") == {"7": 0.5, "9": 0.75}
    assert problems(autointerp) == []
    latents["9"]["score"] = math.nan
    assert values(autointerp, "autointerp_score") == {"7": 0.5}
    attributes = {"cause_score": 0.6, "isolation_score": 0.4, "disentangle_score": 0.5}
    ravel = {
        "eval_type_id": "RAVEL",
        "eval_result_metrics": {"ravel": {"disentanglement_score": 0.5, "cause_score": 0.6, "isolation_score": 0.4}},
        "eval_result_unstructured": {"city_results": {"city_Country": attributes}},
    }
    assert values(ravel, "ravel_cause") == {"city_Country": 0.6}
    assert problems(ravel) == []
    probes = {
        "eval_type_id": "sparse_probing_sae_probes",
        "eval_config": {"ks": [3]},
        "eval_result_metrics": {"llm": {"llm_test_auc": 0.9}, "sae": {}},
        "eval_result_details": [
            {"dataset_name": "5_hist", "llm_test_auc": 0.9, "sae_test_accuracy": None}
            | {"sae_metrics_by_k": {"3": {"test_auc": 0.8}}}
        ],
    }
    assert values(probes, "sae_probes_auc", k=3) == {"5_hist": 0.8}
    assert values(probes, "sae_probes_auc_delta", k=3) == {"5_hist": pytest.approx(-0.1)}
    assert problems(probes) == []


def test_fields_that_are_not_known_are_left_alone() -> None:
    found = block(PROBING)
    before = Counter(r.metric for r in readings(found))
    found["a_new_field"] = {"deep": [1, 2]}
    found["eval_result_details"][0]["sae_top_1_test_brier"] = 0.2
    assert Counter(r.metric for r in readings(found)) == before
    assert all(quantity(kind, "sae_top_1_test_brier") is None for kind in EVALS.values())


_JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_KEYS = ("eval_result_details", "eval_result_unstructured", "eval_result_metrics", "eval_config")


@given(_JUNK, st.sampled_from(sorted(EVALS)), st.sampled_from(_KEYS))
def test_whatever_stands_in_a_result_only_finite_numbers_of_their_metric_come_out(
    junk: Any, kind: str, key: str
) -> None:
    result = {"eval_type_id": kind, "eval_result_metrics": {}, key: junk}
    for reading in readings(result):
        assert math.isfinite(reading.value)
        assert card(reading.metric).allows(reading.value)
    for problem in problems(result):
        assert problem.place.startswith("$")
        assert problem.rule
        assert problem.next_step
    assert isinstance(headline(result), dict)
    assert isinstance(rows(result), list)
