"""Whatever stands in a configuration, reading it ends in a coder or in an error with its place, never otherwise."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from husai_core import Architecture, UsageError
from husai_core.interchange import load_coder

SCALARS = st.none() | st.booleans() | st.integers(-2, 12) | st.sampled_from([1e300, 0.5, "none", "topk", "x", "6"])
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from(["k", "hook_name"]), SCALARS)
SAE_LENS = {
    "architecture": "topk",
    "d_in": 6,
    "d_sae": 10,
    "k": 3,
    "dtype": "float32",
    "apply_b_dec_to_input": True,
    "normalize_activations": "none",
    "reshape_activations": "none",
    "rescale_acts_by_decoder_norm": False,
    "finetuning_scaling_factor": False,
    "activation_fn": "relu",
    "activation_fn_kwargs": {},
    "hook_head_index": None,
    "d_out": 6,
    "metadata": {},
}
SPARSIFY = {"activation": "topk", "expansion_factor": 2, "num_latents": 10, "k": 3, "transcode": False, "d_in": 6}
TRAINER = {"dict_class": "AutoEncoderTopK", "k": 3, "activation_dim": 6, "dict_size": 10}
SHAPES = {"W_enc": (6, 10), "b_enc": (10,), "W_dec": (10, 6), "b_dec": (6,)}
LINEAR = {"encoder.weight": (10, 6), "encoder.bias": (10,)}
OFTEN = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)


def _tensors(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()}


def _ends_well(folder: Path, architectures: list[Architecture]) -> None:
    with contextlib.suppress(UsageError):
        load_coder(folder, architectures)


@OFTEN
@given(changes=st.dictionaries(st.sampled_from(sorted(SAE_LENS)), VALUES, min_size=1, max_size=2))
def test_of_sae_lens(changes: dict[str, Any], tmp_path: Path, architectures: list[Architecture]) -> None:
    save_file(_tensors(SHAPES), tmp_path / "sae_weights.safetensors")
    (tmp_path / "cfg.json").write_text(json.dumps({**SAE_LENS, **changes}))
    _ends_well(tmp_path, architectures)


@OFTEN
@given(changes=st.dictionaries(st.sampled_from(sorted(SPARSIFY)), VALUES, min_size=1, max_size=2))
def test_of_sparsify(changes: dict[str, Any], tmp_path: Path, architectures: list[Architecture]) -> None:
    save_file(_tensors({**LINEAR, "W_dec": (10, 6), "b_dec": (6,)}), tmp_path / "sae.safetensors")
    (tmp_path / "cfg.json").write_text(json.dumps({**SPARSIFY, **changes}))
    _ends_well(tmp_path, architectures)


@OFTEN
@given(changes=st.dictionaries(st.sampled_from(sorted(TRAINER)), VALUES, min_size=1, max_size=2))
def test_of_dictionary_learning(changes: dict[str, Any], tmp_path: Path, architectures: list[Architecture]) -> None:
    torch.save(_tensors({**LINEAR, "decoder.weight": (6, 10), "b_dec": (6,)}), tmp_path / "ae.pt")
    (tmp_path / "config.json").write_text(json.dumps({"trainer": {**TRAINER, **changes}}))
    _ends_well(tmp_path, architectures)


@pytest.mark.parametrize("k", [torch.tensor([3, 4]), torch.tensor(0), torch.tensor(11), torch.tensor(float("nan"))])
def test_an_odd_k_in_the_weights(k: torch.Tensor, tmp_path: Path, architectures: list[Architecture]) -> None:
    state = {**_tensors({**LINEAR, "decoder.weight": (6, 10), "b_dec": (6,)}), "k": k}
    torch.save(state, tmp_path / "ae.pt")
    (tmp_path / "config.json").write_text(json.dumps({"trainer": {"dict_class": "AutoEncoderTopK"}}))
    with pytest.raises(UsageError):
        load_coder(tmp_path, architectures)


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_an_odd_threshold(threshold: float, tmp_path: Path, architectures: list[Architecture]) -> None:
    state = _tensors({**LINEAR, "decoder.weight": (6, 10), "b_dec": (6,)})
    torch.save({**state, "k": torch.tensor(3), "threshold": torch.tensor(threshold)}, tmp_path / "ae.pt")
    (tmp_path / "config.json").write_text(json.dumps({"trainer": {"dict_class": "BatchTopKSAE"}}))
    with pytest.raises(UsageError, match="threshold"):
        load_coder(tmp_path, architectures)
