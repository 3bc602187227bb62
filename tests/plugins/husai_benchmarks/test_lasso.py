"""L1 probes agree with scikit-learn, meet their optimality conditions, and do not depend on their neighbours."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_benchmarks.lasso import fit_path, largest_penalty
from husai_core import EvaluationError


def problem(seed: int, rows: int, features: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, features, generator=generator, dtype=torch.float64) + 1
    truth = torch.randn(features, generator=generator, dtype=torch.float64)
    y = (x @ truth + torch.randn(rows, generator=generator, dtype=torch.float64) > truth.sum()).double()
    y[:2] = torch.tensor([0.0, 1.0])
    return x, y


def cost(x: torch.Tensor, y: torch.Tensor, penalty: float, weights: torch.Tensor, intercept: float) -> float:
    z = x @ weights + intercept
    return float(torch.nn.functional.softplus(z).mean() - (y * z).mean() + penalty * weights.abs().sum())


def even(rows: int) -> torch.Tensor:
    return torch.full((1, rows), 1 / rows, dtype=torch.float64)


@pytest.mark.parametrize(
    ("rows", "features", "solver"), [(80, 6, "liblinear"), (30, 50, "liblinear"), (30, 50, "saga")]
)
def test_agrees_with_scikit_learn(rows: int, features: int, solver: str) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = problem(1, rows, features)
    penalties = torch.tensor([[0.1, 0.02]], dtype=torch.float64)
    fits = fit_path(x[None], y[None], even(rows), penalties, tolerance=1e-9)
    for number, penalty in enumerate([0.1, 0.02]):
        # liblinear penalises its intercept; as a feature of size 1000 it is next to free
        options = {"solver": solver, "tol": 1e-8, "max_iter": 100_000, "random_state": 0}
        options |= {"intercept_scaling": 1000.0} if solver == "liblinear" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the name of the penalty, which changed with 1.8
            theirs = linear.LogisticRegression(penalty="l1", C=1 / (rows * penalty), **options)
            theirs.fit(x.numpy(), y.numpy())
        weights, intercept = torch.from_numpy(theirs.coef_[0]), float(theirs.intercept_[0])
        assert fits.weights[0, number].tolist() == pytest.approx(
            weights.tolist(), abs=1e-4 if solver == "saga" else 5e-3
        )
        ours = cost(x, y, penalty, fits.weights[0, number], float(fits.intercepts[0, number]))
        assert ours <= cost(x, y, penalty, weights, intercept) + 1e-12
        assert ours == pytest.approx(cost(x, y, penalty, weights, intercept), abs=2e-5)


@given(st.integers(0, 1000), st.integers(6, 30), st.integers(1, 40), st.floats(0.02, 0.9))
@settings(max_examples=25, deadline=None)
def test_the_optimality_conditions_hold(seed: int, rows: int, features: int, share: float) -> None:
    x, y = problem(seed, rows, features)
    heaviest = largest_penalty(x[None] - x.mean(0), y[None], even(rows))
    fits = fit_path(x[None], y[None], even(rows), heaviest[:, None] * torch.tensor([[share]]), tolerance=1e-7)
    weights, penalty = fits.weights[0, 0], float(heaviest) * share
    wrong = ((x @ weights + fits.intercepts[0, 0]).sigmoid() - y) / rows
    slope, allowed = (x - x.mean(0)).T @ wrong, 1e-6 * float(heaviest) + 1e-12
    assert abs(float(wrong.sum())) <= allowed
    assert bool((slope.abs() <= penalty + allowed).all())
    kept = weights != 0
    assert bool(((slope + penalty * weights.sign())[kept].abs() <= allowed).all())


def test_the_largest_penalty_leaves_nothing_and_a_little_less_leaves_something() -> None:
    x, y = problem(3, 40, 12)
    heaviest = largest_penalty(x[None] - x.mean(0), y[None], even(40))
    fits = fit_path(x[None], y[None], even(40), heaviest[:, None] * torch.tensor([[1.0, 0.995]]))
    assert [int(w.count_nonzero()) for w in fits.weights[0]] == [0, 1]
    assert float(fits.intercepts[0, 0]) == pytest.approx(float(torch.logit(y.mean())), abs=1e-5)


def test_problems_side_by_side_are_what_each_is_alone() -> None:
    one, other = problem(4, 40, 8), problem(5, 40, 8)
    masked = even(40).clone()
    masked[0, :10] = 0
    masked /= masked.sum()
    x, y = torch.stack([one[0], other[0]]), torch.stack([one[1], other[1]])
    penalties = torch.tensor([[0.05, 0.01], [0.03, 0.02]], dtype=torch.float64)
    both = fit_path(x, y, torch.cat([masked, even(40)]), penalties, tolerance=1e-9)
    alone = fit_path(one[0][None, 10:], one[1][None, 10:], even(30), penalties[:1], tolerance=1e-9)
    assert both.weights[0].flatten().tolist() == pytest.approx(alone.weights[0].flatten().tolist(), abs=1e-6)
    alone = fit_path(other[0][None], other[1][None], even(40), penalties[1:], tolerance=1e-9)
    assert both.weights[1].flatten().tolist() == pytest.approx(alone.weights[0].flatten().tolist(), abs=1e-6)


def test_a_column_of_zeros_gets_no_weight_and_a_search_that_does_not_settle_is_an_error() -> None:
    x, y = problem(6, 40, 4)
    x[:, 2] = 0
    penalties = torch.tensor([[0.01]], dtype=torch.float64)
    assert float(fit_path(x[None], y[None], even(40), penalties).weights[0, 0, 2]) == 0
    with pytest.raises(EvaluationError, match="not settled after 5 steps"):
        fit_path(x[None], y[None], even(40), penalties, tolerance=1e-12, most_steps=5)
