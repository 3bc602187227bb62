"""What HUSAI's earlier scripts wrote: seeds are observations, conclusions are none, and contradictions are said."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest

from husai_core.importer import Imported, Result, SourceFile
from husai_core.testing import importer_contract
from husai_core.testing.importers import samples_of
from husai_importers.earlier_scripts import EarlierScriptsImporter
from husai_importers.metrics import CARDS

Document = dict[str, Any]

ALL: dict[str, Document] = {name: json.loads(raw) for name, raw in samples_of(EarlierScriptsImporter()).items()}
PROBED, SCORED, FRONTIER, OOD = (ALL[name] for name in ("probing", "ce_bench", "frontier", "ood"))
TRANSCODER, POLICY, SEEDS = (ALL[name] for name in ("transcoder", "policy", "seeds"))

test_contract = importer_contract("earlier_scripts")


def read(document: Document, name: str = "file") -> Imported:
    importer = EarlierScriptsImporter()
    assert importer.recognises(document)
    return importer.read([SourceFile(name, json.dumps(document).encode(), document)])


def values(result: Result, metric: str, **setting: Any) -> dict[tuple[int, ...], float]:
    (found,) = [m for m in result.measurements if m.metric == f"earlier_{metric}" and dict(m.setting) == setting]
    return {o.seeds: o.value for o in found.observations}


def said(found: Imported) -> str:
    return "\n".join(map(str, found.notes))


def changed(document: Document, *path: Any, to: Any) -> Document:
    found = copy.deepcopy(document)
    holder: Any = found
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = to
    return found


@pytest.mark.parametrize("name", ALL)
def test_every_kind_of_file_is_recognised_by_its_shape_and_read_without_a_word_where_it_is_sound(name: str) -> None:
    found = read(ALL[name])
    assert found.results
    for result in found.results:
        assert bool(result.measurements) == (result.outcome.status == "completed")
        for measurement in result.measurements:
            assert all(CARDS[measurement.metric].allows(o.value) for o in measurement.observations)
            seeds = {seed for o in measurement.observations for seed in o.seeds}
            assert seeds <= {subject.seed for subject in result.subjects}
    if name not in ("selector", "summary", "policy"):
        assert found.notes == ()


@pytest.mark.parametrize(
    "junk", [None, [], {}, {"records": []}, {"records": [{"seed": 1}]}, {"runs": [{}]}, {"summary": 1}]
)
def test_what_is_none_of_them_is_not_recognised(junk: Any) -> None:
    assert not EarlierScriptsImporter().recognises(junk)


def test_the_seeds_of_a_frontier_are_observations_of_one_condition() -> None:
    results = {(r.benchmark, r.subjects[0].condition): r for r in read(FRONTIER).results}
    assert len(results) == 6
    trained = results["earlier_training", "file.topk"]
    assert values(trained, "explained_variance") == {(42,): 0.7, (123,): 0.7}
    assert values(results["earlier_saebench", "file.relu"], "probe_auc", k=5) == {(42,): 0.65, (123,): 0.65}
    assert {s.dims["d_sae"] for s in trained.subjects} == {1024}


def test_the_best_number_of_latents_and_explained_variance_are_known_to_be_wrong() -> None:
    for name in ("probe_best_delta", "ood_drop", "explained_variance", "ce_bench_independent"):
        assert CARDS[f"earlier_{name}"].defect
    assert not CARDS["earlier_probe_auc"].defect


def test_a_checkpoint_that_names_its_digest_has_one() -> None:
    (result,) = read(SCORED).results
    assert result.subjects[0].weights == "sha256:" + "a" * 64
    assert result.subjects[0].seed == 42
    assert read(PROBED).results[0].subjects[0].weights is None


def test_a_shift_is_read_side_by_side_and_its_drop_recomputed() -> None:
    found = read(OOD)
    (result,) = found.results
    assert values(result, "ood_drop") == {(42,): pytest.approx(0.05)}
    assert values(result, "probe_auc", k=5, sets="ood") == {(42,): 0.60}
    assert "is 0.5, and the two sides gives 0.05" in said(read({**OOD, "ood_drop": 0.5}))
    assert "ended with code 1" in said(read(changed(OOD, "id_result", "returncode", to=1)))


def test_agreement_of_transcoders_is_of_complete_pairs_at_two_sites() -> None:
    results = read(TRANSCODER).results
    assert [r.subjects[0].condition for r in results] == ["file.transcoder", "file.sae"]
    assert values(results[0], "pwmcc") == {(42, 123): 0.26, (42, 456): 0.27, (123, 456): 0.28}
    assert results[0].subjects[0].hook != results[1].subjects[0].hook
    assert "which pair of seeds each agreement is of" in results[0].unverified[0]
    fewer = read(changed(TRANSCODER, "sae", "pairwise_pwmcc_values", to=[0.27]))
    assert "1 values, and 3 seeds have 3 pairs" in said(fewer)


def test_a_selection_says_from_how_many_and_gives_the_seeds_and_not_their_bound() -> None:
    found = read(ALL["summary"])
    (result,) = found.results
    assert values(result, "probe_best_delta") == {(42,): -0.04, (123,): -0.04}
    assert "is the best of 9 candidates" in said(found)
    assert "holds 'lcb' bounds under the names of values" in said(found)


def test_a_release_policy_holds_conclusions_and_no_observations() -> None:
    found = read(POLICY)
    (result,) = found.results
    assert (result.outcome.status, result.measurements) == ("skipped", ())
    assert "ood_drop 0.014" in result.outcome.reason
    assert "$.metrics.external_delta: is null" in said(found)
    assert "is named by a path alone" in said(found)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("gates", "transcoder"), True, "its metrics and thresholds give False"),
        (("gates", "pass_all"), True, "not all gates hold"),
        (("metrics", "ood_drop"), 0.3, "$.gates.ood: is True"),
        (("metrics", "transcoder_delta"), math.nan, "no finite number"),
    ],
)
def test_gates_that_do_not_follow_are_said(path: tuple[str, ...], value: Any, words: str) -> None:
    assert words in said(read(changed(POLICY, *path, to=value)))


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        (PROBED, ("summary", "best_minus_llm_auc"), "the best AUC minus the model's"),
        (SCORED, ("delta_vs_matched_baseline", "interpretability_score_mean_max"), "the difference"),
        (TRANSCODER, ("delta",), "the two sides"),
        (TRANSCODER, ("sae", "summary", "mean"), "the pairs"),
        (SEEDS, ("aggregate", "delta_auc_vs_llm", "mean"), "the mean over seeds"),
        (SEEDS, ("runs", 0, "delta_auc"), "the difference of the two"),
    ],
)
def test_an_aggregate_that_was_edited_is_found(document: Document, path: tuple[Any, ...], words: str) -> None:
    found = read(changed(document, *path, to=0.9))
    assert f"is 0.9, and {words} gives" in said(found)
    assert [len(r.measurements) for r in found.results] == [len(r.measurements) for r in read(document).results]


@pytest.mark.parametrize("bad", [math.nan, math.inf, None, True, "0.7", 1.7, -3.0])
def test_what_is_no_number_of_a_metric_is_a_note(bad: Any) -> None:
    found = read(changed(FRONTIER, "records", 0, "saebench", "summary", "sae_metrics_by_k", 0, "test_auc", to=bad))
    (topk,) = [r for r in found.results if r.benchmark == "earlier_saebench" and r.subjects[0].condition == "file.topk"]
    assert values(topk, "probe_auc", k=1) == {(123,): 0.60}
    assert "$.records[0].saebench.summary.sae_metrics_by_k[0].test_auc" in said(found)
    assert "is not there for seeds 42" in said(found)
    best = values(topk, "probe_best_delta")
    assert best[(42,)] == pytest.approx(0.65 - 0.70)  # of the number of latents that is left


def test_rows_of_the_baseline_that_are_not_those_of_the_dictionary_are_said() -> None:
    assert "the baseline has 5000 rows" in said(
        read(changed(SCORED, "matched_baseline_payload", "total_rows", to=5000))
    )


def test_a_seed_that_stands_twice_counts_once() -> None:
    found = read(changed(FRONTIER, "records", 1, "seed", to=42))
    assert "is no seed, or one that stands there before" in said(found)
    assert values(next(r for r in found.results if r.benchmark == "earlier_training"), "l0") == {(42,): 32.0}
    assert "seeds 123 are named and have no run" in said(read(changed(SEEDS, "runs", 1, "seed", to=42)))
