"""Peer libraries, rows with a sparse truth, and every family that the field shares."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator

import pytest
import torch


@pytest.fixture(scope="session")
def sae_lens() -> types.ModuleType:
    """SAELens, imported once: it takes seconds."""
    state = torch.get_rng_state()
    module = importlib.import_module("sae_lens")
    torch.set_rng_state(state)
    return module


@pytest.fixture(scope="session")
def dictionary_learning() -> Iterator[Callable[[str], types.ModuleType]]:
    """One module of dictionary_learning by name, with its package's `__init__`, which needs nnsight, left out."""
    spec = importlib.util.find_spec("dictionary_learning")
    if spec is None:
        pytest.skip("dictionary-learning is not installed: pip install --no-deps dictionary-learning")
    package = types.ModuleType("dictionary_learning")
    package.__path__ = list(spec.submodule_search_locations or [])
    sys.modules["dictionary_learning"] = package
    yield lambda name: importlib.import_module(f"dictionary_learning.{name}")
    for name in [n for n in sys.modules if n.partition(".")[0] == "dictionary_learning"]:
        del sys.modules[name]


@pytest.fixture
def sparse_rows() -> Callable[..., torch.Tensor]:
    """Sums of about four of 48 fixed directions in 16 dimensions."""

    def draw(count: int, seed: int = 0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        directions = torch.randn(48, 16, generator=torch.Generator().manual_seed(99))
        directions /= directions.norm(dim=-1, keepdim=True)
        strengths = torch.rand(count, 48, generator=generator) + 0.5
        return (strengths * (torch.rand(count, 48, generator=generator) < 4 / 48)) @ directions

    return draw
