"""The oracle: true directions, read as well as one reading allows, and the same for every seed."""

from __future__ import annotations

import pytest
import torch

from husai_architectures.batch_topk import BatchTopK
from husai_architectures.gated import Gated
from husai_architectures.jumprelu import JumpRelu
from husai_architectures.relu import Relu
from husai_architectures.topk import TopK
from husai_controls.oracle import Oracle
from husai_controls.random_decoder import RandomDecoder
from husai_core import Coder, EvaluationError
from husai_metrics.mcc import MCC

CONTROL = Oracle()
FAMILIES = pytest.mark.parametrize("family", [TopK, BatchTopK, Relu, JumpRelu, Gated])


def sums(features: int, width: int, seed: int = 0):
    """Unit directions, how strongly each is there on every row, and the rows."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(features, width, generator=generator)
    directions = torch.linalg.qr(drawn.T)[0].T if features <= width else drawn / drawn.norm(dim=-1, keepdim=True)
    there = torch.rand(2000, features, generator=generator) < 2 / features
    truth = there * (1 + 0.2 * torch.randn(2000, features, generator=generator)).clamp_min(0.1)
    return directions, truth, truth @ directions


def revealed(base: Coder, tables, x) -> Coder:
    params = CONTROL.reveal(base, tables, x, CONTROL.Settings(), torch.Generator().manual_seed(base.seed))
    return Coder(base.architecture, base.settings, base.dims, base.seed, params, base.initial)


def explained(coder: Coder, x) -> float:
    return 1 - float((coder.reconstruct(x, coder.encode(x)) - x).square().sum() / (x - x.mean(0)).square().sum())


def of(family, coder_of, dims, k, **settings) -> Coder:
    return coder_of(dims=dims, family=family, **({"k": k} if issubclass(family, TopK) else {}), **settings)


@FAMILIES
@pytest.mark.parametrize("subtracts", [True, False])
def test_orthogonal_features_are_read_exactly(family, subtracts, coder_of):
    directions, truth, x = sums(12, 16)
    bias = torch.linspace(-3, 3, 16)
    base = of(family, coder_of, (16, 20, 16), 20, apply_b_dec_to_input=subtracts)
    made = revealed(base, {"features": directions, "bias": bias}, x + bias)
    assert explained(made, x + bias) == pytest.approx(1, abs=1e-5)
    latents = made.encode(x + bias)
    torch.testing.assert_close(latents[:, :12] * (truth > 0), truth, atol=1e-4, rtol=1e-4)
    assert not latents[:, 12:].any(), "latents without a feature are dead"


@FAMILIES
def test_overlapping_features_are_there_and_read_better_than_at_random(family, coder_of):
    directions, truth, x = sums(48, 24)
    base = of(family, coder_of, (24, 48, 24), 2)
    made = revealed(base, {"features": directions}, x)
    with torch.no_grad():
        made.architecture.calibrate(made.params, x, made.settings)
    assert MCC().compare(made.params["W_dec"], directions) == pytest.approx(1, abs=1e-6)
    random = RandomDecoder().make(made, RandomDecoder.Settings(), torch.Generator().manual_seed(9))
    other = Coder(base.architecture, base.settings, base.dims, 0, random, None)
    assert explained(made, x) > max(0.3, explained(other, x))
    active, fires = made.encode(x) > 0, truth > 0
    rate = float(fires.double().mean())
    assert float((active & fires).sum() / fires.sum()) > 0.5, "of what fires, most is read"
    assert float((active & fires).sum() / active.sum()) > 3 * rate, "and what is read fires more often than anything"


def test_a_narrow_oracle_knows_the_features_that_show_most(coder_of):
    directions, truth, _ = sums(12, 16)
    strength = torch.linspace(3, 0.1, 12)
    made = revealed(of(Relu, coder_of, (16, 5, 16), 0), {"features": directions}, truth * strength @ directions)
    assert (made.params["W_dec"] @ directions.T).argmax(-1).tolist() == [0, 1, 2, 3, 4]


def test_every_seed_has_the_same_one_and_rows_are_left_alone(coder_of):
    directions, _, x = sums(12, 16)
    before = x.clone()
    one, other = (revealed(coder_of(seed, dims=(16, 20, 16)), {"features": directions}, x).params for seed in (1, 2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(x, before)


def test_features_of_another_width_are_refused(coder_of):
    directions, _, x = sums(12, 16)
    with pytest.raises(EvaluationError, match="true features are 15 wide, what dictionaries read 16"):
        revealed(coder_of(dims=(16, 20, 16)), {"features": directions[:, :15]}, x)
