"""Straight-through gradients against the formula of arXiv 2407.14435, written out, in float64."""

from __future__ import annotations

import pytest
import torch

from husai_architectures.straight_through import straight_through


@pytest.mark.parametrize("seeds", [(), (3,)])
def test_gradients_are_the_written_out_formula(seeds):
    generator = torch.Generator().manual_seed(0)
    pre = torch.randn(*seeds, 40, 6, generator=generator, dtype=torch.float64).requires_grad_()
    edge = torch.rand(*seeds, 6, generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.randn(*seeds, 40, 6, generator=generator, dtype=torch.float64)
    latents, l0 = straight_through().apply(pre, edge, 0.3)
    ((latents * weight).sum() + 5 * l0.sum()).backward()

    x, t = pre.detach().reshape(-1, 40, 6), edge.detach().reshape(-1, 6)
    w = weight.reshape(-1, 40, 6)
    for s in range(len(x)):
        for i in range(6):
            expected = 0.0
            for b in range(40):
                inside = -0.5 < (x[s, b, i] - t[s, i]) / 0.3 < 0.5
                expected -= inside * (t[s, i] / 0.3 * w[s, b, i] + 5 / 0.3 / 40)
            assert float(edge.grad.reshape(-1, 6)[s, i]) == pytest.approx(float(expected), rel=1e-12)
    torch.testing.assert_close(pre.grad, weight * (pre > edge.unsqueeze(-2)), rtol=0, atol=0)
    torch.testing.assert_close(l0, (latents > 0).double().sum(-1).mean(-1))


def test_no_activation_near_an_edge_gives_no_gradient():
    pre = torch.tensor([[0.0, 2.0]], dtype=torch.float64)
    edge = torch.ones(2, dtype=torch.float64, requires_grad=True)
    latents, l0 = straight_through().apply(pre, edge, 0.5)
    (latents.sum() + l0).backward()
    assert edge.grad.tolist() == [0, 0]
