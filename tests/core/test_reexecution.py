"""`husai audit --reexecute`: honest bundles come out the same, and a lie that fits itself does not."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import husai_core.plugins
from husai_core import bundle, strict_json
from husai_core.cli import invoke
from husai_core.engine import coders, make_plan, measuring, run_plan, trainer
from husai_core.engine.cache import Cache
from husai_core.evidence import Measurement, Observation
from husai_core.plugins import PluginTable
from husai_core.study import parse_study
from husai_core.testing import tiny
from husai_core.testing.log import Log
from husai_gates.audit.draw import Unit, draw
from husai_gates.pipeline import audit_folder
from husai_gates.selection import make_selection

Run = Callable[..., Log]
Audit = Callable[..., tuple[int, dict[str, Any], str]]

WITHOUT_WEIGHTS = {"[bundle]\nweights = true\n": ""}


@pytest.fixture(autouse=True)
def _with_tiny(monkeypatch: pytest.MonkeyPatch, plugins: PluginTable) -> None:
    monkeypatch.setattr(husai_core.plugins, "PluginTable", lambda: plugins)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, plugins: PluginTable, tiny_study: str) -> Path:
    """The bundle of the tiny study, with its weights."""
    folder = tmp_path_factory.mktemp("honest")
    plan = make_plan(parse_study(tiny_study.encode(), str(folder / "study.toml")), plugins)
    run_plan(plan, folder / "out", Cache(folder / "cache"), Log(), 1, None, lambda files: {})
    return folder / "out"


@pytest.fixture
def audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Audit:
    """Audit the bundle `out` with a re-execution of that many units: exit code, JSON report, standard error."""

    def run(count: int, *more: str, out: Path | None = None) -> tuple[int, dict[str, Any], str]:
        options = ["--reexecute", str(count), "--draw", "7", "--cache", str(tmp_path / "auditor"), "--format", "json"]
        code = invoke(["audit", str(out or tmp_path / "out"), *options, *more])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else {}, said.err

    return run


def _found(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(finding["code"], finding["file"]) for finding in report["findings"]}


def test_an_honest_bundle_is_re_executed_from_its_study(run_tiny: Run, audit: Audit) -> None:
    run_tiny(**WITHOUT_WEIGHTS)
    code, report, err = audit(6, "--exact")
    assert (code, report["findings"], report["assurance"]) == (0, [], "re_executed")
    units = report["reexecution"]["units"]
    assert [unit["condition"] for unit in units[:4]] == ["site.topk", "site.topk", "site.relu", "site.relu"]
    assert {unit["file"] for unit in units[:2]} == {
        f"evidence/{b}.site.json" for b in ("consistency", "reconstruction")
    }
    assert all(".untrained" in unit["condition"] or ".random_decoder" in unit["condition"] for unit in units[4:])
    assert {unit["weights"] for unit in units} == {"made again, the same"}
    assert all(unit["compared"] > 3 for unit in units)
    assert report["reexecution"]["notes"] == []
    assert "train site.topk" in err
    _, again, err = audit(6)
    assert again["reexecution"] == report["reexecution"]
    assert "train site.topk: from the cache" in err


def test_weights_in_the_bundle_are_measured_and_trained_again_when_asked(honest: Path, audit: Audit) -> None:
    code, report, err = audit(2, out=honest)
    assert (code, report["assurance"]) == (0, "re_executed")
    assert {unit["weights"] for unit in report["reexecution"]["units"]} == {"held in the bundle"}
    assert "train" not in err
    code, report, err = audit(2, "--retrain", "--exact", out=honest)
    assert (code, report["assurance"]) == (0, "re_executed")
    assert {unit["weights"] for unit in report["reexecution"]["units"]} == {"made again, the same"}
    assert "train site.topk" in err


def test_a_bundle_of_the_version_before_is_run_again_like_any(honest: Path, audit: Audit, tmp_path: Path) -> None:
    files = {path: raw for path, raw in bundle.read(honest).files.items() if path != bundle.MANIFEST}
    moved = {}
    for path in [path for path in files if path.startswith("subjects/")]:
        document = strict_json.parse(files[path], path)
        document["schema"] = "husai:subject/v1"
        del document["budget"]["agreement"], document["budget"]["decay_share"]
        raw = strict_json.encode(document)
        moved[strict_json.digest(files[path]).encode()] = strict_json.digest(raw).encode()
        files[path] = raw
    for path in [path for path in files if path.startswith("evidence/")]:
        for newest, then in moved.items():
            files[path] = files[path].replace(newest, then)
    bundle.write(files, tmp_path / "then")
    code, report, _ = audit(2, out=tmp_path / "then")
    assert (code, report["findings"], report["assurance"]) == (0, [], "re_executed")


def test_more_units_than_there_are_means_all_of_them(honest: Path, audit: Audit) -> None:
    code, report, err = audit(1000, out=honest)
    assert (code, report["assurance"]) == (0, "re_executed")
    assert len(report["reexecution"]["units"]) == report["reexecution"]["of"] == 2 * 3 * (3 + 3)
    assert "no more can be, 1000 were asked for" in err


def test_another_draw_takes_other_units(honest: Path, plugins: PluginTable) -> None:
    report = audit_folder(honest)

    def drawn(seed: int) -> list[Unit]:
        found = draw(report.evidence, report.conditions, report.content_digest, 6, seed, {})
        return list(found.units)

    assert drawn(1) == drawn(1)
    assert len({tuple(drawn(seed)) for seed in range(20)}) > 10
    assert len({unit for seed in range(200) for unit in drawn(seed)}) == 36


def _inflated(*, metric: str, by: float) -> Callable[..., Any]:
    """An engine that writes down more than it saw, of everyone."""
    honest = measuring.evidence_document

    def lie(*, measurements: list[Measurement], **others: Any) -> dict[str, Any]:
        told = [
            dataclasses.replace(
                m, observations=tuple(Observation(o.seeds, o.value + by, o.part) for o in m.observations)
            )
            if m.metric == metric
            else m
            for m in measurements
        ]
        return honest(measurements=told, **others)

    return lie


@pytest.mark.parametrize("weights", [True, False])
def test_observations_that_nobody_made_are_caught_although_everything_fits(
    tmp_path: Path, run_tiny: Run, audit: Audit, monkeypatch: pytest.MonkeyPatch, weights: bool
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "evidence_document", _inflated(metric="pwmcc", by=0.01))
        run_tiny(**({} if weights else WITHOUT_WEIGHTS))
    assert invoke(["audit", str(tmp_path / "out"), "--out", str(tmp_path / "before")]) == 0
    code, report, _ = audit(2)
    assert (code, report["assurance"]) == (3, "recomputed")
    assert _found(report) == {("EV-REEXECUTE", "evidence/consistency.site.json")}
    finding = report["findings"][0]
    assert finding["path"].startswith("$.measurements[")
    assert "'pwmcc' of 'site.topk' at seeds" in finding["rule"]
    assert finding["next_step"]


def test_seeds_that_are_claimed_and_were_not_trained_are_caught_by_their_weights(
    run_tiny: Run, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = trainer.initial_params
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "initial_params", lambda a, s, dims, seed, mean: honest(a, s, dims, seed + 10, mean))
        run_tiny(**WITHOUT_WEIGHTS)
    code, report, _ = audit(2, "--exact")
    assert code == 3
    assert any(file.startswith("subjects/site.topk.s") for _, file in _found(report))
    code, report, _ = audit(2)
    assert {unit["weights"] for unit in report["reexecution"]["units"]} == {"made again, others"}
    assert all("prediction interval" in unit["tolerance"] for unit in report["reexecution"]["units"])
    assert any("the weights have the digest" in note for note in report["reexecution"]["notes"])


@pytest.mark.parametrize(("by", "caught"), [(1e-2, False), (1e3, True)])
def test_beside_other_weights_values_must_lie_where_one_more_seed_would(
    run_tiny: Run, audit: Audit, monkeypatch: pytest.MonkeyPatch, by: float, caught: bool
) -> None:
    describe = coders.subject_of

    def forged(coder: Any, condition: Any, *more: Any, **others: Any) -> Any:
        true = describe(coder, condition, *more, **others)
        return dataclasses.replace(true, weights=strict_json.digest(true.name.encode()))

    with monkeypatch.context() as patch:
        patch.setattr(coders, "subject_of", forged)
        patch.setattr(measuring, "evidence_document", _inflated(metric="l1", by=by))
        run_tiny(**WITHOUT_WEIGHTS)
    code, report, _ = audit(2)
    assert code == (3 if caught else 0)
    assert _found(report) == ({("EV-REEXECUTE", "evidence/reconstruction.site.json")} if caught else set())
    assert {unit["weights"] for unit in report["reexecution"]["units"]} == {"made again, others"}


def test_a_measurement_that_was_left_out_is_found(run_tiny: Run, audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = measuring.evidence_document

    def silent(*, measurements: list[Measurement], **others: Any) -> dict[str, Any]:
        left = [m for m in measurements if (m.condition, m.metric) != ("site.topk", "l1")]
        return honest(measurements=left, **others)

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "evidence_document", silent)
        run_tiny()
    code, report, _ = audit(2)
    assert code == 3
    assert "'l1' of 'site.topk'" in report["findings"][0]["rule"]


@pytest.mark.parametrize(("more", "code"), [((), "EV-NOT-REPEATED"), (("--exact",), "EV-REEXECUTE")])
def test_of_another_model_than_the_bundle_says_nothing_is_trained_and_nothing_proven(
    honest: Path, audit: Audit, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], code: str
) -> None:
    build = tiny.Tiny.build
    monkeypatch.setattr(tiny.Tiny, "build", lambda self, settings, seed: build(self, settings, seed + 1))
    exit_code, report, err = audit(2, "--retrain", *more, out=honest)
    assert (exit_code, report["assurance"]) == (3 if more else 2, "recomputed")
    assert (code, "sites/site.json") in _found(report)
    assert report["reexecution"]["units"] == []
    assert "train site" not in err


def test_a_bundle_that_cannot_be_believed_is_not_run(tmp_path: Path, run_tiny: Run, audit: Audit) -> None:
    run_tiny()
    path = tmp_path / "out" / "evidence" / "reconstruction.site.json"
    path.write_bytes(path.read_bytes().replace(b"0.", b"1.", 1))
    code, report, err = audit(2)
    assert (code, report["assurance"]) == (3, "hash_only")
    assert "nothing is run again" in err
    assert "reexecution" not in report


def test_a_version_that_is_not_installed_is_a_usage_error(
    honest: Path, audit: Audit, monkeypatch: pytest.MonkeyPatch, plugins: PluginTable
) -> None:
    (plugin,) = (p for p in plugins.of_kind("benchmarks") if p.name == "reconstruction")
    monkeypatch.setitem(plugin.__dict__, "version", "99")
    code, _, err = audit(2, out=honest)
    assert code == 64
    assert "'reconstruction' is version '99' here" in err
    assert "install the version of 'husai 0.1.0'" in err


def test_without_torch_the_command_that_brings_it_is_named(
    honest: Path, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = husai_core.plugins.importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None if name == "torch" else find(name, *more))
    code, _, err = audit(2, out=honest)
    assert code == 64
    assert "pip install 'husai[train]'" in err


def test_text_says_what_was_run_and_how_closely(
    tmp_path: Path, honest: Path, audit: Audit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(
        ["audit", str(honest), "--reexecute", "1", "--draw", "7", "--cache", str(tmp_path / "auditor")]
    ) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert ", re_executed\n" in out
    assert "rerun   1 of 36 units, draw 7" in out
    assert "within 0.001 of the value or 1e-06" in out


def test_options_of_a_run_without_a_run_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["audit", str(tmp_path), "--draw", "7"]) == 64
    assert "--draw: says how units are run again" in capsys.readouterr().err


def test_what_a_search_confirmed_and_what_it_explored_are_run_again(
    tmp_path: Path, plugins: PluginTable, audit: Audit, tiny_study: str
) -> None:
    text = tiny_study.replace("settings = { k = 4 }", 'sweep = { "settings.k" = [2, 4] }')
    text += '\n[[search]]\nname = "best"\nsae = "topk"\nseeds = [4, 5, 6]\nbenchmark = "reconstruction"\n'
    text += 'metric = "explained_variance"\nover = { control = "untrained" }\n'
    plan = make_plan(parse_study(text.replace("weights = true", "weights = false").encode(), "study.toml"), plugins)
    cache = Cache(tmp_path / "cache")
    run_plan(plan, tmp_path / "out", cache, Log(), 1, None, lambda files: {}, make_selection)
    code, report, _ = audit(1000, "--exact")
    assert (code, report["findings"], report["assurance"]) == (0, [], "re_executed")
    conditions = {unit["condition"] for unit in report["reexecution"]["units"]}
    assert {"site.best", "site.best.untrained", "site.topk.k2", "site.topk.k4.untrained"} <= conditions


def test_a_benchmark_whose_settings_reach_out_is_left_out_and_not_run(
    honest: Path, audit: Audit, monkeypatch: pytest.MonkeyPatch, plugins: PluginTable
) -> None:
    (plugin,) = (p for p in plugins.of_kind("benchmarks") if p.name == "consistency")
    monkeypatch.setattr(type(plugin.item), "outside", lambda self, settings: "starts the program rm")
    code, report, err = audit(1000, out=honest)
    assert (code, report["assurance"]) == (0, "re_executed")
    assert report["reexecution"]["left_out"] == [
        "evidence/consistency.site.json: its settings make it reach out of this machine (starts the program rm)"
    ]
    assert "consistency at" not in err


def test_checkpoints_from_elsewhere_are_read_from_the_folder_that_is_named(
    tmp_path: Path, run_tiny: Run, audit: Audit
) -> None:
    run_tiny(out="theirs")
    pretrained = (
        '[[sae]]\nname = "old"\nrole = "baseline"\npretrained = '
        + json.dumps([f"theirs/weights/site.relu.s{seed}" for seed in (3, 1, 2)])
        + "\n"
    )
    old = '[[sae]]\nname = "relu"\narchitecture = "relu"\nrole = "baseline"\nd_sae = 24\n'
    run_tiny(**{old: pretrained, '[[control]]\nname = "untrained"\n': ""})
    code, report, _ = audit(4, "--study-folder", str(tmp_path))
    assert (code, report["assurance"]) == (0, "re_executed")
    shutil.rmtree(tmp_path / "theirs")
    code, _, err = audit(4, "--study-folder", str(tmp_path))
    assert code == 64
    assert "there is no checkpoint here" in err


def test_the_gate_says_recomputed_whatever_an_auditor_did(tmp_path: Path, honest: Path) -> None:
    assert audit_folder(honest).assurance == "recomputed"


def test_stopped_it_goes_on_from_what_was_finished(honest: Path, audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "train", stop)
        assert audit(2, "--retrain", out=honest)[0] == 130
    code, report, err = audit(2, "--retrain", out=honest)
    assert (code, report["assurance"]) == (0, "re_executed")
    assert "activations site: from the cache" in err


def test_the_cache_of_an_audit_never_lies_in_the_bundle(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["audit", str(honest), "--reexecute", "1", "--cache", str(honest / "cache")]) == 64
    assert "lies in the bundle" in capsys.readouterr().err
    assert not (honest / "cache").exists()
