"""sparsify's layout: TopK under other names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from husai_core import Architecture, UsageError
from husai_core.interchange import load_coder


def _folder(tmp_path: Path, **keys: Any) -> tuple[Path, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"encoder.weight": (10, 6), "encoder.bias": (10,), "W_dec": (10, 6), "b_dec": (6,)}
    stored = {name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()}
    config = {"activation": "topk", "expansion_factor": 32, "num_latents": 10, "k": 3, "transcode": False, "d_in": 6}
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "cfg.json").write_text(json.dumps({**config, **keys}))
    save_file(stored, tmp_path / "theirs" / "sae.safetensors")
    return tmp_path / "theirs", stored


@pytest.mark.parametrize("transcode", [True, False])
def test_it_is_topk_by_its_own_formula(
    transcode: bool, tmp_path: Path, rows: torch.Tensor, architectures: list[Architecture]
) -> None:
    folder, stored = _folder(tmp_path, transcode=transcode)
    loaded = load_coder(folder, architectures)
    inside = rows if transcode else rows - stored["b_dec"]
    values, places = (inside @ stored["encoder.weight"].T + stored["encoder.bias"]).relu().topk(3, dim=-1)
    expected = torch.zeros(len(rows), 10).scatter(-1, places, values)
    torch.testing.assert_close(loaded.coder.encode(rows), expected, atol=1e-5, rtol=1e-5)
    output = expected @ stored["W_dec"] + stored["b_dec"]
    torch.testing.assert_close(loaded.coder.decode(expected), output, atol=1e-5, rtol=1e-5)
    assert loaded.stated == {"k": 3, "apply_b_dec_to_input": not transcode}


@pytest.mark.peers
def test_what_sparsify_saved_computes_the_same_here(
    tmp_path: Path, rows: torch.Tensor, architectures: list[Architecture]
) -> None:
    sparsify = pytest.importorskip("sparsify", reason="needs sparsify (pip install eai-sparsify)")
    theirs = sparsify.SparseCoder(6, sparsify.SparseCoderConfig(num_latents=10, k=3))
    theirs.save_to_disk(tmp_path / "theirs")
    coder = load_coder(tmp_path / "theirs", architectures).coder
    found = theirs.encode(rows)
    expected = torch.zeros(len(rows), 10).scatter(-1, found.top_indices, found.top_acts)
    torch.testing.assert_close(coder.encode(rows), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"activation": "groupmax"}, r"\.activation: 'groupmax'"),
        ({"skip_connection": True}, r"\.skip_connection: "),
        ({"k": True}, r"\.k: True is not of type int"),
        ({"num_latents": 0}, r"W_dec has shape \(10, 6\), expected \(d_sae, d_in\) = \(192, 6\)"),
    ],
)
def test_what_is_no_plain_topk_is_refused(
    keys: dict[str, Any], says: str, tmp_path: Path, architectures: list[Architecture]
) -> None:
    with pytest.raises(UsageError, match=says):
        load_coder(_folder(tmp_path, **keys)[0], architectures)
