"""Training: seeds stand alone beside others, stopped training goes on to the same weights, divergence says where."""

from __future__ import annotations

import pytest
import torch

from husai_architectures.relu import Relu, ReluSettings
from husai_architectures.topk import TopK, TopKSettings
from husai_core import Dims, EvaluationError
from husai_core.engine import trainer
from husai_core.engine.agreement import best_matching
from husai_core.engine.batches import Batches
from husai_core.engine.trainer import Training, initial_params, train
from husai_core.study import Recipe

DIMS = Dims(12, 24, 12)
FAMILIES = [(TopK(), TopKSettings(k=3)), (Relu(), ReluSettings())]


def recipe(**changes):
    given = {"steps": 40, "batch_size": 16, "learning_rate": 1e-2, "data_order_seed": 0, "dead_after_steps": 5}
    return Recipe(**{**given, **changes})


def rows(count=64):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(count, 12, generator=generator)


def trained(architecture, settings, seeds, *, on_progress=lambda done, note: None, checkpoint=None, **changes):
    x = rows()
    starts = {seed: initial_params(architecture, settings, DIMS, seed, x.mean(0)) for seed in seeds}
    return train(architecture, settings, starts, x, x, recipe(**changes), on_progress, checkpoint)


def assert_same(first, second, **tolerance):
    assert first.keys() == second.keys()
    for seed in first:
        for name in first[seed]:
            torch.testing.assert_close(first[seed][name], second[seed][name], **tolerance)


@pytest.mark.parametrize(("architecture", "settings"), FAMILIES, ids=["topk", "relu"])
def test_a_seed_does_not_depend_on_how_many_are_trained_beside_it(architecture, settings):
    together = trained(architecture, settings, (1, 2, 3))
    alone = {seed: trained(architecture, settings, (seed,))[seed] for seed in (1, 2, 3)}
    assert_same(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("architecture", "settings"), FAMILIES, ids=["topk", "relu"])
@pytest.mark.parametrize("agreement", [0.0, 0.1], ids=["independent", "joint"])
@pytest.mark.parametrize("stop_at", [1, 23])
def test_stopped_and_taken_up_again_it_ends_with_the_same_weights(
    architecture, settings, agreement, stop_at, tmp_path, monkeypatch
):
    monkeypatch.setattr(trainer, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr(trainer, "PROGRESS_EVERY", 1)
    changes = {"agreement": agreement, "match_every": 7}
    whole = trained(architecture, settings, (1, 2), **changes)

    class Stopped(Exception):
        pass

    def stop(done, note):
        if done >= stop_at / 40:
            raise Stopped

    path = tmp_path / "state.safetensors"
    with pytest.raises(Stopped):
        trained(architecture, settings, (1, 2), on_progress=stop, checkpoint=path, **changes)
    assert path.exists()
    done = []
    resumed = trained(
        architecture, settings, (1, 2), checkpoint=path, on_progress=lambda d, _: done.append(d), **changes
    )
    assert done[0] >= (stop_at - 1) / 40 > -1, "it began anew"
    assert_same(resumed, whole, atol=0, rtol=0)


def test_divergence_names_step_and_seed_and_keeps_the_last_good_state(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "CHECKPOINT_EVERY", 0.0)
    path = tmp_path / "state.safetensors"
    with pytest.raises(EvaluationError) as caught:
        trained(Relu(), ReluSettings(), (1, 7), learning_rate=1e6, checkpoint=path)
    text = str(caught.value)
    assert "step" in text
    assert "seed" in text
    assert "lower the learning rate, now 1e+06" in text
    assert str(path) in text
    assert path.exists()


def test_only_the_seed_that_diverged_is_named():
    x = rows()
    architecture, settings = TopK(), TopKSettings(k=3)
    starts = {seed: initial_params(architecture, settings, DIMS, seed, x.mean(0)) for seed in (5, 6)}
    starts[6]["W_enc"][0, 0] = float("nan")
    with pytest.raises(EvaluationError, match="step 0, seed 6"):
        train(architecture, settings, starts, x, x, recipe(), lambda done, note: None)


def test_batches_larger_than_the_data_are_refused_with_the_way_out():
    with pytest.raises(EvaluationError, match="lower batch_size"):
        Batches(10, 11, 0)


def test_batches_go_on_from_their_state():
    first, second = Batches(10, 3, 0), Batches(10, 3, 0)
    for _ in range(5):
        first.next()
    second.restore(first.state())
    for _ in range(7):
        assert torch.equal(first.next(), second.next())


def test_an_epoch_shows_every_row_once():
    batches = Batches(12, 4, 1)
    assert sorted(torch.cat([batches.next() for _ in range(3)]).tolist()) == list(range(12))


def test_the_matching_undoes_a_permutation_with_signs():
    first = torch.nn.functional.normalize(rows(20), dim=-1)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    assert torch.equal(best_matching(first, -first[order])[order], torch.arange(20))


def test_agreement_draws_dictionaries_together_and_leaves_lone_seeds_alone():
    def likeness(params):
        a, b = (torch.nn.functional.normalize(params[s]["W_dec"], dim=-1) for s in (1, 2))
        return (a * b[best_matching(a, b)]).sum(-1).abs().mean()

    architecture, settings = FAMILIES[0]
    apart = trained(architecture, settings, (1, 2), steps=200)
    near = trained(architecture, settings, (1, 2), steps=200, agreement=1.0)
    assert likeness(near) > likeness(apart) + 0.1
    assert_same(trained(architecture, settings, (1,), agreement=1.0), trained(architecture, settings, (1,)))


def test_the_state_holds_no_pickle(tmp_path):
    x = rows()
    starts = {1: initial_params(TopK(), TopKSettings(k=3), DIMS, 1, x.mean(0))}
    training = Training(TopK(), TopKSettings(k=3), starts, x, x, recipe())
    training.advance()
    training.save(tmp_path / "state.safetensors")
    assert b"pickle" not in (tmp_path / "state.safetensors").read_bytes()
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("share", "rates"), [(0, [1, 1, 1, 1, 1]), (0.4, [1, 1, 1, 1, 0.5]), (1, [1, 0.8, 0.6, 0.4, 0.2])]
)
def test_the_learning_rate_falls_over_the_share_that_is_asked_for(share, rates):
    x = rows()
    starts = {1: initial_params(TopK(), TopKSettings(k=3), DIMS, 1, x.mean(0))}
    training = Training(TopK(), TopKSettings(k=3), starts, x, x, recipe(steps=5, decay_share=share))
    seen = []
    for _ in range(5):
        training.advance()
        seen.append(training.optimiser.param_groups[0]["lr"] / 1e-2)
    assert seen == pytest.approx(rates)
