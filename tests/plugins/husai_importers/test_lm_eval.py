"""Results of lm-evaluation-harness: tasks are observations, groups and standard errors are not."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

from husai_core.importer import Imported, SourceFile
from husai_core.testing import importer_contract
from husai_core.testing.importers import samples_of
from husai_importers.lm_eval import LmEvalImporter

RESULT, GENERATED = (json.loads(samples_of(LmEvalImporter())[name]) for name in ("tasks", "generation"))

test_contract = importer_contract("lm_eval")


def read(document: dict[str, Any]) -> Imported:
    importer = LmEvalImporter()
    assert importer.recognises(document)
    return importer.read([SourceFile("run", json.dumps(document).encode(), document)])


def observed(found: Imported) -> dict[tuple[str, str], dict[str, float]]:
    (result,) = found.results
    return {
        (m.metric, str(m.setting["filter"])): {o.part: o.value for o in m.observations} for m in result.measurements
    }


def test_every_task_is_one_observation_and_a_group_none() -> None:
    found = read(RESULT)
    assert observed(found) == {
        ("lm_eval_acc", "none"): {"arc_easy": 0.6, "hellaswag": 0.4},
        ("lm_eval_acc_norm", "none"): {"arc_easy": 0.55},
        ("lm_eval_word_perplexity", "none"): {"wikitext": 12.5},
        ("lm_eval_bits_per_byte", "none"): {"wikitext": 0.7},
    }
    assert found.notes == ()
    (result,) = found.results
    assert (result.tool, result.version) == ("lm-evaluation-harness", "0.4.5")
    assert result.subjects[0].model == "pretrained=EleutherAI/pythia-70m"
    assert "names no dictionary" in result.subjects[0].unverified[0]


def test_one_metric_under_two_filters_is_two_measurements() -> None:
    assert observed(read(GENERATED)) == {
        ("lm_eval_exact_match", "strict-match"): {"gsm8k": 0.25},
        ("lm_eval_exact_match", "flexible-extract"): {"gsm8k": 0.3125},
    }


def test_what_is_no_number_or_another_metric_is_a_note() -> None:
    spoilt = copy.deepcopy(RESULT)
    spoilt["results"]["arc_easy"]["acc,none"] = math.nan
    spoilt["results"]["hellaswag"]["acc,none"] = 40.0
    spoilt["results"]["wikitext"]["elo,none"] = 1200.0
    spoilt["higher_is_better"]["wikitext"]["word_perplexity"] = True
    found = read(spoilt)
    words = "\n".join(map(str, found.notes))
    assert ("lm_eval_acc", "none") not in observed(found)
    assert ("lm_eval_word_perplexity", "none") not in observed(found)
    for part in ("no finite number", "outside 0.0 to 1.0", "'elo' is no metric", "the file says that higher is better"):
        assert part in words


def test_without_any_number_it_failed() -> None:
    (result,) = read({**RESULT, "results": {"arc_easy": {"alias": "arc"}}}).results
    assert result.outcome.status == "failed"


def test_other_files_are_not_recognised() -> None:
    assert not any(map(LmEvalImporter().recognises, (None, [], {"results": {}}, {"results": [], "versions": {}})))
