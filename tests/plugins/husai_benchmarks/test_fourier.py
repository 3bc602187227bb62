"""Fourier shares: nothing is counted twice, and what noise reaches is known."""

from __future__ import annotations

import math

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_benchmarks.fourier import best_share, chance_of_best, shares, waves


def five_frequencies(p: int, width: int, seed: int = 0) -> torch.Tensor:
    """A perfect embedding: five frequencies of equal strength, turned into `width` dimensions."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm((p - 1) // 2, generator=generator)[:5] + 1
    angles = 2 * math.pi / p * torch.arange(p).unsqueeze(1) * chosen
    turn, _ = torch.linalg.qr(torch.randn(width, 10, generator=generator))
    return torch.cat([angles.cos(), angles.sin()], 1) @ turn.T + torch.randn(width, generator=generator)


def expected_best(frequencies: int, few: int) -> float:
    """E of the largest shares of noise: energies are exponential, so these are spacings (Renyi 1953)."""
    return sum(sum(1 / i for i in range(j, frequencies + 1)) for j in range(1, few + 1)) / frequencies


@pytest.mark.parametrize("p", [59, 113])
def test_a_perfect_embedding_of_five_frequencies_scores_one(p: int) -> None:
    embedding, basis = five_frequencies(p, 32), waves(torch.arange(p), p)
    assert best_share(embedding, basis, 5) == pytest.approx(1, abs=1e-6)
    assert best_share(embedding, basis, 4) == pytest.approx(0.8, abs=1e-5)
    assert best_share(embedding, basis, 10) == pytest.approx(1, abs=1e-6)


def test_a_random_embedding_scores_its_known_chance() -> None:
    basis, generator = waves(torch.arange(59), 59), torch.Generator().manual_seed(0)
    found = [best_share(torch.randn(59, 1, generator=generator), basis, 5) for _ in range(400)]
    assert sum(found) / 400 == pytest.approx(expected_best(29, 5), abs=0.015)
    wide = torch.randn(59, 64, generator=generator)
    chance = chance_of_best(wide, basis, 5, 32)
    assert best_share(wide, basis, 5) == pytest.approx(chance, abs=0.03)
    assert 5 / 29 < chance < 0.3
    single = shares([torch.randn(59, 4000, generator=generator)], basis).amax(0).mean()
    assert float(single) == pytest.approx(expected_best(29, 1), abs=0.005)


def test_chance_knows_that_vectors_of_few_dimensions_reach_more() -> None:
    """Isotropic noise of the same width would be too low a floor."""
    generator = torch.Generator().manual_seed(0)
    basis = waves(torch.arange(59), 59)
    thin = torch.randn(59, 1, generator=generator) @ torch.randn(1, 64, generator=generator)
    assert chance_of_best(thin, basis, 5, 200) == pytest.approx(expected_best(29, 5), abs=0.02)


@given(st.integers(3, 40), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_over_all_numbers_shares_are_those_of_the_fast_transform_and_add_up_to_one(p: int, seed: int) -> None:
    values = torch.randn(p, 4, generator=torch.Generator().manual_seed(seed))
    found = shares([values], waves(torch.arange(p), p))
    power = numpy.abs(numpy.fft.rfft(values.double().numpy(), axis=0)[1:]) ** 2
    power[: (p - 1) // 2] *= 2  # the frequency below zero; p / 2 has none
    assert torch.allclose(found, torch.from_numpy(power / power.sum(0)), atol=1e-9)
    assert torch.allclose(found.sum(0), torch.ones(4, dtype=torch.float64))


def test_slices_and_the_order_of_rows_do_not_matter() -> None:
    generator = torch.Generator().manual_seed(1)
    numbers = torch.randint(13, (50,), generator=generator)
    values = torch.randn(50, 6, generator=generator).relu()
    whole = shares([values], waves(numbers, 13))
    assert torch.allclose(shares(values.split(7), waves(numbers, 13)), whole)
    order = torch.randperm(50, generator=generator)
    assert torch.allclose(shares([values[order]], waves(numbers[order], 13)), whole)


def test_what_does_not_vary_has_no_share() -> None:
    basis = waves(torch.arange(7), 7)
    found = shares(
        [torch.tensor([[0.0, 3.7, 1.0]]).repeat(7, 1) + torch.eye(7)[:, [0]] * torch.tensor([0, 0, 1])], basis
    )
    assert found.isnan().all(0).tolist() == [True, True, False]
    with pytest.raises(ValueError, match="no variance"):
        best_share(torch.ones(7, 3), basis, 2)
