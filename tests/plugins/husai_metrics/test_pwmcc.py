"""PWMCC against brute force, its invariances, and its closed-form chance against simulation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_metrics import directions
from husai_metrics.pwmcc import PWMCC

metric = PWMCC()
seeds = st.integers(0, 2**31)


def draw(seed: int, count: int = 12, width: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator, dtype=torch.float64)


def brute(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (a, b))
    best_a = [max(abs(float(np.dot(x, y))) for y in b) for x in a]
    best_b = [max(abs(float(np.dot(x, y))) for x in a) for y in b]
    return (sum(best_a) / len(a) + sum(best_b) / len(b)) / 2


def test_agrees_with_brute_force_whatever_the_tile(monkeypatch):
    a, b = draw(1, 17), draw(2, 9)
    expected = brute(a.numpy(), b.numpy())
    for tile in (1, 4, 17, 100):
        monkeypatch.setattr(directions, "TILE", tile)
        assert metric.compare(a, b) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40)
@given(seeds, seeds)
def test_symmetric(first, second):
    a, b = draw(first), draw(second, 7)
    assert metric.compare(a, b) == pytest.approx(metric.compare(b, a), abs=1e-12)


@settings(max_examples=40)
@given(seeds, st.permutations(range(12)), st.lists(st.sampled_from([-3.0, -1.0, 0.2]), min_size=12, max_size=12))
def test_order_sign_and_scale_do_not_matter(seed, order, factors):
    a, b = draw(seed), draw(seed + 1)
    changed = a[list(order)] * torch.tensor(factors, dtype=torch.float64).unsqueeze(1)
    assert metric.compare(changed, b) == pytest.approx(metric.compare(a, b), abs=1e-12)
    assert metric.compare(changed, a) == pytest.approx(1, abs=1e-12)
    assert metric.card.allows(metric.compare(changed, a))


def test_a_row_without_direction_is_named():
    broken = draw(0)
    broken[4] = 0
    with pytest.raises(ValueError, match="row 4 of the second dictionary has norm 0"):
        metric.compare(draw(1), broken)
    broken[4] = float("nan")
    with pytest.raises(ValueError, match="row 4 of the first"):
        metric.compare(broken, draw(1))


def test_a_row_in_a_later_tile_is_named_by_its_own_number(monkeypatch):
    monkeypatch.setattr(directions, "TILE", 3)
    broken = draw(0)
    broken[10] = 0
    for pair, name in (((broken, draw(1)), "first"), ((draw(1), broken), "second")):
        with pytest.raises(ValueError, match=f"row 10 of the {name} dictionary has norm 0"):
            metric.compare(*pair)


def test_dictionaries_are_left_as_they_are():
    a, b = draw(0), draw(1)
    before = a.clone(), b.clone()
    metric.compare(a, b)
    assert torch.equal(a, before[0])
    assert torch.equal(b, before[1])


@pytest.mark.parametrize(
    ("features", "expected"),
    [(64, 0.227542), (128, 0.247252), (256, 0.265565), (512, 0.282689), (1024, 0.298793)],
)
def test_chance_is_the_closed_form(features, expected):
    assert metric.chance(features, 128) == pytest.approx(expected, abs=5e-7)


def test_chance_in_cases_known_without_quadrature():
    assert metric.chance(10, 1) == 1
    assert metric.chance(1, 3) == pytest.approx(0.5)  # |cos| is uniform on a sphere
    assert metric.chance(9, 3) == pytest.approx(0.9)
    assert metric.chance(1, 2) == pytest.approx(2 / np.pi)


@pytest.mark.parametrize(("features", "pairs"), [(128, 60), (1024, 25)])
def test_chance_agrees_with_simulation(features, pairs):
    drawn = [metric.compare(draw(2 * s, features, 128), draw(2 * s + 1, features, 128)) for s in range(pairs)]
    assert np.mean(drawn) == pytest.approx(metric.chance(features, 128), abs=6e-4)
