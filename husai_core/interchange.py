"""A coder on disk, in SAELens's layout: `cfg.json` beside `sae_weights.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from husai_core import strict_json
from husai_core.sae import Architecture, Coder

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


def saved_files(coder: Coder, model_name: str, hook_name: str) -> dict[str, bytes]:
    """A coder as the two files of SAELens; families that SAELens does not know keep their own name."""
    own, tensors = coder.architecture.to_sae_lens(coder.params, coder.settings)
    config = {
        "architecture": coder.architecture.name,
        "d_in": coder.dims.d_in,
        "d_sae": coder.dims.d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        **own,
        "metadata": {"model_name": model_name, "hook_name": hook_name, **own.get("metadata", {})},
    }
    return {CONFIG_FILE: strict_json.encode(config), WEIGHTS_FILE: weights_bytes(tensors)}


def read_params(architecture: Architecture, files: Mapping[str, bytes]) -> Params:
    """The parameters of a coder saved by `saved_files`."""
    config = strict_json.parse(files[CONFIG_FILE], CONFIG_FILE)
    return architecture.from_sae_lens(config, read_weights(files[WEIGHTS_FILE]))[1]
