"""A coder on disk, in SAELens's layout: `cfg.json` beside `sae_weights.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from husai_core import strict_json
from husai_core.sae import Architecture, Dims

if TYPE_CHECKING:
    from husai_core.sae import Params

CONFIG_FILE = "cfg.json"
WEIGHTS_FILE = "sae_weights.safetensors"


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


def config_bytes(architecture: Architecture, settings: Any, dims: Dims, model_name: str, hook_name: str) -> bytes:
    """A SAELens configuration; families that SAELens does not know keep their own name as `architecture`."""
    own: Mapping[str, Any] = architecture.sae_lens_config(settings)
    config = {
        "architecture": architecture.name,
        "d_in": dims.d_in,
        "d_sae": dims.d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"model_name": model_name, "hook_name": hook_name},
        **own,
    }
    return strict_json.encode(config)
