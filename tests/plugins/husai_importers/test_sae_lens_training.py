"""Configurations of SAELens: what a dictionary is said to be, and how many tokens it is said to have seen."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from husai_core.importer import Imported, SourceFile
from husai_core.testing import importer_contract
from husai_core.testing.importers import samples_of
from husai_importers.sae_lens_training import SaeLensTrainingImporter

FILES = {name: json.loads(raw) for name, raw in samples_of(SaeLensTrainingImporter()).items()}
OLD, NEW, RUNNER = (FILES[name] for name in ("cfg_of_version_5", "cfg", "runner_cfg"))

test_contract = importer_contract("sae_lens_training")


def read(document: dict[str, Any]) -> Imported:
    importer = SaeLensTrainingImporter()
    assert importer.recognises(document)
    return importer.read([SourceFile("cfg", json.dumps(document).encode(), document)])


@pytest.mark.parametrize(
    ("document", "seed", "tokens"), [(OLD, 42, 300_000_000), (RUNNER, 7, 200_000_000), (NEW, 0, None)]
)
def test_every_version_is_read(document: dict[str, Any], seed: int, tokens: int | None) -> None:
    found = read(document)
    (result,) = found.results
    (subject,) = result.subjects
    assert (subject.model, subject.hook, subject.seed) == ("gpt2", "blocks.8.hook_resid_pre", seed)
    assert subject.dims == {"d_in": 768, "d_sae": 24576, "d_out": 768}
    assert bool(subject.unverified) == (document is NEW)
    if tokens is None:
        assert result.outcome.status == "skipped"
    else:
        assert [o.value for m in result.measurements for o in m.observations] == [tokens]
    assert found.notes == ()


@pytest.mark.parametrize("bad", [-100000, math.nan, "many"])
def test_a_number_of_tokens_that_is_none_is_a_note(bad: Any) -> None:
    found = read({**OLD, "training_tokens": bad})
    assert found.results[0].outcome.status == "skipped"
    assert "$.training_tokens" in str(found.notes[0])


def test_other_files_are_not_recognised() -> None:
    importer = SaeLensTrainingImporter()
    assert not any(map(importer.recognises, (None, [], {}, {"d_in": 3}, {"hook_name": "x", "d_sae": 3})))


@pytest.mark.peers
def test_what_sae_lens_writes_now_is_read(tmp_path: Any) -> None:
    sae_lens = pytest.importorskip("sae_lens", reason="needs sae_lens (see the extra 'bench')")
    import torch

    config = sae_lens.TopKSAEConfig(d_in=8, d_sae=16, k=2)
    config.metadata.model_name, config.metadata.hook_name = "gpt2", "blocks.8.hook_resid_pre"
    with torch.random.fork_rng():
        sae_lens.TopKSAE(config).save_model(tmp_path)
    (result,) = read(json.loads((tmp_path / "cfg.json").read_text())).results
    assert (result.subjects[0].architecture, result.subjects[0].settings["k"]) == ("topk", 2)
