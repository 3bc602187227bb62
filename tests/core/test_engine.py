"""The engine through its public surface: what a run writes, repeats, resumes, refuses and admits."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

from husai_core import bundle, strict_json
from husai_core.engine import activations
from husai_core.errors import EvaluationError, UsageError
from husai_gates.audit import audit

Run = Callable[..., object]


def _content(folder: Path) -> dict[str, bytes]:
    return {p: raw for p, raw in bundle.read(folder).files.items() if p not in (bundle.PROVENANCE, bundle.MANIFEST)}


def test_a_run_writes_a_sound_bundle(tmp_path: Path, run_tiny: Run) -> None:
    run_tiny()
    report = audit(bundle.read(tmp_path / "out"))
    assert report.findings == ()
    assert len(report.subjects) == 2 * 3 * 3  # dictionaries x (itself and two controls) x seeds
    assert {e.benchmark.name for e in report.evidence.values()} == {"reconstruction", "consistency"}


def test_the_same_study_twice_gives_the_same_bytes_but_for_provenance(tmp_path: Path, run_tiny: Run) -> None:
    run_tiny(out="one", cache="cache1")
    run_tiny(out="two", cache="cache2")
    assert _content(tmp_path / "one") == _content(tmp_path / "two")
    digests = [bundle.read(tmp_path / n).json(bundle.MANIFEST)["content_digest"] for n in ("one", "two")]
    assert digests[0] == digests[1]


def test_running_again_does_nothing_again_and_touches_nothing(tmp_path: Path, run_tiny: Run) -> None:
    run_tiny()
    before = bundle.read(tmp_path / "out").files
    log = run_tiny()
    assert all(cached for _, cached in log.done)  # type: ignore[attr-defined]
    assert bundle.read(tmp_path / "out").files == before


def test_only_what_depends_on_a_change_is_done_again(run_tiny: Run) -> None:
    run_tiny()
    log = run_tiny(out="other", **{"k = 4": "k = 5"})
    fresh = {label for label, cached in log.done if not cached}  # type: ignore[attr-defined]
    assert "model tiny" not in fresh
    assert "train site.relu" not in fresh
    assert "train site.topk" in fresh
    assert "consistency at site" in fresh


def test_a_benchmark_measures_only_the_controls_that_it_was_asked_to(tmp_path: Path, run_tiny: Run) -> None:
    asked = 'name = "consistency"\ncontrols = ["untrained"]'
    run_tiny(**{'name = "consistency"': asked})
    report = audit(bundle.read(tmp_path / "out"))
    assert report.findings == ()
    of = {e.benchmark.name: {m.condition.rpartition(".")[2] for m in e.measurements} for e in report.evidence.values()}
    assert of["consistency"] == {"topk", "relu", "untrained"}
    assert of["reconstruction"] == {"topk", "relu", "untrained", "random_decoder"}


KILLED = """
import os, sys
from pathlib import Path
import safetensors.torch, scipy.optimize
from husai_core.engine import make_plan, run_plan
from husai_core.engine.cache import Cache
from husai_core.plugins import PluginTable, installed_entry_points
from husai_core.study import load_study
from husai_core.testing import tiny
from husai_core.cli.listeners import PlainListener
study, out, cache = map(Path, sys.argv[1:])
plan = make_plan(load_study(study), PluginTable([*installed_entry_points(), tiny.ENTRY_POINT]))
for _ in sys.stdin:  # each line asks for a run in a process of its own, which need not import again
    if not (child := os.fork()):
        run_plan(plan, out, Cache(cache), PlainListener(), 1, None, lambda files: {})
        os._exit(0)
    print(f"process {child}", flush=True)
    print(f"ended with {os.waitpid(child, 0)[1]}", flush=True)
"""


def test_killed_at_random_moments_and_resumed_it_ends_with_the_same_bundle(
    tmp_path: Path, run_tiny: Run, tiny_study: str
) -> None:
    study = tmp_path / "tiny.toml"
    study.write_text(tiny_study)
    run_tiny(out="whole", cache="cache-whole")
    command = [sys.executable, "-c", KILLED, str(study), str(tmp_path / "out"), str(tmp_path / "cache")]
    moments, ends = random.Random(7), []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as runs:
        assert runs.stdin
        assert runs.stdout
        while ends[-1:] != ["ended with 0"]:
            runs.stdin.write("again\n")
            said = runs.stdout.readline()
            process = int(said.removeprefix("process "))
            runs.stdout.readline()  # the first piece of work is finished; die somewhere in those after it
            if len(ends) < 2:
                time.sleep(moments.uniform(0, 0.4))
                with contextlib.suppress(ProcessLookupError):  # it was faster
                    os.kill(process, signal.SIGKILL)
            ends.append(next(line.strip() for line in runs.stdout if line.startswith("ended")))
            assert ends[-1] in ("ended with 0", "ended with 9")
        runs.stdin.close()
    assert "ended with 9" in ends
    assert _content(tmp_path / "out") == _content(tmp_path / "whole")
    assert not list(tmp_path.glob(".out.partial*")), "a killed run left something beside the bundle"


def test_a_corrupted_cache_is_reported_kept_and_worked_around(tmp_path: Path, run_tiny: Run) -> None:
    run_tiny(out="one")
    for weights in (tmp_path / "cache").rglob("sae_weights.safetensors"):
        raw = bytearray(weights.read_bytes())
        raw[-1] ^= 1
        weights.write_bytes(raw)
    log = run_tiny(out="two")
    assert any("had changed on disk; set aside" in text for text in log.warnings)  # type: ignore[attr-defined]
    assert _content(tmp_path / "one") == _content(tmp_path / "two")
    assert list((tmp_path / "cache" / "corrupt").iterdir())


@pytest.mark.parametrize("there", ["something else", "another study", "half a bundle"])
def test_what_is_at_the_output_is_never_overwritten(tmp_path: Path, run_tiny: Run, there: str) -> None:
    out = tmp_path / "out"
    if there == "something else":
        out.mkdir()
        (out / "thesis.tex").write_text("precious")
    else:
        run_tiny(**({"steps = 40": "steps = 39"} if there == "another study" else {}))
        if there == "half a bundle":
            (out / bundle.MANIFEST).unlink()
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    with pytest.raises(UsageError, match="choose another --out"):
        run_tiny()
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_a_bundle_whose_evidence_was_edited_is_not_taken_for_the_run_s_own(tmp_path: Path, run_tiny: Run) -> None:
    run_tiny()
    manifest = tmp_path / "out" / bundle.MANIFEST
    document = json.loads(manifest.read_bytes())
    document["content_digest"] = "sha256:" + "0" * 64
    manifest.write_bytes(strict_json.encode(document))
    with pytest.raises(UsageError, match="differs from this run's"):
        run_tiny()


def test_a_model_that_fails_its_self_check_stops_the_run(tmp_path: Path, run_tiny: Run) -> None:
    with pytest.raises(EvaluationError, match=r"model tiny, check learned: the value is 0, it must be at least 1"):
        run_tiny(**{'model = "tiny"': 'model = "tiny"\nsettings = { learned = false }'})
    assert not (tmp_path / "out").exists()


def test_divergence_names_step_seed_and_what_to_lower(run_tiny: Run) -> None:
    with pytest.raises(EvaluationError, match=r"seed \d+: .*lower the learning rate"):
        run_tiny(**{"learning_rate = 1e-2": "learning_rate = 1e30"})


def test_an_unknown_hook_point_names_the_near_miss(run_tiny: Run) -> None:
    with pytest.raises(UsageError, match=r"no hook point 'blocks.0.hook_resid_pst'.*did you mean"):
        run_tiny(**{'model = "tiny"': 'model = "tiny"\nhook_in = "blocks.0.hook_resid_pst"'})


PRE, POST = "blocks.0.hook_resid_pre", "blocks.0.hook_resid_post"
THREE_SITES = f"""[[site]]
name = "site"
model = "tiny"

[[site]]
name = "pre"
model = "tiny"
hook_in = "{PRE}"

[[site]]
name = "both"
model = "tiny"
hook_in = ["{PRE}", "{POST}"]
"""
ONE_SITE = '[[site]]\nname = "site"\nmodel = "tiny"\n'
FEW = {'[[benchmark]]\nname = "consistency"\n': "", "steps = 40": "steps = 2"}


def _site(folder: Path, name: str) -> dict:  # type: ignore[type-arg]
    return json.loads((folder / "sites" / f"{name}.json").read_bytes())  # type: ignore[no-any-return]


def test_sites_of_one_model_share_one_pass_and_read_what_separate_ones_would(
    tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    begin = activations.NetworkPass.__init__
    monkeypatch.setattr(activations.NetworkPass, "__init__", lambda *a: (begun.append(a[-1]), begin(*a))[1])
    log = run_tiny(**{ONE_SITE: THREE_SITES, **FEW})
    assert begun == [[POST, PRE]]
    assert [label for label, _ in log.done[:3]] == [  # type: ignore[attr-defined]
        "model tiny",
        "corpus and checks of tiny",
        "activations site, pre, both",
    ]
    assert audit(bundle.read(tmp_path / "out")).findings == ()
    run_tiny(out="apart", cache="other", **FEW)
    assert _site(tmp_path / "apart", "site") == _site(tmp_path / "out", "site")
    log = run_tiny(**{ONE_SITE: THREE_SITES, **FEW})
    assert all(cached for _, cached in log.done)  # type: ignore[attr-defined]


def test_a_new_hook_is_captured_without_the_old_ones(run_tiny: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run_tiny(**FEW)
    asked = []
    rows = activations.NetworkPass.rows
    monkeypatch.setattr(activations.NetworkPass, "rows", lambda *a: (asked.append(a[-1]), rows(*a))[1])
    run_tiny(out="more", **{ONE_SITE: THREE_SITES, **FEW})
    assert {hooks for call in asked for hooks in call} == {(PRE,), (PRE, POST)}


def test_several_hooks_stand_side_by_side_in_the_order_of_the_study(tmp_path: Path, run_tiny: Run) -> None:
    run_tiny(**{ONE_SITE: THREE_SITES, **FEW})
    both = _site(tmp_path / "out", "both")
    assert both["hook_in"] == both["hook_out"] == [PRE, POST]
    subject = json.loads((tmp_path / "out" / "subjects" / "both.topk.s1.json").read_bytes())
    assert (subject["dims"]["d_in"], subject["dims"]["d_out"]) == (32, 32)
    files = {_digest(path): path for path in (tmp_path / "cache" / "activations").rglob("*.npy")}
    one, two, together = (
        numpy.load(files[next(d["digest"] for d in _site(tmp_path / "out", name)["data"] if ".test." in d["name"])])
        for name in ("pre", "site", "both")
    )
    assert (together == numpy.concatenate([one, two], 1)).all()


def _digest(path: Path) -> str:
    return strict_json.digest(path.read_bytes())


def test_a_transcoder_from_two_hooks_to_one_has_two_arrays(tmp_path: Path, run_tiny: Run) -> None:
    hooks = f'{ONE_SITE}hook_in = ["{POST}", "{PRE}"]\nhook_out = "{POST}"\n'
    skip = "apply_b_dec_to_input = false"
    settings = {"k = 4 }": f"k = 4, {skip} }}", 'role = "baseline"': f'role = "baseline"\nsettings = {{ {skip} }}'}
    run_tiny(**{ONE_SITE: hooks, **settings, **FEW})
    assert [d["name"] for d in _site(tmp_path / "out", "site")["data"]] == [
        "site.test.0",
        "site.test.1",
        "site.train.0",
        "site.train.1",
    ]
    subject = json.loads((tmp_path / "out" / "subjects" / "site.topk.s1.json").read_bytes())
    assert (subject["dims"]["d_in"], subject["dims"]["d_out"]) == (32, 16)
    assert audit(bundle.read(tmp_path / "out")).findings == ()


def test_a_changed_activation_is_reported_and_made_again(tmp_path: Path, run_tiny: Run) -> None:
    run_tiny(out="one")
    (path, *_) = sorted((tmp_path / "cache" / "activations").rglob("train.npy"))
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    log = run_tiny(out="two")
    assert any("shard 0 had changed on disk" in text for text in log.warnings)  # type: ignore[attr-defined]
    assert _content(tmp_path / "one") == _content(tmp_path / "two")


def test_a_benchmark_that_breaks_is_recorded_as_failed_and_tried_again(tmp_path: Path, run_tiny: Run) -> None:
    log = run_tiny(**{"seeds = [3, 1, 2]": "seeds = [3]"})
    path = tmp_path / "out" / "evidence" / "consistency.site.json"
    document = json.loads(path.read_bytes())
    assert document["outcome"]["status"] == "failed"
    assert "needs two seeds" in document["outcome"]["reason"]
    assert document["measurements"] == []
    assert any("the benchmark failed" in text for text in log.warnings)  # type: ignore[attr-defined]
    assert {f.code for f in audit(bundle.read(tmp_path / "out")).findings} == {"EV-FAILED"}


def test_seeds_are_independent_of_those_trained_beside_them(tmp_path: Path, run_tiny: Run) -> None:
    from husai_core.interchange import read_weights

    run_tiny(out="three")
    run_tiny(out="one", **{"seeds = [3, 1, 2]": "seeds = [1, 7]"})
    for dictionary in ("topk", "relu"):
        name = f"weights/site.{dictionary}.s1/sae_weights.safetensors"
        together, apart = (read_weights((tmp_path / out / name).read_bytes()) for out in ("three", "one"))
        for key, value in together.items():
            assert value.allclose(apart[key], atol=1e-5), key


def test_evidence_says_who_made_every_metric_and_subjects_who_made_their_control(tmp_path: Path, run_tiny: Run) -> None:
    run_tiny()
    evidence = json.loads((tmp_path / "out" / "evidence" / "consistency.site.json").read_bytes())
    assert {m["name"] for m in evidence["metrics"]} == {m["metric"]["name"] for m in evidence["measurements"]}
    assert all(m["source"].startswith("sha256:") for m in evidence["metrics"])
    control = json.loads((tmp_path / "out" / "subjects" / "site.topk.untrained.s1.json").read_bytes())
    assert control["control"]["source"].startswith("sha256:")
    assert control["budget"]["steps"] == control["budget"]["rows_seen"] == 0


def test_a_budget_says_how_the_rate_fell_and_whether_seeds_were_drawn_together(tmp_path: Path, run_tiny: Run) -> None:
    run_tiny(
        **{"steps = 40": "steps = 40\ndecay_share = 0.5", 'role = "candidate"': 'role = "candidate"\nagreement = 0.1'}
    )

    def said(name: str) -> tuple[object, ...]:
        document = json.loads((tmp_path / "out" / "subjects" / f"site.{name}.s1.json").read_bytes())
        assert document["schema"] == "husai:subject/v2"
        return tuple(document["budget"].get(key) for key in ("steps", "decay_share", "agreement", "match_every"))

    steps, decay, agreement, every = said("topk")
    assert (steps, decay, agreement) == (40, 0.5, 0.1)
    assert isinstance(every, int)
    assert said("topk.random_decoder") == (40, 0.5, 0.1, every)
    assert said("topk.untrained") == (0, 0.5, 0.0, None), "what took no step was drawn nowhere"
    assert said("relu") == said("relu.random_decoder") == (40, 0.5, 0.0, None)
    assert audit(bundle.read(tmp_path / "out")).findings == ()


def test_weights_are_in_the_layout_of_sae_lens(tmp_path: Path, run_tiny: Run) -> None:
    run_tiny()
    config = json.loads((tmp_path / "out" / "weights" / "site.topk.s1" / "cfg.json").read_bytes())
    assert config["architecture"] == "topk"
    assert (config["d_in"], config["d_sae"], config["k"]) == (16, 24, 4)
    assert config["metadata"]["hook_name"] == "blocks.0.hook_resid_post"


@pytest.mark.parametrize(
    "choice",
    [
        'architecture = "hierarchical_topk"\nsettings = { k = 4, budgets = [1, 4] }',
        'architecture = "orthogonal_topk"\nsettings = { k = 4 }',
        'architecture = "skip_transcoder"\nsettings = { k = 4 }',
        'architecture = "sae_lens"\nsettings = { family = "batchtopk", k = 4 }',
        'architecture = "sae_lens"\nsettings = { family = "jumprelu" }',
    ],
)
def test_other_architectures_run_like_any(tmp_path: Path, run_tiny: Run, choice: str) -> None:
    old = 'architecture = "topk"\nrole = "candidate"\nd_sae = 24\nsettings = { k = 4 }'
    without = '[[control]]\nname = "untrained"\n\n'  # SAELens starts with no bias: a row without latents has no cosine
    run_tiny(**{old: f'role = "candidate"\nd_sae = 24\n{choice}', without: ""})
    assert audit(bundle.read(tmp_path / "out")).findings == ()
    evidence = json.loads((tmp_path / "out" / "evidence" / "reconstruction.site.json").read_bytes())
    assert evidence["outcome"]["status"] == "completed"


ROUTED_SITE = 'hook_in = ["blocks.0.hook_resid_pre", "blocks.0.hook_resid_post"]\nhook_out = "blocks.0.hook_resid_post"'


def test_a_routed_dictionary_reads_several_layers(tmp_path: Path, run_tiny: Run) -> None:
    sae = {
        'architecture = "topk"': 'architecture = "route"',
        'architecture = "relu"': 'architecture = "topk_transcoder"',
    }
    site = {'model = "tiny"': f'model = "tiny"\n{ROUTED_SITE}'}
    run_tiny(**sae, **site, **{'role = "baseline"\nd_sae = 24': 'role = "baseline"\nd_sae = 24\nsettings = { k = 4 }'})
    assert audit(bundle.read(tmp_path / "out")).findings == ()
    evidence = json.loads((tmp_path / "out" / "evidence" / "reconstruction.site.json").read_bytes())
    assert evidence["outcome"]["status"] == "completed"
    dims = {
        tuple(json.loads(p.read_bytes())["dims"][d] for d in ("d_in", "d_sae", "d_out"))
        for p in (tmp_path / "out" / "subjects").iterdir()
    }
    assert dims == {(32, 24, 16)}


def test_what_an_architecture_refuses_at_its_site_is_the_study_s_mistake(run_tiny: Run) -> None:
    with pytest.raises(UsageError, match="architecture route: d_in must be several times d_out"):
        run_tiny(**{'architecture = "topk"': 'architecture = "route"'})


def test_a_subject_says_that_its_architecture_chooses_its_target(
    tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from husai_architectures.topk import TopK
    from husai_core import Traits

    monkeypatch.setattr(TopK, "traits", Traits(at_most_k=True, own_target=True))
    run_tiny()
    assert audit(bundle.read(tmp_path / "out")).findings == ()
    for path in (tmp_path / "out" / "subjects").iterdir():
        document = json.loads(path.read_bytes())
        assert document["architecture"].get("own_target") is (True if "topk" in path.name else None)


def test_an_untrained_control_is_calibrated_on_the_rows_of_its_base(tmp_path: Path, run_tiny: Run) -> None:
    """Else its threshold is the start's zero, and a difference to it would be one of sparsity."""
    run_tiny(**{'architecture = "topk"': 'architecture = "batch_topk"'})
    evidence = json.loads((tmp_path / "out" / "evidence" / "reconstruction.site.json").read_bytes())
    l0 = {
        (measured["condition"], seen["seeds"][0]): seen["value"]
        for measured in evidence["measurements"]
        if measured["metric"]["name"] == "l0"
        for seen in measured["observations"]
    }
    for seed in (1, 2, 3):
        trained, untrained, random = (l0[f"site.topk{of}", seed] for of in ("", ".untrained", ".random_decoder"))
        assert 3 < trained < 5
        assert 3 < untrained < 5
        assert random == trained
