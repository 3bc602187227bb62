"""Foreign tensors: read without running anything, held to their shapes, finite, and in float32."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from husai_core.errors import UsageError, did_you_mean
from husai_core.interchange.weights import read_weights

if TYPE_CHECKING:
    from husai_core.sae import Params

Axes = tuple[str, ...]
"""The names of a tensor's axes, such as ("d_in", "d_sae")."""

_TO_SAFETENSORS = (
    "where the file comes from and is trusted, load it there, save its state_dict() with "
    "safetensors.torch.save_file or torch.save, and give that"
)


def from_safetensors(raw: bytes, place: str) -> Params:
    """The tensors of a safetensors file."""
    try:
        return read_weights(raw)
    except Exception as error:  # SafetensorError, and whatever torch makes of an odd header
        rule = f"is no whole safetensors file: {_first_line(error)}"
        raise UsageError(place, rule, "copy it again from its source") from None


def from_pickle(raw: bytes, place: str) -> Params:
    """The tensors of a `torch.save` file, by the reader that builds tensors and containers and runs no code."""
    import io
    import warnings

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other protocols; what cannot be read is an error below
            found = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        rule = "is a pickle that needs more than tensors, and such a file can run any code when it is read"
        raise UsageError(place, rule, _TO_SAFETENSORS) from None
    except Exception as error:  # damaged files end in many kinds of exception
        rule = f"is no whole file of torch.save: {_first_line(error)}"
        raise UsageError(place, rule, "copy it again from its source") from None
    if not isinstance(found, Mapping) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in found.items()
    ):
        raise UsageError(place, "is no table of tensors by name", _TO_SAFETENSORS)
    return {name: value.detach() for name, value in found.items()}


def refuse_other_shapes(
    tensors: Params, axes: Mapping[str, Axes], sizes: Mapping[str, int], place: str, optional: Collection[str] = ()
) -> None:
    """Stop at a tensor that is missing, unknown, or not of the shape that its name demands."""
    for name in axes:
        if name not in tensors and name not in optional:
            raise UsageError(place, f"the tensor '{name}' is missing", f"there are: {', '.join(sorted(tensors))}")
    for name, tensor in sorted(tensors.items()):
        if name not in axes:
            rule = f"unknown tensor '{name}', and nobody could say what it does"
            raise UsageError(place, rule, did_you_mean(name, axes))
        expected = tuple(sizes[axis] for axis in axes[name])
        if tuple(tensor.shape) != expected:
            called = f"({', '.join(axes[name])}) = {expected}" if expected else "a single number"
            rule = f"{name} has shape {tuple(tensor.shape)}, expected {called}"
            raise UsageError(place, rule, "no transposition is guessed; save it in the layout of its library")


def in_float32(tensors: Params, place: str) -> tuple[Params, tuple[str, ...]]:
    """The tensors in float32, all finite, and what was said of the cast."""
    import torch

    kinds: dict[str, list[str]] = {}
    found: Params = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise UsageError(place, f"{name} is of type {_kind(tensor)}, weights are floating-point numbers")
        if not tensor.isfinite().all():
            raise UsageError(place, f"{name} has values that are not finite", "take an earlier checkpoint")
        found[name] = tensor.to(torch.float32)
        if not found[name].isfinite().all():
            raise UsageError(place, f"{name} has values beyond float32", "rescale the coder before it is saved")
        if tensor.dtype != torch.float32:
            kinds.setdefault(_kind(tensor), []).append(name)
    return found, tuple(
        f"{', '.join(sorted(names))}: {kind} {'rounded' if kind == 'float64' else 'widened'} to float32"
        for kind, names in sorted(kinds.items())
    )


def _kind(tensor: object) -> str:
    return str(getattr(tensor, "dtype", "")).removeprefix("torch.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
