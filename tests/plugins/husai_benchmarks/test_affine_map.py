"""The affine map explains what is affine and nothing of noise, on rows that it was not fitted to."""

from __future__ import annotations

import torch

from husai_benchmarks.affine_map import cross_fitted_residuals


def share_left(x: torch.Tensor, y: torch.Tensor) -> float:
    return float(cross_fitted_residuals(x, y).square().sum() / (y - y.mean(0)).square().sum())


def test_what_is_affine_is_explained_whatever_its_mean_and_scale(rows):
    x, weights = rows(300, 12) * 50 + 1000, rows(12, 7, seed=1)
    assert share_left(x, x @ weights - 3) < 1e-6


def test_noise_is_left_even_where_there_are_hardly_more_rows_than_columns(rows):
    assert 0.95 < share_left(rows(100, 70), rows(100, 5, seed=1)) < 1.1
    assert 0.95 < share_left(rows(60, 70), rows(60, 5, seed=1)) < 1.1


def test_a_mixture_leaves_its_noise(rows):
    x = rows(2000, 12)
    assert abs(share_left(x, x + rows(2000, 12, seed=1)) - 0.5) < 0.05


def test_it_is_ridge_regression_of_scikit_learn_fitted_to_the_other_rows(rows):
    from sklearn.linear_model import RidgeCV

    from husai_benchmarks.affine_map import FOLDS, PENALTIES

    x, y = rows(90, 20), rows(90, 20) @ rows(20, 3, seed=1) + 4 * rows(90, 3, seed=2)
    found = cross_fitted_residuals(x, y)
    for fold in torch.arange(90).tensor_split(FOLDS):
        others = torch.tensor([n for n in range(90) if n not in fold.tolist()])
        seen = x[others].double() - x[others].double().mean(0)
        scale = float(seen.square().sum() / 20)
        model = RidgeCV([p * scale for p in PENALTIES]).fit(x[others].double().numpy(), y[others].double().numpy())
        expected = y[fold].double() - torch.from_numpy(model.predict(x[fold].double().numpy()))
        torch.testing.assert_close(found[fold], expected, rtol=1e-6, atol=1e-8)


def test_a_constant_input_explains_nothing(rows):
    assert 1 <= share_left(torch.ones(50, 3), rows(50, 2)) < 1.1
