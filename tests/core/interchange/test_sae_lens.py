"""SAELens's layout: read as SAELens computes it, folded where that is exact, refused in one line where it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from husai_core import Architecture, UsageError
from husai_core.interchange import load_coder, read_checkpoint, saved_files

Tensors = dict[str, torch.Tensor]
Write = Callable[..., Path]


def _outputs(coder: Any, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    latents = coder.encode(rows)
    return latents, coder.decode(latents)


@pytest.mark.peers
@pytest.mark.parametrize(("family", "keys"), [("standard", {}), ("topk", {"k": 3})])
@pytest.mark.parametrize("subtracts", [True, False])
def test_what_sae_lens_saved_computes_the_same_here(
    family: str,
    keys: dict[str, Any],
    subtracts: bool,
    sae_lens: Any,
    tensors: Tensors,
    rows: torch.Tensor,
    architectures: list[Architecture],
    tmp_path: Path,
) -> None:
    kind, config = sae_lens.registry.get_sae_class(family)
    theirs = kind(config(d_in=6, d_sae=10, apply_b_dec_to_input=subtracts, **keys))
    theirs.load_state_dict(tensors)
    theirs.save_model(tmp_path / "theirs")
    loaded = load_coder(tmp_path / "theirs", architectures)
    assert loaded.coder.initial is None
    assert loaded.checkpoint.changes == ()
    for ours, expected in zip(_outputs(loaded.coder, rows), _outputs(theirs, rows), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.peers
@pytest.mark.parametrize(("family", "keys"), [("standard", {}), ("topk", {"k": 3})])
def test_what_is_saved_here_computes_the_same_in_sae_lens(
    family: str,
    keys: dict[str, Any],
    sae_lens: Any,
    sae_lens_folder: Write,
    rows: torch.Tensor,
    architectures: list[Architecture],
    tmp_path: Path,
) -> None:
    coder = load_coder(sae_lens_folder(architecture=family, **keys), architectures).coder
    (tmp_path / "ours").mkdir()
    for name, raw in saved_files(coder, "tiny", "blocks.0.hook_resid_post").items():
        (tmp_path / "ours" / name).write_bytes(raw)
    theirs = sae_lens.SAE.load_from_disk(tmp_path / "ours")
    for ours, expected in zip(_outputs(coder, rows), _outputs(theirs, rows), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.peers
def test_decoder_norms_are_folded_as_sae_lens_applies_them(
    sae_lens: Any, sae_lens_folder: Write, rows: torch.Tensor, architectures: list[Architecture]
) -> None:
    folder = sae_lens_folder(architecture="topk", k=3, rescale_acts_by_decoder_norm=True)
    loaded = load_coder(folder, architectures)
    assert any("rescale_acts_by_decoder_norm: folded" in change for change in loaded.checkpoint.changes)
    theirs = sae_lens.SAE.load_from_disk(folder)
    for ours, expected in zip(_outputs(loaded.coder, rows), _outputs(theirs, rows), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.peers
@pytest.mark.parametrize("family", ["batchtopk", "matryoshka_batchtopk"])
def test_decoder_norms_of_a_training_checkpoint_are_folded_as_sae_lens_folds_them(
    family: str, sae_lens: Any, sae_lens_folder: Write, tensors: Tensors, rows: torch.Tensor
) -> None:
    kind, config = sae_lens.registry.get_sae_training_class(family)
    widths = {"matryoshka_widths": [4, 10]} if family.startswith("matryoshka") else {}
    theirs = kind(config(d_in=6, d_sae=10, k=3, rescale_acts_by_decoder_norm=True, **widths))
    theirs.load_state_dict({**theirs.state_dict(), **tensors})
    stored = dict(theirs.state_dict())
    checkpoint = read_checkpoint(sae_lens_folder(stored, architecture=family, k=3, rescale_acts_by_decoder_norm=True))
    theirs.fold_and_get_W_dec_norm()
    for name in ("W_enc", "b_enc", "W_dec", "b_dec"):
        torch.testing.assert_close(checkpoint.tensors[name], getattr(theirs, name).data, atol=1e-5, rtol=1e-5)
    assert checkpoint.config["rescale_acts_by_decoder_norm"] is False


@pytest.mark.peers
def test_the_factor_of_an_unfinished_training_is_folded_as_sae_lens_folds_it(
    sae_lens: Any, sae_lens_folder: Write, rows: torch.Tensor, architectures: list[Architecture]
) -> None:
    folder = sae_lens_folder(normalize_activations="expected_average_only_in")
    with pytest.raises(UsageError, match=r"normalize_activations: .*not in these files.*fold_activation_norm_scaling"):
        load_coder(folder, architectures)
    (folder / "activation_scaler.json").write_text(json.dumps({"scaling_factor": 0.37, "has_whitening": False}))
    loaded = load_coder(folder, architectures)
    theirs = sae_lens.SAE.load_from_disk(folder)
    theirs.fold_activation_norm_scaling_factor(0.37)
    assert "activation_scaler.json" in loaded.checkpoint.files
    for ours, expected in zip(_outputs(loaded.coder, rows), _outputs(theirs, rows), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_a_finetuned_scale_of_latents_goes_into_the_decoder(
    sae_lens_folder: Write, tensors: Tensors, rows: torch.Tensor, architectures: list[Architecture]
) -> None:
    scale = torch.linspace(0.5, 2, 10)
    folder = sae_lens_folder({**tensors, "scaling_factor": scale}, finetuning_scaling_factor=True, metadata=...)
    loaded = load_coder(folder, architectures)
    plain = load_coder(sae_lens_folder(name="plain"), architectures).coder
    latents = plain.encode(rows)
    torch.testing.assert_close(loaded.coder.encode(rows), latents)
    torch.testing.assert_close(loaded.coder.decode(latents), plain.decode(latents * scale), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32_and_it_is_said(
    dtype: torch.dtype, sae_lens_folder: Write, tensors: Tensors, architectures: list[Architecture]
) -> None:
    name = str(dtype).removeprefix("torch.")
    folder = sae_lens_folder({k: v.to(dtype) for k, v in tensors.items()}, dtype=name)
    loaded = load_coder(folder, architectures)
    assert {value.dtype for value in loaded.coder.params.values()} == {torch.float32}
    assert torch.equal(loaded.coder.params["W_dec"], tensors["W_dec"].to(dtype).float())
    assert any(name in change and "float32" in change for change in loaded.checkpoint.changes)


def test_a_configuration_of_before_version_6_is_understood(
    sae_lens_folder: Write, architectures: list[Architecture]
) -> None:
    folder = sae_lens_folder(
        architecture="standard",
        metadata=...,
        activation_fn_str="topk",
        activation_fn_kwargs={"k": 3},
        hook_point="blocks.0.hook_resid_pre",
        total_training_tokens=100,
    )
    loaded = load_coder(folder, architectures)
    assert loaded.coder.architecture.name == "topk"
    assert loaded.stated == {"k": 3, "apply_b_dec_to_input": True}


REFUSED = {
    "layer_norm": ({"normalize_activations": "layer_norm"}, r"\$\.normalize_activations: .*every row by itself"),
    "whitening": ({"normalize_activations": "covariance_whitening"}, r"\$\.normalize_activations: .*whitening"),
    "one head": ({"metadata": {"hook_head_index": 2}}, r"\$\.hook_head_index: it reads head 2 alone"),
    "another function": ({"activation_fn": "tanh-relu"}, r"\$\.activation_fn: .*'tanh-relu'"),
    "reshaping": ({"reshape_activations": "sideways"}, r"\$\.reshape_activations: 'sideways'"),
    "type": ({"dtype": "int8"}, r"\$\.dtype: 'int8'"),
    "no factors": ({"finetuning_scaling_factor": True}, r"\$\.finetuning_scaling_factor: .*missing"),
    "norms of relu": ({"rescale_acts_by_decoder_norm": True}, r"\$\.rescale_acts_by_decoder_norm: .*fold_W_dec_norm"),
    "unknown family": ({"architecture": "temporal"}, r"\$\.architecture: no .*'temporal' \(readable: .*standard, topk"),
    "unknown key": ({"noise": 0.1}, r"\$\.noise: unknown key, and the architecture 'relu' does not read it"),
    "no width": ({"d_sae": ...}, r"\.d_sae: the key is missing"),
    "a width of text": ({"d_sae": "10"}, r"\.d_sae: '10' is not of type int"),
    "no k": ({"architecture": "topk"}, r"\bk\b"),
    "k of text": ({"architecture": "topk", "k": "3"}, r"k: '3' is not"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_represented_is_refused_in_one_line(
    case: str, sae_lens_folder: Write, architectures: list[Architecture]
) -> None:
    keys, says = REFUSED[case]
    with pytest.raises(UsageError, match=says) as error:
        load_coder(sae_lens_folder(**keys), architectures)
    assert "\n" not in str(error.value)


def _with(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {**tensors, name: change(tensors[name]).contiguous()}


def _without_b_enc(tensors: Tensors) -> Tensors:
    return {k: v for k, v in tensors.items() if k != "b_enc"}


WRONG_WEIGHTS: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "transposed decoder": (
        _with("W_dec", lambda w: w.T),
        r"W_dec has shape \(6, 10\), expected \(d_sae, d_out\) = \(10, 6\) \(no transposition is guessed",
    ),
    "short bias": (_with("b_enc", lambda b: b[:9]), r"b_enc has shape \(9,\), expected \(d_sae\) = \(10,\)"),
    "NaN": (_with("W_enc", lambda w: w * float("nan")), r"W_enc has values that are not finite"),
    "whole numbers": (_with("b_dec", lambda b: b.long()), r"b_dec is of type int64"),
    "beyond float32": (_with("b_dec", lambda b: b.double() * 1e300), r"b_dec has values beyond float32"),
    "no encoder bias": (_without_b_enc, r"b_enc"),
    "a tensor too many": (lambda t: {**t, "mystery": torch.ones(3)}, "mystery"),
    "a threshold": (lambda t: {**t, "threshold": torch.ones(10)}, "threshold"),
}


@pytest.mark.parametrize("case", WRONG_WEIGHTS)
def test_wrong_weights_are_named_in_one_line(
    case: str, sae_lens_folder: Write, tensors: Tensors, architectures: list[Architecture]
) -> None:
    change, says = WRONG_WEIGHTS[case]
    with pytest.raises(UsageError, match=says) as error:
        load_coder(sae_lens_folder(change(tensors)), architectures)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [0, 4, 50, 0.5, -1])
def test_a_truncated_file_is_said_to_be_one(
    keep: float, sae_lens_folder: Write, architectures: list[Architecture]
) -> None:
    folder = sae_lens_folder()
    path = folder / "sae_weights.safetensors"
    raw = path.read_bytes()
    path.write_bytes(raw[: int(keep * len(raw)) if isinstance(keep, float) else keep])
    with pytest.raises(UsageError, match="is no whole safetensors file"):
        load_coder(folder, architectures)


def test_half_a_configuration_is_a_mistake_in_its_place(
    sae_lens_folder: Write, architectures: list[Architecture]
) -> None:
    folder = sae_lens_folder()
    (folder / "cfg.json").write_text((folder / "cfg.json").read_text()[:40])
    with pytest.raises(UsageError, match=r"cfg\.json: not JSON"):
        load_coder(folder, architectures)


def test_a_sparsity_file_and_other_company_change_nothing(
    sae_lens_folder: Write, architectures: list[Architecture]
) -> None:
    folder = sae_lens_folder()
    before = load_coder(folder, architectures).checkpoint.source
    (folder / "sparsity.safetensors").write_bytes(b"anything")
    assert load_coder(folder, architectures).checkpoint.source == before


def test_two_readers_of_one_family_are_told_apart_by_name(
    sae_lens_folder: Write, architectures: list[Architecture]
) -> None:
    from husai_architectures.relu import Relu

    class Twin(Relu):
        name = "twin"

    folder = sae_lens_folder()
    with pytest.raises(UsageError, match=r"several architectures: relu, twin \(name one of them\)"):
        load_coder(folder, [*architectures, Twin()])
    assert load_coder(folder, [*architectures, Twin()], "twin").coder.architecture.name == "twin"
    with pytest.raises(UsageError, match=r"'standard' is not read by the architecture 'topk' \(it is by: relu\)"):
        load_coder(folder, architectures, "topk")


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "two checkpoints", "a lone file"])
def test_a_place_without_one_checkpoint_is_refused(
    there: str, tmp_path: Path, sae_lens_folder: Write, architectures: list[Architecture]
) -> None:
    path, says = tmp_path / "none", "there is no checkpoint here"
    if there == "an empty folder":
        path.mkdir()
        says = "holds no weights where one checkpoint is wanted .*known layouts: cfg.json"
    elif there == "two checkpoints":
        path = sae_lens_folder()
        (path / "ae.pt").write_bytes(b"")
        says = r"holds sae_weights.safetensors and ae.pt"
    elif there == "a lone file":
        path = tmp_path / "model.pt"
        path.write_bytes(b"")
        says = "a lone .pt file is read as dictionary_learning's 'ae.pt' only"
    with pytest.raises(UsageError, match=says):
        load_coder(path, architectures)
