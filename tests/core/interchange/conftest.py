"""Small checkpoints of every layout, as their libraries write them, and the libraries themselves where installed."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from husai_architectures.relu import Relu
from husai_architectures.topk import TopK
from husai_core import Architecture

D_IN, D_SAE, K = 6, 10, 3


@pytest.fixture(scope="session")
def architectures() -> list[Architecture]:
    return [Relu(), TopK()]


@pytest.fixture
def rows() -> torch.Tensor:
    return torch.randn(32, D_IN, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    """A coder under SAELens's names; decoder norms differ from one another."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"W_enc": (D_IN, D_SAE), "b_enc": (D_SAE,), "W_dec": (D_SAE, D_IN), "b_dec": (D_IN,)}
    return {name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture
def sae_lens_folder(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> Callable[..., Path]:
    """Write a folder in SAELens's layout; keyword arguments are keys of its configuration."""

    def write(stored: dict[str, torch.Tensor] | None = None, name: str = "theirs", **keys: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        config = {
            "architecture": "standard",
            "d_in": D_IN,
            "d_sae": D_SAE,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": True,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "metadata": {"sae_lens_version": "6.54.12", "model_name": "tiny", "hook_name": "blocks.0.hook_resid_post"},
            **keys,
        }
        (folder / "cfg.json").write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))
        save_file(tensors if stored is None else stored, folder / "sae_weights.safetensors")
        return folder

    return write


@pytest.fixture
def dictionary_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder in dictionary_learning's layout."""

    def write(state: Any, dict_class: str = "AutoEncoder", **trainer: Any) -> Path:
        folder = tmp_path / "theirs"
        folder.mkdir()
        config = {"trainer": {"dict_class": dict_class, **trainer}, "buffer": {}}
        (folder / "config.json").write_text(json.dumps(config))
        torch.save(state, folder / "ae.pt")
        return folder

    return write


def _installed(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"needs {library} (see the extra 'bench')")


@pytest.fixture(scope="session")
def sae_lens() -> types.ModuleType:
    _installed("sae_lens")
    return importlib.import_module("sae_lens")


@pytest.fixture(scope="session")
def dictionary_learning() -> types.SimpleNamespace:
    """Its classes. The package imports nnsight, which nothing here needs, so its `__init__` is not run."""
    _installed("dictionary_learning")
    spec = importlib.util.find_spec("dictionary_learning")
    assert spec is not None
    package = types.ModuleType("dictionary_learning")
    package.__path__ = list(spec.submodule_search_locations or ())
    trainers = types.ModuleType("dictionary_learning.trainers")
    trainers.__path__ = [str(Path(folder) / "trainers") for folder in package.__path__]
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == package.__name__}
    sys.modules |= {package.__name__: package, trainers.__name__: trainers}
    try:
        modules = [
            importlib.import_module(f"dictionary_learning.{name}")
            for name in ("dictionary", "trainers.top_k", "trainers.batch_top_k", "trainers.matryoshka_batch_top_k")
        ]
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == package.__name__]:
            del sys.modules[name]
        sys.modules |= before
    return types.SimpleNamespace(**{key: value for module in modules for key, value in vars(module).items()})
