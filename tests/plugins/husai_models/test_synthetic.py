"""Synthetic rows are the sums they claim to be, fire as their law says, and cannot be had without SAELens."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from husai_core import EvaluationError, UsageError
from husai_core.plugins import EntryPoint, PluginTable
from husai_models.synthetic import NO_PARENT, Synthetic, SyntheticSettings, husai_models

pytest.importorskip("sae_lens")

model = Synthetic()
PLAIN = SyntheticSettings(features=12, width=8, rows=20000, most=0.2, least=0.05, bias=0.5)


def ignore(fraction: float, note: str) -> None:
    """Progress that nobody listens to."""


@pytest.fixture
def drawn(tmp_path):
    """What these settings draw, and its corpus."""

    def draw(settings, seed=0):
        folder = tmp_path / f"{settings}"[-80:] / f"{seed}"
        folder.mkdir(parents=True)
        model.prepare(settings, seed, folder, ignore)
        return model.load(settings, seed, folder), model.tokenise(settings, seed, folder), folder

    return draw


def _fires(network):
    return network.truth(torch.arange(len(network.rows))) > 0


def test_the_module_offers_it():
    assert [m.name for m in husai_models()] == ["synthetic"]


def test_without_sae_lens_it_cannot_be_used_and_says_what_to_install(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sae_lens" else found(name))
    table = PluginTable([EntryPoint("synthetic", "husai_models.synthetic", "husai")])
    assert [(p.kind, p.status) for p in table.all()] == [("models", "unavailable")]
    with pytest.raises(UsageError, match=r"needs 'sae_lens', which is not installed \(pip install 'husai\[bench\]'\)"):
        table.get("models", "synthetic", "study")


def test_rows_are_sums_of_unit_directions_and_labels_say_of_which(drawn):
    network, corpus, folder = drawn(PLAIN)
    features = model.tables(PLAIN, 0, folder)["features"]
    assert torch.allclose(features.norm(dim=1), torch.ones(12))
    assert float(model.tables(PLAIN, 0, folder)["bias"].norm()) == pytest.approx(0.5)
    assert (len(corpus.train), len(corpus.test)) == (16000, 4000)
    some = corpus.test[[3, 0, 2500]]
    truth = model.labels(PLAIN, 0, folder, corpus, some)["features"]
    assert truth.shape == (3, 1, 12)
    _, shown = network.run_with_cache(corpus.tokens[some], names_filter=["input"], stop_at_layer=None)
    assert torch.allclose(shown["input"], truth @ features + network.bias, atol=1e-5)


def test_features_fire_by_the_law_and_independently(drawn):
    fires = _fires(drawn(PLAIN)[0]).double()
    law = torch.arange(1, 13, dtype=torch.float64) ** -0.5
    planned = 0.05 + 0.15 * (law - law[-1]) / (law[0] - law[-1])
    assert torch.allclose(fires.mean(0), planned, atol=5 * (0.25 / 20000) ** 0.5)
    off_diagonal = fires.T.corrcoef() - torch.eye(12)
    assert off_diagonal.abs().max() < 5 / 20000**0.5


def test_correlation_makes_features_fire_together_as_often_as_before(drawn):
    settings = SyntheticSettings(
        features=12, width=8, rows=20000, most=0.2, least=0.05, correlation=0.7, correlation_rank=1
    )
    fires = _fires(drawn(settings)[0]).double()
    off_diagonal = fires.T.corrcoef() - torch.eye(12)
    assert off_diagonal.max() > 0.2
    assert off_diagonal.min() < -0.05
    assert fires.mean(0)[-1] == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("exclusive", [0.0, 1.0])
def test_children_fire_beside_their_parent_as_often_as_before(drawn, exclusive):
    settings = SyntheticSettings(
        features=12, width=8, rows=20000, most=0.3, least=0.04, zipf=1.0, roots=3, children=2, exclusive=exclusive
    )
    network, corpus, _ = drawn(settings)
    fires = _fires(network)
    assert network.parents.tolist() == [NO_PARENT] * 3 + [0, 0, 1, 1, 2, 2] + [NO_PARENT] * 3
    together = 0
    for parent, (one, other) in {0: (3, 4), 1: (5, 6), 2: (7, 8)}.items():
        assert not (fires[:, [one, other]] & ~fires[:, [parent]]).any()
        together += int((fires[:, one] & fires[:, other]).sum())
    assert (together == 0) is (exclusive == 1.0)
    law = 1 / torch.arange(1, 13, dtype=torch.float64)
    planned = 0.04 + 0.26 * (law - law[-1]) / (law[0] - law[-1])
    rates = fires.double().mean(0)
    off = 0.01 if exclusive == 0 else 0.025  # SAELens compensates exclusion to first order
    assert (rates - planned).abs().max() < off
    assert all(check.holds for check in model.examine(network, corpus, settings, 0))


def test_orthogonal_steps_push_directions_apart(drawn):
    near, far = (
        drawn(SyntheticSettings(features=8, width=8, rows=100, most=0.5, least=0.4, orthogonal_steps=steps))[0]
        for steps in (0, 200)
    )
    coherence = [float((n.features @ n.features.T - torch.eye(8)).abs().max()) for n in (near, far)]
    assert coherence[0] > 0.3
    assert coherence[1] < 0.05


def test_the_seed_decides_everything(drawn):
    settings = SyntheticSettings(features=6, width=4, rows=50, most=0.5, least=0.4, roots=2, correlation=0.2)
    digests = [model.weights(settings, drawn(settings, seed)[2]) for seed in (1, 2)]
    assert digests[0] != digests[1]
    again = SyntheticSettings(**vars(settings))
    folder = drawn(again, 3)[2]
    model.prepare(again, 1, folder, ignore)
    assert model.weights(again, folder) == digests[0]


def test_each_check_fails_where_it_should(drawn):
    settings = SyntheticSettings(features=12, width=8, rows=500, most=0.3, least=0.1, zipf=1.0, roots=3)
    network, corpus, _ = drawn(settings)

    def failing():
        return [check.name for check in model.examine(network, corpus, settings, 0) if not check.holds]

    assert failing() == []
    network.rows = network.rows.clone()
    network.rows[7, 2] += 0.01
    assert failing() == ["largest_error_of_a_sum"]
    network.rows[7, 2] -= 0.01
    parents, network.parents = network.parents, network.parents.roll(1)
    assert failing() == ["children_without_parent"]
    network.parents = parents
    whole = network.truth
    network.truth = lambda numbers: whole(numbers) * (torch.arange(12) != 11)
    assert failing() == ["largest_error_of_a_sum", "features_never_shown"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"features": 1}, "features must be at least 2"),
        ({"rows": 1}, "rows must be at least 2"),
        ({"least": 0.2, "most": 0.1}, "least < most"),
        ({"zipf": 0.0}, "zipf must be finite and above 0"),
        ({"bias": float("nan")}, "bias must be finite"),
        ({"exclusive": 1.5}, "exclusive must be between 0 and 1"),
        ({"correlation": 0.5, "correlation_rank": 4}, "correlation_rank must be below 1"),
        ({"roots": 65}, "roots must be at most features"),
        ({"test_share": 0.0}, "test_share"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        SyntheticSettings(**wrong)


def test_children_that_cannot_fire_often_enough_are_refused(tmp_path):
    settings = SyntheticSettings(features=12, width=8, rows=500, most=0.11, least=0.1, roots=3, exclusive=1.0)
    with pytest.raises(EvaluationError, match=r"feature 3 would have to fire on every row .*lower least"):
        model.prepare(settings, 0, tmp_path, ignore)
