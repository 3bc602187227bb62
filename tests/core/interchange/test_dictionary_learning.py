"""dictionary_learning's layout: its classes compute the same here, and its pickles run nothing."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from husai_core import Architecture, UsageError
from husai_core.interchange import load_coder, read_checkpoint

Write = Callable[..., Path]
SIZES = {"activation_dim": 6, "dict_size": 10}


def _moved(model: Any) -> Any:
    """The same module with no parameter left at a special value."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.mark.peers
@pytest.mark.parametrize(
    ("name", "arguments"), [("AutoEncoder", ()), ("AutoEncoderNew", ()), ("AutoEncoderTopK", (3,))]
)
def test_its_classes_compute_the_same_here(
    name: str,
    arguments: tuple[int, ...],
    dictionary_learning: Any,
    dictionary_folder: Write,
    rows: torch.Tensor,
    architectures: list[Architecture],
) -> None:
    theirs = _moved(getattr(dictionary_learning, name)(6, 10, *arguments))
    extra = {"k": 3} if arguments else {}
    folder = dictionary_folder(theirs.state_dict(), name, **SIZES, **extra)
    coder = load_coder(folder, architectures).coder
    latents = theirs.encode(rows)
    torch.testing.assert_close(coder.encode(rows), latents, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(coder.decode(latents), theirs.decode(latents), atol=1e-5, rtol=1e-5)
    by_file = load_coder(folder / "ae.pt", architectures)
    assert torch.equal(by_file.coder.params["W_dec"], coder.params["W_dec"])


@pytest.mark.peers
@pytest.mark.parametrize("threshold", [0.4, -1.0])
@pytest.mark.parametrize("name", ["BatchTopKSAE", "MatryoshkaBatchTopKSAE"])
def test_batch_topk_is_what_its_threshold_makes_of_it(
    name: str, threshold: float, dictionary_learning: Any, dictionary_folder: Write, rows: torch.Tensor
) -> None:
    groups = {"group_sizes": [4, 6]} if name == "MatryoshkaBatchTopKSAE" else {}
    theirs = _moved(getattr(dictionary_learning, name)(6, 10, 3, **groups))
    theirs.threshold.fill_(threshold)
    checkpoint = read_checkpoint(dictionary_folder(theirs.state_dict(), name, **SIZES, k=3))
    assert checkpoint.config["architecture"] == ("jumprelu" if threshold > 0 else "standard")
    torch.testing.assert_close(_encode(checkpoint, rows), theirs.encode(rows), atol=1e-5, rtol=1e-5)
    assert any("k = 3 was for training" in change for change in checkpoint.changes)


@pytest.mark.peers
def test_jumprelu_and_gated_are_translated_tensor_by_tensor(
    dictionary_learning: Any, dictionary_folder: Write, rows: torch.Tensor, tmp_path: Path
) -> None:
    theirs = _moved(dictionary_learning.JumpReluAutoEncoder(6, 10))
    checkpoint = read_checkpoint(dictionary_folder(theirs.state_dict(), "JumpReluAutoEncoder", **SIZES))
    torch.testing.assert_close(_encode(checkpoint, rows), theirs.encode(rows), atol=1e-5, rtol=1e-5)
    (tmp_path / "theirs").rename(tmp_path / "first")
    gated = _moved(dictionary_learning.GatedAutoEncoder(6, 10))
    checkpoint = read_checkpoint(dictionary_folder(gated.state_dict(), "GatedAutoEncoder", **SIZES))
    t = checkpoint.tensors
    inside = (rows - t["b_dec"]) @ t["W_enc"]  # SAELens: gate and magnitude share W_enc up to exp(r_mag)
    latents = (inside + t["b_gate"] > 0) * (inside * t["r_mag"].exp() + t["b_mag"]).relu()
    torch.testing.assert_close(latents, gated.encode(rows), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(latents @ t["W_dec"] + t["b_dec"], gated.decode(latents), atol=1e-5, rtol=1e-5)
    assert checkpoint.config["architecture"] == "gated"


def _encode(checkpoint: Any, rows: torch.Tensor) -> torch.Tensor:
    """JumpReLU and ReLU by SAELens's formula."""
    t = checkpoint.tensors
    inside = rows - t["b_dec"] if checkpoint.config["apply_b_dec_to_input"] else rows
    pre = inside @ t["W_enc"] + t["b_enc"]
    return pre.relu() * (pre > t["threshold"]) if "threshold" in t else pre.relu()


class _Bomb:
    """Unpickled by an ordinary reader, it writes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.marker, "ran")


@pytest.mark.parametrize("how", ["torch.save", "pickle"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(
    how: str, tmp_path: Path, dictionary_folder: Write, architectures: list[Architecture]
) -> None:
    marker = tmp_path / "marker"
    folder = dictionary_folder({}, "AutoEncoder", **SIZES)
    bomb = {"encoder.weight": _Bomb(marker)}
    if how == "torch.save":
        torch.save(bomb, folder / "ae.pt")
    else:
        (folder / "ae.pt").write_bytes(pickle.dumps(bomb))
    with pytest.raises(UsageError, match=r"ae\.pt: .*(any code|no whole file of torch\.save)") as error:
        load_coder(folder, architectures)
    assert "\n" not in str(error.value)
    assert not marker.exists()
    if how == "torch.save":
        assert "safetensors.torch.save_file" in str(error.value)
        torch.load(folder / "ae.pt", weights_only=False)
        assert marker.read_text() == "ran", "the file is not the danger that this test takes it for"


def _state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"encoder.weight": (10, 6), "encoder.bias": (10,), "decoder.weight": (6, 10), "bias": (6,)}
    return {name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()}


def test_decoder_rows_are_kept_as_stored_and_it_is_said(
    dictionary_folder: Write, architectures: list[Architecture]
) -> None:
    state = _state()
    loaded = load_coder(dictionary_folder(state, **SIZES), architectures)
    assert torch.equal(loaded.coder.params["W_dec"], state["decoder.weight"].T)
    assert any("kept as they were stored" in change for change in loaded.checkpoint.changes)


def _renamed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {"b_dec" if name == "bias" else name: tensor for name, tensor in state.items()}


WRONG: dict[str, tuple[Callable[[dict[str, torch.Tensor]], Any], dict[str, Any], str]] = {
    "transposed decoder": (
        lambda s: {**s, "decoder.weight": s["decoder.weight"].T},
        SIZES,
        r"decoder\.weight has shape \(10, 6\), expected \(d_in, d_sae\) = \(6, 10\)",
    ),
    "other sizes": (lambda s: s, {"activation_dim": 6, "dict_size": 12}, r"expected \(d_in, d_sae\) = \(6, 12\)"),
    "a missing bias": (lambda s: {k: v for k, v in s.items() if k != "bias"}, SIZES, "'bias' is missing"),
    "an unknown tensor": (lambda s: {**s, "ghost": s["bias"]}, SIZES, "unknown tensor 'ghost'"),
    "NaN": (lambda s: {**s, "bias": s["bias"] * float("nan")}, SIZES, "not finite"),
    "a list": (lambda s: list(s.values()), SIZES, "is no table of tensors by name"),
    "another class": (lambda s: s, {"dict_class": "IdentityDict"}, r"dict_class: the class 'IdentityDict'"),
    "a tensor no architecture reads": (
        lambda s: {**_renamed(s), "k": torch.tensor(3), "threshold": torch.tensor(0.5)},
        {"dict_class": "BatchTopKSAE", **SIZES},
        r"no installed architecture reads 'jumprelu' \(readable: .*standard, topk, transcoder\)",
    ),
    "two values of k": (
        lambda s: {**_renamed(s), "k": torch.tensor(3)},
        {"dict_class": "AutoEncoderTopK", "k": 4, **SIZES},
        r"trainer\.k: is 4, the weights say 3",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_line(case: str, dictionary_folder: Write, architectures: list[Architecture]) -> None:
    change, trainer, says = WRONG[case]
    with pytest.raises(UsageError, match=says) as error:
        load_coder(dictionary_folder(change(_state()), **trainer), architectures)
    assert "\n" not in str(error.value)


def test_a_truncated_file_and_a_missing_configuration_are_told(
    dictionary_folder: Write, architectures: list[Architecture]
) -> None:
    folder = dictionary_folder(_state(), **SIZES)
    raw = (folder / "ae.pt").read_bytes()
    (folder / "ae.pt").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(UsageError, match=r"ae\.pt: is no whole file of torch\.save"):
        load_coder(folder, architectures)
    (folder / "config.json").unlink()
    with pytest.raises(UsageError, match=r"config\.json: cannot be read: No such file"):
        load_coder(folder, architectures)
