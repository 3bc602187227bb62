"""Controls in a run: each has the budget, the rows and the units that it claims, and comes from the cache alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from husai_core import EvaluationError, UsageError, bundle, strict_json
from husai_core.engine import make_plan, run_plan
from husai_core.engine.cache import Cache
from husai_core.plugins import PluginTable
from husai_core.study import parse_study
from husai_gates.audit import audit

AGAIN = ("permuted_dimensions", "gaussian_matched", "random_model")
FIXED = ("identity", "pca", "oracle")
TWO = '[[control]]\nname = "untrained"\n\n[[control]]\nname = "random_decoder"\n'
SEEDS = (1, 2, 3)
Texts = Callable[..., str]


class Counting:
    """A listener that holds the run to the number of pieces that it announced."""

    def __init__(self) -> None:
        self.done: list[tuple[str, bool]] = []
        self.warnings: list[str] = []
        self.last = (0, 0)

    def start(self, label: str, number: int, total: int) -> None:
        self.last = (number, total)

    def progress(self, fraction: float, note: str) -> None: ...

    def finish(self, label: str, *, cached: bool, seconds: float) -> None:
        self.done.append((label, cached))

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture(scope="session")
def study_of(tiny_study: str) -> Texts:
    """The tiny study with other controls, given as names or as tables, and with replacements made in its text."""

    def text(*controls: str, **replace: str) -> str:
        tables = [table if "\n" in table else f'[[control]]\nname = "{table}"\n' for table in controls]
        study = tiny_study.replace(TWO, "\n".join(tables))
        for old, new in replace.items():
            assert old in study
            study = study.replace(old, new)
        return study

    return text


@pytest.fixture(scope="session")
def run_text(plugins: PluginTable) -> Callable[[str, Path], Counting]:
    def run(study: str, folder: Path, out: str = "out", cache: str = "cache") -> Counting:
        listener = Counting()
        plan = make_plan(parse_study(study.encode(), str(folder / "tiny.toml")), plugins)
        run_plan(plan, folder / out, Cache(folder / cache), listener, 1, None, lambda files: {})
        return listener

    return run


@pytest.fixture(scope="module")
def everything(
    tmp_path_factory: pytest.TempPathFactory, run_text: Any, study_of: Texts, plugins: PluginTable
) -> tuple[Path, Counting]:
    """A run with every control that there is."""
    folder = tmp_path_factory.mktemp("everything")
    names = [plugin.name for plugin in plugins.of_kind("controls")]
    return folder, run_text(study_of(*names), folder)


def document(folder: Path, path: str) -> Any:
    return json.loads((folder / "out" / path).read_bytes())


def values(folder: Path, metric: str, benchmark: str = "reconstruction") -> dict[tuple[str, tuple[int, ...]], float]:
    """Every value of a metric, by condition and unit."""
    return {
        (measured["condition"], tuple(seen["seeds"])): seen["value"]
        for measured in document(folder, f"evidence/{benchmark}.site.json")["measurements"]
        if measured["metric"]["name"] == metric
        for seen in measured["observations"]
    }


def test_every_control_runs_and_its_bundle_is_sound(everything: Any, plugins: PluginTable) -> None:
    folder, listener = everything
    report = audit(bundle.read(folder / "out"))
    assert report.findings == ()
    assert len(report.conditions) == 2 * (1 + len(plugins.of_kind("controls")))
    assert all(e.outcome.status == "completed" for e in report.evidence.values())
    assert listener.warnings == []
    assert listener.last[0] == listener.last[1] == len(listener.done), "the work was announced as it was"


def test_run_again_everything_is_in_the_cache(everything: Any, run_text: Any, study_of: Texts) -> None:
    folder, _ = everything
    listener = run_text((folder / "out" / "study.toml").read_text(), folder)
    assert all(cached for _, cached in listener.done)


def test_a_control_that_is_trained_has_the_budget_of_its_base_and_has_moved(everything: Any) -> None:
    folder, _ = everything
    moved = values(folder, "cosine_to_initial")
    for base in ("site.topk", "site.relu"):
        for name in AGAIN:
            for seed in SEEDS:
                subject, model = (
                    document(folder, f"subjects/{condition}.s{seed}.json") for condition in (f"{base}.{name}", base)
                )
                assert subject["budget"] == model["budget"]
                assert subject["weights"] != model["weights"]
                assert moved[f"{base}.{name}", (seed,)] < 0.999


def test_a_fixed_basis_is_one_for_all_seeds_and_says_so(everything: Any, plugins: PluginTable) -> None:
    folder, _ = everything
    for plugin in plugins.of_kind("controls"):
        subjects = [document(folder, f"subjects/site.topk.{plugin.name}.s{seed}.json") for seed in SEEDS]
        one = len({subject["weights"] for subject in subjects}) == 1
        assert one == (plugin.name in FIXED)
        assert {subject["control"].get("deterministic") for subject in subjects} == {True if one else None}
    agreements = values(folder, "pwmcc", "consistency")
    assert all(agreements["site.topk.pca", unit] == pytest.approx(1, abs=1e-6) for unit in [(1, 2), (1, 3), (2, 3)])


@pytest.mark.parametrize("name", ["permuted_dimensions", "gaussian_matched", "permuted_decoder", "random_decoder"])
def test_what_keeps_less_of_the_activations_explains_less_of_them(everything: Any, name: str) -> None:
    folder, _ = everything
    explained, error = values(folder, "explained_variance"), values(folder, "mse")
    for seed in SEEDS:
        assert explained[f"site.topk.{name}", (seed,)] < explained["site.topk", (seed,)]
        assert error[f"site.topk.{name}", (seed,)] > error["site.topk", (seed,)]


def test_pca_explains_most_where_as_many_latents_may_be_active(everything: Any) -> None:
    folder, _ = everything
    explained = values(folder, "explained_variance")
    assert all(explained["site.relu.pca", (s,)] > explained["site.relu", (s,)] for s in SEEDS)
    assert all(explained["site.topk.pca", (s,)] < 0.9 for s in SEEDS)


def _explained(coder_files: Path, digest: str, folder: Path) -> float:
    """Of the rows with this digest, by a TopK coder as its files describe it."""
    from husai_core.interchange import read_weights

    (path,) = (p for p in (folder / "cache").rglob("test.npy") if strict_json.digest(p.read_bytes()) == digest)
    x = numpy.load(path).astype("f8")
    w = {k: v.double().numpy() for k, v in read_weights((coder_files / "sae_weights.safetensors").read_bytes()).items()}
    before = numpy.maximum((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"], 0)
    before[before < numpy.sort(before, 1)[:, -4:-3]] = 0
    left = before @ w["W_dec"] + w["b_dec"] - x
    return float(1 - (left**2).sum() / ((x - x.mean(0)) ** 2).sum())


def test_a_control_of_another_model_is_trained_and_measured_on_the_rows_it_states(everything: Any) -> None:
    folder, _ = everything
    subject = document(folder, "subjects/site.topk.random_model.s1.json")
    stated = {source["name"]: source for source in subject["control"]["activations"]}
    assert sorted(stated) == ["site.random_model.test.0", "site.random_model.train.0"]
    sites = {source["name"]: source for source in document(folder, "sites/site.json")["data"]}
    for name, source in stated.items():
        like = sites[name.replace(".random_model", "")]
        assert (source["rows"], source["digest"] == like["digest"]) == (like["rows"], False)
    looked_at = {s["name"]: s["digest"] for s in document(folder, "evidence/reconstruction.site.json")["data"]}
    own, real = stated["site.random_model.test.0"]["digest"], sites["site.test.0"]["digest"]
    assert looked_at == {"site.random_model.test.0": own, "site.test.0": real}
    measured = values(folder, "explained_variance")["site.topk.random_model", (1,)]
    weights = folder / "out" / "weights" / "site.topk.random_model.s1"
    assert measured == pytest.approx(_explained(weights, own, folder), abs=1e-5)
    assert measured > _explained(weights, real, folder) + 0.1
    assert "activations" not in document(folder, "subjects/site.topk.gaussian_matched.s1.json")["control"]


def test_a_benchmark_that_reads_documents_may_read_them_with_the_model_of_each_condition(
    tmp_path: Path, run_text: Any, study_of: Texts, monkeypatch: pytest.MonkeyPatch
) -> None:
    from husai_benchmarks.consistency import Consistency
    from husai_core import Task

    seen: dict[str, Any] = {}
    measure = Consistency.measure

    def reading(self: Consistency, task: Task) -> Any:
        read = task.read(["a b c"], 4)
        seen["site"] = read.rows_in.clone()
        for name in task.conditions:
            own = task.read(["a b c"], 4, condition=name)
            assert own.tokens == read.tokens
            seen[name] = own.rows_in.clone()
            embedding = task.own_model(name).network().embed  # type: ignore[attr-defined]
            assert seen[name][0].allclose(embedding[[0, own.tokens[0][0]]].sum(0)), "BOS and the first word"
        return measure(self, task)

    monkeypatch.setattr(Consistency, "measure", reading)
    run_text(study_of("random_decoder", "random_model", **{"steps = 40": "steps = 1"}), tmp_path)
    assert len(seen) == 1 + 2 * 3
    for name, rows in seen.items():
        assert rows.equal(seen["site"]) == ("random_model" not in name)
    assert seen["site.topk.random_model"].equal(seen["site.relu.random_model"])


def test_another_draw_of_the_model_is_other_work_and_the_rest_is_not(
    everything: Any, run_text: Any, study_of: Texts
) -> None:
    folder, _ = everything
    study = study_of("random_decoder", '[[control]]\nname = "random_model"\nsettings = { seed = 1 }\n')
    listener = run_text(study, folder, out="redrawn")
    fresh = {label for label, cached in listener.done if not cached}
    assert fresh == {
        "activations of random_model at site",
        "control site.topk.random_model",
        "control site.relu.random_model",
        "reconstruction at site",
        "consistency at site",
    }
    assert audit(bundle.read(folder / "redrawn")).findings == ()


def test_a_control_of_another_name_is_not_taken_from_the_cache_of_the_first(
    tmp_path: Path, run_text: Any, study_of: Texts
) -> None:
    """What is random in it is drawn for its condition, so the cache must not answer for another one."""
    renamed = study_of("random_decoder", **{'name = "topk"\n': 'name = "other"\n', "steps = 40": "steps = 2"})
    run_text(study_of("random_decoder", **{"steps = 40": "steps = 2"}), tmp_path, out="first")
    run_text(renamed, tmp_path, out="warm")
    run_text(renamed, tmp_path, out="cold", cache="empty")
    contents = [bundle.read(tmp_path / name).json(bundle.MANIFEST)["content_digest"] for name in ("warm", "cold")]
    assert contents[0] == contents[1]


@pytest.mark.parametrize("name", ["untrained", *AGAIN, *FIXED])
def test_thresholds_of_controls_are_set_on_the_rows_they_are_measured_on(
    tmp_path: Path, run_text: Any, study_of: Texts, name: str
) -> None:
    replace = {'architecture = "topk"': 'architecture = "batch_topk"', "steps = 40": "steps = 10"}
    run_text(study_of(name, **replace), tmp_path)
    l0 = values(tmp_path, "l0")
    assert all(3 < l0[f"site.topk.{name}", (seed,)] < 5 for seed in SEEDS)


TRANSCODER = 'model = "tiny"\nhook_in = "blocks.0.hook_resid_pre"\nhook_out = "blocks.0.hook_resid_post"\n'
SKIP = "apply_b_dec_to_input = false"
AS_TRANSCODERS = {
    'model = "tiny"\n': TRANSCODER,
    "k = 4 }": f"k = 4, {SKIP} }}",
    'role = "baseline"': f'role = "baseline"\nsettings = {{ {SKIP} }}',
    "steps = 40": "steps = 5",
}


def test_controls_of_transcoders_have_both_sides(tmp_path: Path, run_text: Any, study_of: Texts) -> None:
    run_text(study_of(*AGAIN, "permuted_decoder", "degraded", **AS_TRANSCODERS), tmp_path)
    assert audit(bundle.read(tmp_path / "out")).findings == ()
    subject = document(tmp_path, "subjects/site.topk.random_model.s1.json")
    assert [source["name"].removeprefix("site.random_model.") for source in subject["control"]["activations"]] == [
        "test.0",
        "test.1",
        "train.0",
        "train.1",
    ]


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_basis_of_a_transcoder_is_refused_before_anything_is_run(
    tmp_path: Path, run_text: Any, study_of: Texts, name: str
) -> None:
    with pytest.raises(
        UsageError, match=rf"control\[0\]: '{name}' copies what it reads, and 'site.topk' has something"
    ):
        run_text(study_of(name, **AS_TRANSCODERS), tmp_path)
    assert not (tmp_path / "cache" / "activations").exists()


def test_an_oracle_needs_a_model_that_knows_and_says_so_before_training(
    tmp_path: Path, run_text: Any, study_of: Texts, monkeypatch: pytest.MonkeyPatch
) -> None:
    from husai_core.testing.tiny import Tiny

    monkeypatch.setattr(Tiny, "tables", lambda *_: {"feature": 1})
    with pytest.raises(
        UsageError, match=r"control oracle at site site: .* 'tiny' gives no table 'features'.*did you mean"
    ):
        run_text(study_of("oracle"), tmp_path)
    assert not list((tmp_path / "cache").rglob("sae_weights.safetensors"))


def test_an_oracle_is_told_the_features_of_the_model(everything: Any) -> None:
    from safetensors.numpy import load_file

    from husai_core.interchange import read_weights

    folder, _ = everything
    (model,) = (folder / "cache").rglob("model.safetensors")
    embed = load_file(model)["embed"]
    true = embed / numpy.linalg.norm(embed, axis=1, keepdims=True)
    raw = (folder / "out" / "weights" / "site.topk.oracle.s1" / "sae_weights.safetensors").read_bytes()
    cosines = read_weights(raw)["W_dec"].numpy() @ true.T
    assert cosines.max(1) == pytest.approx(1, abs=1e-5)
    assert len(set(cosines.argmax(1))) == 24, "as many different features as there is room for"


def test_a_model_without_weights_to_draw_stops_the_run(tmp_path: Path, run_text: Any, study_of: Texts) -> None:
    kept = '[[control]]\nname = "random_model"\nsettings = { embeddings = false }\n'
    with pytest.raises(EvaluationError, match="no weights but its embeddings to draw anew"):
        run_text(study_of(kept, **{"steps = 40": "steps = 1"}), tmp_path)
