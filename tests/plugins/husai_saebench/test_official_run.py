"""The official code on SmolLM2, end to end, and its own schemas on every result file that is kept."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

POLICY = """
schema = "husai:policy/v1"
name = "tiny"
version = "1"
purpose = "p"
confidence = 0.95
min_units = 2
code = "any"

[[rule]]
id = "core"
question = "q"
reason = "r"
kind = "superiority"
benchmark = "saebench_core"
source = "official"
metric = "saebench_ce_loss_score"
over = { control = "untrained" }
confidence = 0.8

[[rule]]
id = "wrong-number"
question = "q"
reason = "r"
kind = "threshold"
benchmark = "saebench_core"
metric = "saebench_explained_variance"
at_least = 0.1
"""
STUDY = """
schema = "husai:study/v1"
name = "tiny"
question = "Does the official code run?"

[[site]]
name = "layer2"
model = "smollm2"
hook_in = "blocks.2.hook_resid_post"
settings = { text = "sotu", context_length = 128, tokens = 6000 }

[training]
seeds = [1, 2]
steps = 60
batch_size = 256
learning_rate = 1e-3

[[sae]]
name = "topk"
architecture = "topk"
role = "candidate"
d_sae = 288
settings = { k = 16 }

[[control]]
name = "untrained"

[[benchmark]]
name = "saebench_core"
settings = { reconstruction_batches = 1, variance_batches = 1, prompts_per_batch = 4 }

[[benchmark]]
name = "saebench_tpp"
settings = { train_texts = 40, test_texts = 20, latents = [2, 50] }
"""

VALIDATE = """
import json, sys
from pydantic import TypeAdapter
from sae_bench.evals.absorption.eval_output import AbsorptionEvalOutput
from sae_bench.evals.core.eval_output import CoreEvalOutput
from sae_bench.evals.scr_and_tpp.eval_output import ScrEvalOutput, TppEvalOutput
from sae_bench.evals.sparse_probing.eval_output import SparseProbingEvalOutput
from sae_bench.evals.sparse_probing_sae_probes.eval_output import SparseProbingSaeProbesEvalOutput
kinds = (AbsorptionEvalOutput, CoreEvalOutput, ScrEvalOutput, TppEvalOutput, SparseProbingEvalOutput,
         SparseProbingSaeProbesEvalOutput)
known = {kind.model_fields["eval_type_id"].default if hasattr(kind, "model_fields")
         else kind.__pydantic_fields__["eval_type_id"].default: kind for kind in kinds}
for path in sys.argv[1:]:
    raw = open(path, "rb").read()
    TypeAdapter(known[json.loads(raw)["eval_type_id"]]).validate_json(raw)
print(len(sys.argv) - 1)
"""


def official_python() -> str:
    """The interpreter that has the official code; without one there is nothing to test here."""
    python = os.environ.get("HUSAI_SAEBENCH_PYTHON")
    if not python:
        pytest.skip("needs HUSAI_SAEBENCH_PYTHON (make official)")
    return python


def results(bundle: Path) -> list[Path]:
    return sorted(path for path in bundle.glob("external/*/*.json") if path.name != "run.json")


def validated(paths: list[Path]) -> int:
    run = subprocess.run(
        [official_python(), "-c", VALIDATE, *map(str, paths)],
        capture_output=True,
        text=True,
        env={**os.environ, "JAXTYPING_DISABLE": "1"},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return int(run.stdout.split()[-1])


@pytest.mark.official
def test_the_committed_results_are_what_the_official_schemas_ask_for(pytestconfig):
    found = results(pytestconfig.rootpath / "evidence/official")
    assert len(found) == validated(found) >= 3 * 12  # three evals, two dictionaries and their starts, three seeds


@pytest.mark.official
def test_a_study_runs_the_official_code_and_the_gate_judges_by_it(tmp_path):
    official_python()
    (tmp_path / "tiny.toml").write_text(STUDY)
    (tmp_path / "policy.toml").write_text(POLICY)
    husai = [str(Path(os.sys.executable).parent / "husai")]
    run = subprocess.run(
        [*husai, "run", "tiny.toml", "--out", "bundle", "--cache", "cache"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    gate = subprocess.run(
        [*husai, "gate", "bundle", "--policy", "policy.toml", "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    rows = {row["rule"]: row for row in json.loads(gate.stdout)["rows"]}
    assert rows["core"]["status"] == "pass", rows["core"]
    assert rows["wrong-number"]["code"] == "POL-DEFECT"
    bundle = tmp_path / "bundle"
    assert validated(results(bundle)) == 8  # two evals, a dictionary and its start, two seeds

    evidence = json.loads((bundle / "evidence/saebench_core.layer2.json").read_text())
    assert evidence["external"]["kind"] == "official"
    by_name = {m["metric"]["name"]: m for m in evidence["measurements"] if m["condition"] == "layer2.topk"}
    wrong, right = (
        [o["value"] for o in by_name[name]["observations"]]
        for name in ("saebench_explained_variance", "explained_variance")
    )
    # The official number takes mean(x^2)^2 for mean(x)^2, so it moves with the scale of the activations.
    assert all(abs(w - r) > 0.01 for w, r in zip(wrong, right, strict=True))
    for name in ("saebench_explained_variance", "saebench_mse"):
        assert by_name[name]["metric"]["defect"]
