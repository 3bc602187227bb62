"""Latents are ranked as sae-probes ranks them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from husai_benchmarks.ranking import telling


@pytest.mark.peers
@pytest.mark.skipif(find_spec("sae_probes") is None, reason="sae_probes is not installed")
@pytest.mark.parametrize("scaled", [True, False])
def test_the_order_is_that_of_sae_probes(scaled: bool) -> None:
    """Its two functions alone are run: the package imports half of what there is."""
    spec = find_spec("sae_probes")
    source = Path(next(iter(spec.submodule_search_locations)), "run_sae_evals.py").read_text()
    names = {"torch": torch, "Callable": Callable}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name in ("get_sorted_indices", "mean_act_normalization"):
            exec(ast.get_source_segment(source, node), names)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(60, 40, generator=generator).relu() * torch.rand(40, generator=generator) * 100
    labels = (torch.rand(60, generator=generator) < 0.5).long()
    expected = names["get_sorted_indices"](latents, labels, names["mean_act_normalization"] if scaled else None)
    assert telling(latents, labels, scaled=scaled).tolist() == expected.tolist()
