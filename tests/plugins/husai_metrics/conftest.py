"""A stream metric by its module's name, run over slices as the reconstruction benchmark runs it."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pytest
import torch

from husai_core import Reconstruction, StreamMetric


def find(module: str) -> StreamMetric:
    (metric,) = importlib.import_module(f"husai_metrics.{module}").husai_metrics()
    return metric


def over_slices(
    module: str, target: torch.Tensor, latents: torch.Tensor, output: torch.Tensor, size: int = 1000
) -> float:
    metric, state, mean = find(module), None, target.double().mean(0)
    for slices in zip(target.split(size), latents.split(size), output.split(size), strict=True):
        state = metric.update(state, Reconstruction(*slices, mean))
    return metric.finish(state)


@pytest.fixture
def metric_of() -> Callable[[str], StreamMetric]:
    return find


@pytest.fixture
def score() -> Callable[..., float]:
    return over_slices
