"""dictionary_learning's layout: `ae.pt`, a pickled table of tensors, beside `config.json`, which names its class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_core.errors import UsageError, did_you_mean
from husai_core.interchange.checkpoint import Checkpoint, Files, required
from husai_core.interchange.tensors import Axes, from_pickle, in_float32, refuse_other_shapes

if TYPE_CHECKING:
    from husai_core.sae import Params

FORM = "dictionary_learning"
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "ae.pt"


@dataclass(frozen=True)
class _Class:
    """One of its classes: the SAELens family that computes the same, and where each of that family's tensors is."""

    architecture: str
    tensors: Mapping[str, str]  # SAELens's name -> its name; a `.weight` of a linear layer is transposed
    subtracts_bias: bool = True
    buffers: Mapping[str, Axes] | None = None


_LINEAR = {"W_enc": "encoder.weight", "b_enc": "encoder.bias", "W_dec": "decoder.weight"}
_PLAIN = {name: name for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
_GATES = {"b_gate": "gate_bias", "b_mag": "mag_bias", "r_mag": "r_mag"}
_K: Mapping[str, Axes] = {"k": (), "threshold": ()}

CLASSES: Mapping[str, _Class] = {
    "AutoEncoder": _Class("standard", {**_LINEAR, "b_dec": "bias"}),
    "AutoEncoderNew": _Class("standard", {**_LINEAR, "b_dec": "decoder.bias"}, subtracts_bias=False),
    "AutoEncoderTopK": _Class("topk", {**_LINEAR, "b_dec": "b_dec"}, buffers=_K),
    "BatchTopKSAE": _Class("jumprelu", {**_LINEAR, "b_dec": "b_dec"}, buffers=_K),
    "MatryoshkaBatchTopKSAE": _Class("jumprelu", _PLAIN, buffers={**_K, "group_sizes": ("groups",)}),
    "JumpReluAutoEncoder": _Class("jumprelu", {**_PLAIN, "threshold": "threshold"}, subtracts_bias=False),
    "GatedAutoEncoder": _Class(
        "gated",
        {"W_enc": "encoder.weight", "W_dec": "decoder.weight", "b_dec": "decoder_bias", **_GATES},
    ),
}

_AXES: Mapping[str, Axes] = {
    "W_enc": ("d_in", "d_sae"),
    "W_dec": ("d_sae", "d_in"),
    "b_dec": ("d_in",),
    **dict.fromkeys(("b_enc", "threshold", *_GATES), ("d_sae",)),
}


def read(files: Files) -> Checkpoint:
    """A folder of dictionary_learning, translated to what its class computes at inference."""
    place = f"{files.place(CONFIG_FILE)} $"
    trainer = required(files.table(CONFIG_FILE), "trainer", dict, place)
    name = required(trainer, "dict_class", str, f"{place}.trainer")
    known = CLASSES.get(name)
    if known is None:
        rule = f"the class '{name}' is none that HUSAI reads"
        raise UsageError(f"{place}.trainer.dict_class", rule, did_you_mean(name, CLASSES))
    weights = files.place(WEIGHTS_FILE)
    stored = from_pickle(files.read(WEIGHTS_FILE), weights)
    buffers = known.buffers or {}
    sizes = _sizes(trainer, f"{place}.trainer", stored, known, weights)
    axes = {theirs: _stored_axes(ours, theirs) for ours, theirs in known.tensors.items()}
    refuse_other_shapes(stored, {**axes, **buffers}, sizes, weights, optional=tuple(buffers))
    tensors, changes = in_float32({ours: stored[theirs] for ours, theirs in known.tensors.items()}, weights)
    tensors = {
        ours: tensor.T.contiguous() if known.tensors[ours].endswith(".weight") else tensor
        for ours, tensor in tensors.items()
    }
    config: dict[str, Any] = {
        "architecture": known.architecture,
        "d_in": sizes["d_in"],
        "d_sae": sizes["d_sae"],
        "apply_b_dec_to_input": known.subtracts_bias,
        "metadata": {},
    }
    for buffer in buffers:
        if buffer in stored and not stored[buffer].isfinite().all():
            raise UsageError(weights, f"{buffer} is not finite", "take an earlier checkpoint")
    changes += _inference(name, config, tensors, stored, trainer, f"{place}.trainer")
    return Checkpoint(FORM, files.place(WEIGHTS_FILE), config, tensors, files.digests, changes)


def _stored_axes(ours: str, theirs: str) -> Axes:
    axes = _AXES[ours]
    return axes[::-1] if theirs.endswith(".weight") else axes


def _sizes(trainer: Mapping[str, Any], place: str, stored: Params, known: _Class, weights: str) -> dict[str, int]:
    """Widths as the configuration states them; where it does not, as the encoder of this class has them."""
    sizes = {"groups": stored["group_sizes"].numel()} if stored.get("group_sizes") is not None else {}
    encoder = known.tensors["W_enc"]
    if encoder not in stored or stored[encoder].ndim != 2:
        rule = f"the tensor '{encoder}' is missing or is no matrix"
        raise UsageError(weights, rule, f"there are: {', '.join(sorted(stored))}")
    found = dict(zip(_stored_axes("W_enc", encoder), stored[encoder].shape, strict=True))
    for axis, key in (("d_in", "activation_dim"), ("d_sae", "dict_size")):
        sizes[axis] = required(trainer, key, int, place) if key in trainer else int(found[axis])
    return sizes


def _inference(
    name: str, config: dict[str, Any], tensors: Params, stored: Params, trainer: Mapping[str, Any], place: str
) -> tuple[str, ...]:
    """What the class does beside its tensors, put into the configuration; and what is said of it."""
    import torch

    if name == "AutoEncoder":
        return ("decoder rows are kept as they were stored; dictionary_learning makes them unit when it loads them",)
    if name not in ("AutoEncoderTopK", "BatchTopKSAE", "MatryoshkaBatchTopKSAE"):
        return ()
    k = int(stored["k"]) if "k" in stored else required(trainer, "k", int, place)
    if trainer.get("k", k) != k:
        raise UsageError(f"{place}.k", f"is {trainer['k']}, the weights say {k}", "take the two files of one run")
    if name == "AutoEncoderTopK":
        config["k"] = k
        return ()
    if "threshold" not in stored:
        raise UsageError(place, f"'{name}' needs the tensor 'threshold' at inference, and it is missing")
    threshold = float(stored["threshold"])
    groups = ("the groups of the Matryoshka play no part at inference",) if "group_sizes" in stored else ()
    if threshold <= 0:  # every latent that ReLU lets through is above it
        config["architecture"] = "standard"
        return (*groups, f"k = {k} was for training; its threshold {threshold:g} stops nothing, so it is a plain ReLU")
    tensors["threshold"] = torch.full_like(tensors["b_enc"], threshold)
    return (*groups, f"k = {k} was for training; at inference it is a JumpReLU with one threshold, {threshold:.9g}")
