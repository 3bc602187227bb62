"""Tensors as safetensors bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from husai_core.sae import Params


def weights_bytes(params: Params) -> bytes:
    """The parameters as safetensors: the same values always give the same bytes."""
    from safetensors.torch import save

    raw: bytes = save({name: value.contiguous() for name, value in sorted(params.items())})
    return raw


def read_weights(raw: bytes) -> Params:
    """Parameters from safetensors bytes."""
    from safetensors.torch import load

    params: Params = load(raw)
    return params
