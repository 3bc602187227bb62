"""Subspace overlap against NumPy's SVD, its invariances, and its chance against simulation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from husai_metrics.subspace_overlap import SubspaceOverlap, leading

metric = SubspaceOverlap()


def overlap(a: torch.Tensor, b: torch.Tensor) -> float:
    return metric.compare(metric.prepare(a), metric.prepare(b))


def by_svd(a: torch.Tensor, b: torch.Tensor) -> float:
    """Squared cosines of the principal angles, from the two bases."""
    bases = []
    for rows in (a.double().numpy(), b.double().numpy()):
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        bases.append(np.linalg.svd(rows, full_matrices=True)[2][: leading(rows.shape[1])])
    cosines = np.linalg.svd(bases[0] @ bases[1].T, compute_uv=False)
    return float((cosines**2).mean())


@pytest.mark.parametrize(("m", "n", "d"), [(40, 40, 16), (30, 60, 24), (12, 9, 8), (5, 7, 3)])
def test_agrees_with_principal_angles(m, n, d, rows):
    a, b = rows(m, d, 1), rows(n, d, 2)
    assert overlap(a, b) == pytest.approx(by_svd(a, b), abs=1e-10)
    assert overlap(b, a) == pytest.approx(overlap(a, b), abs=1e-12)


def test_order_sign_and_scale_do_not_matter(rows):
    a, b = rows(50, 16, 1).double(), rows(50, 16, 2).double()
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    changed = a[order] * torch.tensor([-3.0, 0.2]).double().repeat(25).unsqueeze(1)
    assert overlap(changed, b) == pytest.approx(overlap(a, b), abs=1e-10)
    assert overlap(changed, a) == pytest.approx(1, abs=1e-10)
    assert metric.card.allows(overlap(changed, a))


def test_sharing_a_span_is_seen_where_no_feature_is_shared(rows):
    """Other features in the same two of sixteen dimensions overlap wholly; in other dimensions, not at all."""
    basis = torch.linalg.qr(rows(16, 16, 3)).Q
    one, same, other = rows(40, 2, 4) @ basis[:2], rows(40, 2, 5) @ basis[:2], rows(40, 2, 6) @ basis[2:4]
    assert overlap(one, same) == pytest.approx(1, abs=1e-9)
    assert overlap(one, other) == pytest.approx(0, abs=1e-9)


def test_directions_that_tie_count_in_part():
    """Orthonormal rows have no leading directions: the overlap is its own chance, and never a matter of rounding."""
    assert overlap(torch.eye(16), torch.eye(16).flip(0)) == pytest.approx(2 / 16)
    assert overlap(torch.eye(16)[:1], torch.eye(16)[:1]) == pytest.approx((1 + 1 / 15) / 2)


def test_chance_agrees_with_simulation(rows):
    drawn = [overlap(rows(64, 16, 2 * s), rows(64, 16, 2 * s + 1)) for s in range(200)]
    assert metric.chance(64, 16) == 2 / 16
    assert np.mean(drawn) == pytest.approx(2 / 16, abs=4 * np.std(drawn) / 200**0.5)


def test_a_row_without_direction_is_named(rows):
    broken = rows(20, 8)
    broken[13] = 0
    with pytest.raises(ValueError, match="row 13 of a dictionary has norm 0"):
        metric.prepare(broken)
