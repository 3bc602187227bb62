"""Many probes at once are the ones scikit-learn fits one by one, and better where the classes lie apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from husai_benchmarks import probes
from husai_benchmarks.probes import STRENGTHS, choose, fit


def problems(seed: int, count: int, rows: int, width: int, noise: float, scale: float = 1.0) -> tuple:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, rows, width, generator=generator)
    x = torch.cat([drawn[..., :1], drawn[..., 1:].relu()], -1) * scale
    score = drawn[..., 0] + noise * torch.randn(count, rows, generator=generator)
    return x, (score.argsort(-1).argsort(-1) >= rows // 2).long()


def sklearn_values(x, labels, strength, at) -> np.ndarray:
    model = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-12, max_iter=2000)
    return model.fit(x.double().numpy(), labels.numpy()).decision_function(at.double().numpy())


@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(8, 60),
    width=st.integers(1, 12),
    noise=st.sampled_from([0.0, 0.3, 3.0]),  # at 0 the classes lie apart
    strength=st.sampled_from([1e-5, 1e-2, 1.0, 30.0]),
)
@settings(max_examples=25, deadline=None)
def test_decision_values_are_those_of_scikit_learn(seed, rows, width, noise, strength) -> None:
    x, labels = problems(seed, 2, rows, width, noise)
    fresh, _ = problems(seed + 1, 2, 10, width, noise)
    found = fit(x, labels, strength).decide(fresh)
    for number in range(2):
        expected = sklearn_values(x[number], labels[number], strength, fresh[number])
        np.testing.assert_allclose(found[number], expected, rtol=1e-6, atol=1e-6)


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5]), st.sampled_from([1e-3, 1.0, 1e3]))
@settings(max_examples=12, deadline=None)
def test_the_slope_vanishes_at_the_minimum_however_weak_the_penalty(seed, noise, scale) -> None:
    """At C = 1e5 and classes apart scikit-learn stops early, so the condition itself is checked."""
    x, labels = problems(seed, 3, 40, 6, noise, scale)
    found = fit(x, labels, 1e5)
    signs = 1 - 2 * labels.double()
    wrong = signs * torch.sigmoid(signs * found.decide(x))
    pull = -1e5 * (wrong.unsqueeze(-2) @ x.double()).squeeze(-2)
    terms = 1e5 * (wrong.abs().unsqueeze(-2) @ x.double().abs()).squeeze(-2)
    assert ((pull - found.weights).abs() <= 1e-9 * terms).all()


def test_more_columns_than_rows_change_nothing_but_the_cost() -> None:
    x, labels = problems(0, 2, 30, 80, 0.5)
    found = fit(x, labels, 1.0)
    assert found.weights.shape == (2, 80)
    np.testing.assert_allclose(found.decide(x)[1], sklearn_values(x[1], labels[1], 1.0, x[1]), atol=1e-6)


def test_leading_axes_are_broadcast_and_masked_rows_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = problems(3, 2, 24, 3, 0.5)
    used = torch.ones(4, 24, dtype=torch.bool)
    for fold in range(4):
        used[fold, fold::4] = False
    strengths = torch.tensor([0.1, 10.0])
    axes = (x[:, None, None], labels[:, None, None], strengths[:, None], used)
    found = fit(*axes)
    assert found.weights.shape == (2, 2, 4, 3)
    alone = fit(x[1][used[2]], labels[1][used[2]], 10.0)
    torch.testing.assert_close(found.weights[1, 1, 2], alone.weights, rtol=1e-9, atol=1e-12)
    monkeypatch.setattr(probes, "NUMBERS_AT_ONCE", 1)
    torch.testing.assert_close(fit(*axes).weights, found.weights, rtol=1e-9, atol=1e-12)


def test_dead_columns_have_no_weight() -> None:
    x, labels = problems(4, 1, 30, 3, 0.5)
    x[..., 1] = 0
    assert fit(x, labels, 1e5).weights[0, 1] == 0


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        fit(torch.ones(4, 1), torch.ones(4))


@given(st.integers(0, 10**6))
@settings(max_examples=4, deadline=None)
def test_the_penalty_is_chosen_as_a_loop_over_scikit_learn_chooses_it(seed) -> None:
    x, labels = problems(seed, 2, 48, 4, 1.0)
    folds = torch.ones(3, 48, dtype=torch.bool)
    for fold in range(3):
        folds[fold, fold::3] = False
    tried = tuple(c for c in STRENGTHS if c < 1e3)[::2]
    found, seen = choose(x, labels, folds, tried)
    for number in range(2):
        rows, truth = x[number], labels[number]
        scores = []
        for strength in tried:
            each = [
                roc_auc_score(truth[~fold], sklearn_values(rows[fold], truth[fold], strength, rows[~fold]))
                for fold in folds
            ]
            scores.append(np.mean(each))
        expected = sklearn_values(rows, truth, tried[int(np.argmax(scores))], rows)
        assert float(seen[number]) == pytest.approx(max(scores), abs=1e-12)
        np.testing.assert_allclose(found.decide(x)[number], expected, atol=1e-6)
