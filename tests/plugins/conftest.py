"""Small coders and tasks that plugin tests measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from husai_architectures.topk import TopK
from husai_core import Architecture, Coder, Dims


@pytest.fixture(autouse=True)
def global_state_untouched() -> Iterator[None]:
    """No plugin draws from, or reseeds, the global generator."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state())


def make_coder(
    seed: int = 0, dims: tuple[int, int, int] = (8, 24, 8), family: type[Architecture] = TopK, **settings: Any
) -> Coder:
    architecture = family()
    chosen = architecture.Settings(**({"k": 4} if issubclass(family, TopK) else {}) | settings)
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(dims[2], generator=generator)
    initial = architecture.initialise(Dims(*dims), chosen, generator, mean)
    moved = {k: v + 0.1 * torch.randn(v.shape, generator=generator) for k, v in initial.items()}
    if "threshold" in moved:
        moved["threshold"].abs_()
    return Coder(architecture, chosen, Dims(*dims), seed, moved, initial)


@pytest.fixture
def coder_of() -> Callable[..., Coder]:
    return make_coder


@pytest.fixture
def rows() -> Callable[..., torch.Tensor]:
    """Gaussian rows by seed."""

    def draw(count: int, width: int, seed: int = 0) -> torch.Tensor:
        return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))

    return draw
