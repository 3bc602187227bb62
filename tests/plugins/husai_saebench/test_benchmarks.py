"""What the official evals refuse before they start, and what becomes of their answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from husai_architectures.route import Route
from husai_core import EvaluationError, Skipped, TextSet
from husai_saebench import sources
from husai_saebench.benchmarks import (
    Absorption,
    Autointerp,
    Core,
    Mdl,
    MetaStructure,
    Ravel,
    SaeProbes,
    Scr,
    Tpp,
    Unlearning,
)
from husai_saebench.profiles import (
    AbsorptionSettings,
    AutointerpSettings,
    CoreSettings,
    MetaStructureSettings,
    NotDrivenSettings,
    RavelSettings,
    SaeProbesSettings,
    ScrSettings,
    TppSettings,
)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("HUSAI_DATA", raising=False)


@pytest.fixture
def conditions(coder_of):
    return {"site.topk": [coder_of(0, (16, 32, 16))]}


def test_a_transcoder_is_skipped(task_of, conditions, with_sae_bench):
    task = task_of(CoreSettings(), conditions, hook_out="blocks.0.hook_mlp_out")
    with pytest.raises(Skipped, match="this site reads and writes elsewhere"):
        list(Core().measure(task))


def test_several_hooks_side_by_side_are_skipped(task_of, conditions, with_sae_bench):
    task = task_of(CoreSettings(), conditions, hook_in=("blocks.0.hook_attn_out", "blocks.0.hook_mlp_out"))
    with pytest.raises(Skipped, match="reads and writes at one hook point"):
        list(Core().measure(task))


def test_a_model_that_reads_no_text_is_skipped(task_of, conditions, a_table, with_sae_bench):
    task = task_of(CoreSettings(), conditions, reader=a_table, model="synthetic")
    with pytest.raises(Skipped, match="the model 'synthetic' is no language model"):
        list(Core().measure(task))


def test_a_hook_outside_the_layers_is_skipped(task_of, conditions, with_sae_bench):
    with pytest.raises(Skipped, match="'hook_embed' names no layer"):
        list(Core().measure(task_of(CoreSettings(), conditions, hook_in="hook_embed")))


def test_absorption_elsewhere_than_after_a_block_is_skipped(task_of, conditions, with_sae_bench):
    """The official code would read the residual stream and say nothing."""
    task = task_of(AbsorptionSettings(), conditions, hook_in="blocks.0.hook_mlp_out")
    with pytest.raises(Skipped, match="reads hook_resid_post whatever a dictionary is of"):
        list(Absorption().measure(task))


def test_a_family_that_sae_lens_lacks_fails_and_can_be_left_out(task_of, conditions, coder_of, with_sae_bench):
    routed = {"site.topk.route": [coder_of(0, (32, 32, 16), family=Route, k=4)]}
    with pytest.raises(EvaluationError, match="SAELens has no such architecture: 'route'") as caught:
        list(Core().measure(task_of(CoreSettings(), {**conditions, **routed})))
    assert 'leave_out = ["route"]' in caught.value.next_step
    task = task_of(CoreSettings(leave_out=("route",)), {**conditions, **routed})
    with pytest.raises(EvaluationError, match="ended without an answer"):  # it came as far as the official code
        list(Core().measure(task))


def test_a_network_of_its_own_fails_and_can_be_left_out(task_of, conditions, coder_of, with_sae_bench):
    both = {**conditions, "site.topk.random_model": [coder_of(0, (16, 32, 16))]}
    task = task_of(CoreSettings(), both, own_readers={"site.topk.random_model": object()})
    with pytest.raises(EvaluationError, match="belongs to a network of its own") as caught:
        list(Core().measure(task))
    assert caught.value.next_step == 'leave_out = ["random_model"]'


def test_without_the_official_code_it_is_skipped_with_the_command(task_of, conditions, with_sae_bench):
    with_sae_bench((), {})
    with pytest.raises(Skipped, match="'sae_bench' is not installed for the python of HUSAI_SAEBENCH_PYTHON") as caught:
        list(Core().measure(task_of(CoreSettings(), conditions)))
    assert "pip install" in caught.value.next_step


def test_without_its_data_it_is_skipped_with_the_folder(task_of, conditions, with_sae_bench):
    with pytest.raises(Skipped, match="the data set 'LabHC/bias_in_bios' lies in no folder") as caught:
        list(Scr().measure(task_of(ScrSettings(), conditions)))
    assert "HUSAI_DATA/hub/LabHC/bias_in_bios" in caught.value.next_step


def test_too_little_room_is_said_and_stops_nothing(task_of, conditions, with_sae_bench, monkeypatch):
    monkeypatch.setattr("husai_saebench.space.free_memory", lambda: 10)
    (short,) = [need for need in Core().needs(CoreSettings()) if not need.present]
    assert short.kind == "memory"
    assert short.estimate
    with pytest.raises(EvaluationError, match="ended without an answer"):
        list(Core().measure(task_of(CoreSettings(), conditions)))


FAKE = """#!{python}
import json, os, pathlib, sys
if "--" in sys.argv:
    versions = {{"python": "3", "sae-bench": "0.6.0"}}
    print(json.dumps({{"modules": ["sae_bench", "sae_probes", "openai"], "versions": versions}}))
    sys.exit()
folder = pathlib.Path(sys.argv[-1])
kept = pathlib.Path({kept!r})
(kept / "job.json").write_text((folder / "job.json").read_text())
if (folder / "texts.json").exists():
    (kept / "handed").touch()
with (kept / "asked").open("a") as handle:
    handle.write("started ")
data = [{{"name": "husai/texts", "digest": "sha256:" + "0" * 64, "rows": 3}}]
print(json.dumps({{"about": "ready", "versions": {{"sae-bench": "0.6.0"}}, "seconds": {{}}, "data": data}}), flush=True)
for line in sys.stdin:
    name = json.loads(line)["subject"]
    with (kept / "asked").open("a") as handle:
        handle.write(name.split(".")[2].split("-")[0] + " ")
    result = folder / (name + ".json")
    result.write_text({result!r}.replace("KEY", os.environ.get("OPENAI_API_KEY", "")))
    told = {{"about": name, "file": str(result), "seconds": 1.0, "data": data, "beside": {beside}}}
    print(json.dumps(told), flush=True)
"""
RESULT = {
    "eval_type_id": "meta_structure_decoder_variance",
    "eval_config": {},
    "eval_result_metrics": {
        "meta_structure": {
            "decoder_fraction_variance_explained": 0.25,
            "final_reconstruction_mse": 0.01,
            "train_time_seconds": 3.0,
        }
    },
}


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def answer(result: object, beside: object = None) -> Path:
        script = tmp_path / "python"
        text = FAKE.format(python=sys.executable, kept=str(tmp_path), result=json.dumps(result), beside=beside)
        script.write_text(text)
        script.chmod(0o755)
        monkeypatch.setenv("HUSAI_SAEBENCH_PYTHON", str(script))
        return tmp_path

    return answer


def test_results_become_observations_by_seed_and_their_files_are_kept(task_of, coder_of, answering):
    kept = answering(RESULT)
    conditions = {"site.topk": [coder_of(seed, (16, 32, 16)) for seed in (3, 4)]}
    task = task_of(MetaStructureSettings(), conditions)
    found = {m.metric: m for m in MetaStructure().measure(task)}
    assert found.keys() == {"saebench_decoder_variance_explained", "saebench_decoder_mse"}
    explained = found["saebench_decoder_variance_explained"]
    assert [(o.seeds, o.value) for o in explained.observations] == [((3,), 0.25), ((4,), 0.25)]
    (external,) = task.external
    assert (external.kind, external.tool, external.version) == ("official", "sae-bench", "0.6.0")
    assert {json.loads(raw)["eval_type_id"] for name, raw in external.files.items() if name != "run.json"} == {
        "meta_structure_decoder_variance"
    }
    assert len(external.files) == 3
    assert json.loads((kept / "job.json").read_text())["layer"] == 0


def test_what_is_known_already_is_not_asked_again(task_of, coder_of, answering):
    kept, known = answering(RESULT), {}

    def remember(name, work):
        if name not in known:
            known[name] = work()
        return known[name]

    conditions = {"site.topk": [coder_of(seed, (16, 32, 16)) for seed in (3, 4)]}
    first = list(MetaStructure().measure(task_of(MetaStructureSettings(), conditions, kept=remember)))
    lost = next(name for name in known if "seed4" in name)
    del known[lost]
    again = list(MetaStructure().measure(task_of(MetaStructureSettings(), conditions, kept=remember)))
    assert again == first
    assert (kept / "asked").read_text().split() == ["started", "seed3", "seed4", "started", "seed4"]
    list(MetaStructure().measure(task_of(MetaStructureSettings(), conditions, kept=remember)))
    assert (kept / "asked").read_text().count("started") == 2, "nothing is started where everything is known"


def test_a_result_without_a_number_that_can_be_used_is_an_error_that_says_why(task_of, conditions, answering):
    answering({**RESULT, "eval_result_metrics": {"meta_structure": {"decoder_fraction_variance_explained": None}}})
    with pytest.raises(EvaluationError, match=r"no number of its results can be used: .*is null"):
        list(MetaStructure().measure(task_of(MetaStructureSettings(), conditions)))


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_was_computed_beside_the_official_code_and_is_no_number_is_an_error_of_that_subject(
    value, task_of, coder_of, answering
):
    both = {"site.topk": [coder_of(0, (16, 32, 16))], "site.topk.degraded": [coder_of(0, (16, 32, 16))]}
    answering(RESULT, beside=f"{{'mse': float('{value}') if 'degraded' in name else 0.5}}")
    with pytest.raises(EvaluationError, match=rf"mse of site\.topk\.degraded\.seed0-\w+, .* is {value}") as caught:
        list(MetaStructure().measure(task_of(MetaStructureSettings(), both)))
    assert caught.value.next_step == 'look for exploding weights, or leave_out = ["degraded"]'
    task = task_of(MetaStructureSettings(leave_out=("degraded",)), both)
    assert [m.observations[0].value for m in MetaStructure().measure(task) if m.metric == "mse"] == [0.5]


@pytest.mark.parametrize(
    ("benchmark", "settings", "told", "handed"),
    [
        (SaeProbes(), SaeProbesSettings(), {}, False),
        (Absorption(), AbsorptionSettings(), {"words": 3000}, True),
        (Absorption(), AbsorptionSettings(profile="official"), {"words": None}, True),
        (Tpp(), TppSettings(fast=False), {"fast": False}, True),
        (Autointerp(), AutointerpSettings(judge="me"), {"judge": "me", "server": "https://api.openai.com/v1"}, True),
    ],
    ids=["sae_probes", "absorption", "all words", "tpp", "autointerp"],
)
def test_the_official_side_is_told_what_its_settings_say_and_handed_texts_that_it_has_no_copy_of(
    benchmark, settings, told, handed, task_of, conditions, answering, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "local")
    kept = answering({"eval_type_id": benchmark.eval})
    task = task_of(settings, conditions, texts=[TextSet("sotu:1961-2026", ("a", "b"))])
    with pytest.raises(EvaluationError, match="no number of its results"):
        list(benchmark.measure(task))
    job = json.loads((kept / "job.json").read_text())
    assert {key: job[key] for key in ("words", "fast", "judge", "server") if key in job} == told
    assert (kept / "handed").exists() == handed


def test_the_key_is_in_no_file_that_is_written_and_a_result_that_repeats_it_is_not_kept(
    task_of, conditions, answering, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-of-mine")
    kept = answering({"eval_type_id": "autointerp", "eval_result_unstructured": {"7": {"score": 0.5, "logs": "KEY"}}})
    task = task_of(AutointerpSettings(), conditions, texts=[TextSet("sotu:1961-2026", ("a", "b"))])
    with pytest.raises(EvaluationError, match="repeats OPENAI_API_KEY; it is not kept") as caught:
        list(Autointerp().measure(task))
    assert "secret-of-mine" not in str(caught.value)
    job = (kept / "job.json").read_text()
    assert "secret-of-mine" not in job
    assert json.loads(job)["server"] == "https://api.openai.com/v1"


def test_an_eval_that_reads_no_model_runs_where_there_is_no_language_model(task_of, conditions, a_table, answering):
    answering(RESULT)
    task = task_of(MetaStructureSettings(), conditions, reader=a_table, model="tiny")
    assert list(MetaStructure().measure(task))


@pytest.mark.parametrize("benchmark", [Unlearning(), Mdl()], ids=lambda b: b.name)
@pytest.mark.parametrize("version", ["0.6.0", "0.7.0"])
def test_what_is_not_driven_is_skipped_with_its_reason_and_the_versions(
    benchmark, version, task_of, conditions, with_sae_bench
):
    with_sae_bench(("sae_bench",), {"sae-bench": version})
    with pytest.raises(Skipped, match="HUSAI does not drive it") as caught:
        list(benchmark.measure(task_of(NotDrivenSettings(), conditions)))
    assert "seen with sae-bench 0.6.0" in caught.value.rule
    assert ("nobody looked at sae-bench 0.7.0" in caught.value.rule) == (version == "0.7.0")
    assert caught.value.next_step


def test_ravel_is_skipped_where_it_is_known_to_break_and_tried_elsewhere(
    task_of, conditions, with_sae_bench, tmp_path, monkeypatch
):
    monkeypatch.setenv("HUSAI_DATA", str(tmp_path))
    (tmp_path / "hub" / "adamkarvonen" / "ravel_prompts").mkdir(parents=True)
    task = task_of(RavelSettings(), conditions, model="huggingface")
    with pytest.raises(Skipped, match="knows two models, google/gemma-2-2b and EleutherAI/pythia-160m-deduped"):
        list(Ravel().measure(task))
    object.__setattr__(task.site, "settings", {"model": "EleutherAI/pythia-160m-deduped"})
    with_sae_bench(("sae_bench",), {"sae-bench": "0.6.0", "transformers": "5.23.0", "transformer-lens": "3.9.0"})
    with pytest.raises(Skipped, match="layers no longer give tuples"):
        list(Ravel().measure(task))
    with_sae_bench(("sae_bench",), {"sae-bench": "0.6.0", "transformers": "4.57.3", "transformer-lens": "2.16.1"})
    with pytest.raises(EvaluationError, match="ended without an answer"):
        list(Ravel().measure(task))
    with_sae_bench(("sae_bench",), {"sae-bench": "0.6.0", "transformers": "5.0.0", "transformer-lens": "3.0.0"})
    (said,) = [need for need in Ravel().needs(RavelSettings()) if need.kind == "version"]
    assert said.present
    assert "nobody looked at sae-bench 0.6.0, transformers 5.0.0" in said.detail
    assert sources.mirror() == tmp_path / "hub"
