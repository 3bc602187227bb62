"""Files of SAEBench results: which dictionary each block is about, and everything a reader of the run must know."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from husai_core.importer import Imported, Result, SourceFile
from husai_saebench.importer import SaebenchImporter

FILES = Path(__file__).parent / "files"
BASELINE, CANDIDATE = "baseline_topk_k320", "run_1_topk_k160_ortho0.1"
Document = dict[str, Any]


def document(name: str) -> Document:
    found: Document = json.loads((FILES / f"{name}.json").read_text())
    return found


def source(name: str, content: Document) -> SourceFile:
    return SourceFile(name, json.dumps(content).encode(), content)


def read(**files: Document) -> Imported:
    return SaebenchImporter().read([source(name, content) for name, content in files.items()])


def both(change: Callable[[Document], object] = lambda _: None) -> Imported:
    baseline = document(BASELINE)
    change(baseline)
    return read(**{BASELINE: baseline, CANDIDATE: document(CANDIDATE)})


def of(found: Imported, benchmark: str, condition: str = BASELINE) -> Result:
    (result,) = [
        r for r in found.results if r.benchmark == f"saebench_{benchmark}" and r.subjects[0].condition == condition
    ]
    return result


def said(found: Imported) -> str:
    return "\n".join(map(str, found.notes))


def test_it_is_recognised_by_its_content() -> None:
    importer = SaebenchImporter()
    whole = document(BASELINE)
    assert importer.recognises(whole)
    assert importer.recognises(whole["core evaluation results"])
    assert importer.recognises({"release_id": whole["absorption evaluation results"]})
    assert not importer.recognises({"training results for layer 12": whole["training results for layer 12"]})
    assert not any(map(importer.recognises, (None, [], "core", {}, {"eval_type_id": "core"})))


def test_a_run_is_split_into_its_evals_and_what_a_file_lacks_is_skipped_with_the_reason() -> None:
    found = both()
    status = {(r.benchmark.removeprefix("saebench_"), r.subjects[0].condition): r.outcome.status for r in found.results}
    skipped = {key for key, value in status.items() if value == "skipped"}
    assert skipped == {("tpp", BASELINE), ("unlearning", BASELINE), ("scr", CANDIDATE), ("unlearning", CANDIDATE)}
    assert all(value == "completed" for key, value in status.items() if key not in skipped)
    assert "promises tpp and holds scr alone" in of(found, "tpp").outcome.reason
    assert "is of another SAE" in of(found, "unlearning").outcome.reason
    assert "holds no result of unlearning" in of(found, "unlearning", CANDIDATE).outcome.reason


def test_a_block_of_another_sae_is_another_subject_that_nobody_judges() -> None:
    found = both()
    other = of(found, "unlearning", f"{BASELINE}.other1").subjects[0]
    assert other.explored
    assert (other.dims["d_sae"], other.architecture) == (4608, "Custom")
    own = of(found, "core").subjects[0]
    assert not own.explored
    assert (own.seed, own.dims, own.settings["k"]) == (42, {"d_in": 2304, "d_sae": 18432, "d_out": 2304}, 320)
    assert "d_sae is 4608, trained was 18432" in said(found)
    assert own.weights is None


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("d_sae", 9216, "d_sae is 9216, trained was 18432"),
        ("hook_layer", 5, "hook_layer is 5, trained was 12"),
        ("model_name", "google/gemma-2-9b", "model_name is google/gemma-2-9b"),
        ("k", 64, "k is 64, trained was 320"),
    ],
)
def test_whatever_differs_from_the_training_makes_it_evidence_of_another_sae(key: str, value: Any, words: str) -> None:
    found = both(lambda d: d["sparse probing evaluation results"]["sae_cfg_dict"].update({key: value}))
    assert words in said(found)
    assert of(found, "sparse_probing").outcome.status == "skipped"


def test_a_core_result_with_more_active_latents_than_k_is_of_another_sae() -> None:
    found = both(lambda d: d["core evaluation results"]["metrics"]["sparsity"].update(l0=512.0))
    assert "l0 is 512.0, trained was at most k = 320" in said(found)
    assert of(found, "core").outcome.status == "skipped"


def test_without_a_training_the_configuration_of_most_blocks_is_that_of_the_file() -> None:
    def forget(d: Document) -> None:
        del d["training results for layer 12"]

    found = both(forget)
    assert not of(found, "absorption").subjects[0].explored
    assert of(found, "unlearning").outcome.status == "skipped"
    assert "its seed" in " ".join(of(found, "absorption").subjects[0].unverified)


def test_what_does_not_tell_saes_apart_joins_them_and_what_does_parts_them_under_one_name_too() -> None:
    listed = {"sae_lens_release_id": "gemma-scope-2b", "sae_lens_id": "layer_12"}
    absorption, probing = (
        {**document(BASELINE)[f"{key} evaluation results"], **listed} for key in ("absorption", "sparse probing")
    )
    third = {**document(BASELINE)["scr and tpp evaluations results"], **listed}
    probing["sae_cfg_dict"] = {**probing["sae_cfg_dict"], "dtype": "float32", "device": "cuda"}
    conditions = {r.subjects[0].condition for r in read(a=absorption, b=probing, c=third).results}
    assert conditions == {"gemma-scope-2b.layer_12"}
    probing["sae_cfg_dict"] = {**probing["sae_cfg_dict"], "d_sae": 4608}
    found = read(a=absorption, b=probing, c=third)
    assert "than the rest under its name: d_sae is 4608, most results of that name have 18432" in said(found)
    assert of(found, "sparse_probing", "b.other1").subjects[0].explored


def test_a_block_is_what_it_says_it_is_whatever_key_it_was_filed_under() -> None:
    def swap(d: Document) -> None:
        one, other = "absorption evaluation results", "sparse probing evaluation results"
        d[one], d[other] = d[other], d[one]

    found = both(swap)
    assert of(found, "absorption").measurements == of(both(), "absorption").measurements
    assert "the key promises absorption, and the block is sparse_probing" in said(found)
    assert "the key promises scr and tpp, and the block is scr" in said(found)


def test_versions_that_differ_within_a_run_are_said_and_kept_apart() -> None:
    found = both(lambda d: d["absorption evaluation results"].update(sae_bench_commit_hash="f" * 40))
    assert "2 versions of SAEBench made one run" in said(found)
    assert of(found, "absorption").version == "f" * 40
    assert of(found, "sparse_probing").version != "f" * 40


@pytest.mark.parametrize(
    "words",
    [
        "the eval ran google/gemma-2-2b-it, and the SAE is one of google/gemma-2-2b",
        "calls its SAE 'custom_sae'",
        "absorption rates and fractions are better when lower",
        "kl_div_score is better when higher",
        "final_info.learning_rate is 0.0003, and config.lr is",
        "k = 100 was not asked for",
        "45 of 56 numbers of the model alone differ",
    ],
)
def test_what_a_reader_of_the_real_files_must_know(words: str) -> None:
    assert words in said(both())


def test_two_files_are_not_joined_by_the_id_that_all_share_and_are_by_one_that_can_be_looked_up() -> None:
    absorption = document(BASELINE)["absorption evaluation results"]
    probing = document(BASELINE)["sparse probing evaluation results"]
    found = read(one=absorption, two=probing)
    assert {r.subjects[0].condition for r in found.results} == {"one", "two"}
    listed = {"sae_lens_release_id": "gemma-scope-2b", "sae_lens_id": "layer_12/width_16k"}
    found = read(one={**absorption, **listed}, two={**probing, **listed})
    assert {r.subjects[0].condition for r in found.results} == {"gemma-scope-2b.layer_12.width_16k"}
    assert {r.benchmark for r in found.results} == {"saebench_absorption", "saebench_sparse_probing"}


def test_two_results_of_one_eval_for_one_sae_are_neither_read() -> None:
    def twice(d: Document) -> None:
        d["absorption again"] = copy.deepcopy(d["absorption evaluation results"])

    found = of(both(twice), "absorption")
    assert found.outcome.status == "failed"
    assert found.measurements == ()


def test_a_result_without_any_number_failed_and_says_so() -> None:
    def empty(d: Document) -> None:
        d["absorption evaluation results"]["eval_result_details"] = []

    found = both(empty)
    assert of(found, "absorption").outcome.status == "failed"
    assert "holds no observations" in said(found)


def test_what_is_not_known_is_named_and_not_read() -> None:
    found = both(lambda d: d.update(notes=["by hand"], mdl={"eval_type_id": "mdl", "eval_result_metrics": {}}))
    assert "$['notes']: is no result that is known here" in said(found)
    assert "'mdl', which is no eval that is known here" in said(found)
    assert len(found.results) == len(both().results)


def test_the_order_of_files_and_keys_changes_nothing() -> None:
    forward = both()
    turned = dict(reversed(document(BASELINE).items()))
    backward = read(**{CANDIDATE: document(CANDIDATE), BASELINE: turned})

    def as_set(found: Imported) -> set[str]:
        return {json.dumps([r.benchmark, r.subjects[0].condition, len(r.measurements)]) for r in found.results}

    assert as_set(forward) == as_set(backward)
    assert {s.source for r in forward.results for s in r.subjects} == {
        s.source for r in backward.results for s in r.subjects
    }
    assert set(map(str, forward.notes)) == set(map(str, backward.notes))
