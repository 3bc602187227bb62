"""Ground truth: an oracle scores 1, a random dictionary its floor, and SAELens counts the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from husai_architectures.relu import Relu
from husai_benchmarks.ground_truth import GroundTruth, GroundTruthSettings, husai_benchmarks
from husai_core import Coder, Dims, EvaluationError, Skipped, Task
from husai_core.model import Known
from husai_core.site import Site

FEATURES, WIDTH, ROWS = 8, 8, 3000
NAMES = {"feature_mcc", "feature_recovery", "feature_uniqueness", "feature_precision", "feature_recall", "feature_f1"}


@pytest.fixture
def truth(rows):
    """Orthogonal directions (8, 8) that fire on a tenth of the rows, and their activations."""
    directions, _ = torch.linalg.qr(rows(WIDTH, FEATURES, 1))
    fires = rows(ROWS, FEATURES, 2) > 1.2816
    return directions.T.contiguous(), fires * (1 + 0.1 * rows(ROWS, FEATURES, 3)).clamp(min=0.5)


@pytest.fixture
def task(truth):
    directions, active = truth
    known, heard = Known({"features": active}, {"features": directions}), []
    x = active @ directions
    settings = GroundTruthSettings(draws=2)
    yield Task(
        Site("s", "m", "h", "h"), {}, x, x, [], settings, lambda fraction, note: heard.append(fraction), lambda: known
    )
    assert all(0 <= fraction <= 1 for fraction in heard)


def dictionary(directions: torch.Tensor, seed: int = 0, threshold: float = 0.25) -> Coder:
    """Latents that read along their own direction, above a threshold."""
    params = {
        "W_enc": directions.T.contiguous(),
        "b_enc": torch.full((len(directions),), -threshold),
        "W_dec": directions,
        "b_dec": torch.zeros(directions.shape[1]),
    }
    return Coder(Relu(), Relu.Settings(), Dims(WIDTH, len(directions), WIDTH), seed, params, None)


def unit(drawn: torch.Tensor) -> torch.Tensor:
    return drawn / drawn.norm(dim=-1, keepdim=True)


def _measured(task: Task, *coders: Coder):
    found = list(GroundTruth().measure(replace(task, conditions={"one": coders})))
    assert {m.metric for m in found} == NAMES
    return {m.metric: m for m in found if not m.setting.keys() & {"rows", "directions"}}


def _floors(task: Task, coder: Coder, **setting: str):
    found = GroundTruth().measure(replace(task, conditions={"one": [coder]}))
    return {m.metric: m.observations[0].value for m in found if m.setting.items() >= setting.items()}


def test_the_module_offers_it():
    assert [b.name for b in husai_benchmarks()] == ["ground_truth"]


def test_an_oracle_scores_one_however_its_latents_are_ordered_and_scaled(task, truth):
    directions, _ = truth
    shuffled = directions[torch.randperm(FEATURES, generator=torch.Generator().manual_seed(0))]
    found = _measured(task, dictionary(directions, 4), dictionary(shuffled, 2))
    for metric, measurement in found.items():
        assert [o.seeds for o in measurement.observations] == [(4,), (2,)]
        assert [o.value for o in measurement.observations] == [pytest.approx(1)] * 2, metric
    assert found["feature_recovery"].setting == {"cosine": 0.9}
    floors = _floors(task, dictionary(directions), directions="random") | _floors(
        task, dictionary(directions), rows="shuffled"
    )
    assert floors.keys() == NAMES
    assert all(floor < 0.9 for floor in floors.values())


def test_random_dictionaries_score_their_floor(task, rows):
    coders = [dictionary(unit(rows(FEATURES, WIDTH, 100 + seed)), seed) for seed in range(40)]
    found = _measured(task, *coders)
    many = replace(task, settings=GroundTruthSettings(draws=200))
    floors = _floors(many, coders[0], directions="random")
    for metric in ("feature_mcc", "feature_recovery", "feature_uniqueness"):
        measurement = found[metric]
        values = [o.value for o in measurement.observations]
        assert sum(values) / len(values) == pytest.approx(floors[metric], abs=0.05), metric


def test_detectors_on_shuffled_rows_score_their_floor(task, truth):
    directions, active = truth
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))
    shuffled = Known({"features": active[order]}, {"features": directions})
    found = _measured(replace(task, known=lambda: shuffled), dictionary(directions))
    floor = _floors(task, dictionary(directions), rows="shuffled")
    assert floor.keys() == {"feature_precision", "feature_recall", "feature_f1"}
    for metric, value in floor.items():
        assert found[metric].observations[0].value == pytest.approx(value, abs=0.03)
        assert value == pytest.approx(0.1, abs=0.01)  # a tenth of the rows


@pytest.mark.parametrize("latents", [5, 8, 13])
def test_sae_lens_counts_the_same(task, truth, rows, latents):
    synthetic = pytest.importorskip("sae_lens.synthetic")
    directions, active = truth
    noisy = unit(directions.repeat(2, 1)[:latents] + 0.4 * rows(latents, WIDTH, 7))
    coder = dictionary(noisy)
    found = {name: m.observations[0].value for name, m in _measured(task, coder).items()}
    theirs = synthetic.compute_classification_metrics(coder.encode(task.test_in), active, noisy, directions)
    assert found["feature_precision"] == pytest.approx(theirs.precision, abs=1e-6)
    assert found["feature_recall"] == pytest.approx(theirs.recall, abs=1e-6)
    assert found["feature_f1"] == pytest.approx(theirs.f1_score, abs=1e-6)
    assert found["feature_mcc"] == pytest.approx(synthetic.mean_correlation_coefficient(noisy, directions), abs=1e-6)
    assert found["feature_uniqueness"] == pytest.approx(synthetic.feature_uniqueness(noisy, directions))


def test_each_defect_lowers_what_it_should(task, truth):
    directions, _ = truth
    twice = torch.cat([directions[:4], directions[:4]])
    found = {name: m.observations[0].value for name, m in _measured(task, dictionary(twice)).items()}
    assert (found["feature_recovery"], found["feature_uniqueness"]) == (0.5, 0.5)
    assert found["feature_precision"] == pytest.approx(1)
    deaf = {n: m.observations[0].value for n, m in _measured(task, dictionary(directions, threshold=9.0)).items()}
    assert (deaf["feature_precision"], deaf["feature_recall"], deaf["feature_f1"]) == (0, 0, 0)
    assert deaf["feature_recovery"] == 1
    jumpy = {n: m.observations[0].value for n, m in _measured(task, dictionary(directions, threshold=-1.0)).items()}
    assert jumpy["feature_recall"] == 1
    assert jumpy["feature_precision"] == pytest.approx(0.1, abs=0.01)


def test_slices_do_not_matter(task, rows):
    coder = dictionary(unit(rows(6, WIDTH, 4)))
    whole = _measured(task, coder)
    sliced = _measured(replace(task, settings=GroundTruthSettings(draws=2, rows_per_slice=7)), coder)
    assert sliced == whole


def test_what_cannot_be_measured_is_refused_or_skipped(task, truth):
    directions, _ = truth
    silent = dictionary(directions.clone())
    silent.params["W_dec"][3] = 0
    with pytest.raises(ValueError, match="row 3 of the dictionary has norm 0"):
        _measured(task, silent)
    broken = dictionary(directions)
    broken.params["b_enc"] = torch.full((FEATURES,), float("nan"))
    with pytest.raises(ValueError, match="latents are not finite"):
        _measured(task, broken)
    with pytest.raises(Skipped, match="gives no table 'features'"):
        _measured(replace(task, known=Known), silent)
    with pytest.raises(Skipped, match="true features are 8 wide, what dictionaries write 5"):
        _measured(replace(task, test_out=torch.zeros(ROWS, 5)), silent)
    with pytest.raises(EvaluationError, match="no test rows"):
        _measured(replace(task, test_in=torch.zeros(0, WIDTH)), silent)
    for wrong in ({"rows_per_slice": 0}, {"draws": 0}, {"recovered_at": 0.0}, {"recovered_at": 1.1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            GroundTruthSettings(**wrong)


POLICY = """
schema = "husai:policy/v1"
name = "circuits"
version = "1"
purpose = "For tests."
confidence = 0.95
min_units = 2
preregistered = false
code = "any"
"""
RULE = """
[[rule]]
id = "{0}-measured"
question = "Was it measured?"
reason = "It must be."
kind = "present"
benchmark = "{0}"
"""


def test_the_study_runs_and_a_circuit_that_is_asked_of_synthetic_data_is_missing(tmp_path, capsys):
    pytest.importorskip("sae_lens")
    from husai_core.cli import invoke

    study = (Path(__file__).parents[3] / "studies" / "ground_truth.toml").read_text()
    smaller = {"steps = 2000": "steps = 20", "rows = 20000": "rows = 2000", ", 456, 789, 1011]": "]"}
    smaller["[training]"] = """[[site]]
name = "plain"
model = "synthetic"
settings = { features = 48, width = 32, rows = 2000 }

[training]"""  # another site has other floors for dictionaries of the same size
    for old, new in smaller.items():
        assert old in study
        study = study.replace(old, new)
    (tmp_path / "study.toml").write_text(study + '\n[[benchmark]]\nname = "known_circuit"\n')
    (tmp_path / "policy.toml").write_text(POLICY + RULE.format("ground_truth") + RULE.format("known_circuit"))
    out = tmp_path / "out"
    invoke(["run", str(tmp_path / "study.toml"), "--out", str(out), "--cache", str(tmp_path / "cache")])
    evidence = {p.name: json.loads(p.read_bytes()) for p in (out / "evidence").iterdir()}
    known = evidence["ground_truth.synthetic.json"]
    assert known["outcome"] == {"status": "completed"}
    assert {m["metric"]["name"] for m in known["measurements"]} == NAMES
    circuit = evidence["known_circuit.synthetic.json"]["outcome"]
    assert circuit["status"] == "skipped"
    assert "the model 'synthetic' gives no table 'embedding'" in circuit["reason"]
    capsys.readouterr()
    assert invoke(["gate", str(out), "--policy", str(tmp_path / "policy.toml"), "--format", "json"]) == 2
    decision = json.loads(capsys.readouterr().out)
    assert {f["code"] for f in decision["findings"]} == {"EV-SKIPPED"}
    assert {row["rule"]: row["status"] for row in decision["rows"]} == {
        "ground_truth-measured": "pass",
        "known_circuit-measured": "missing",
    }
