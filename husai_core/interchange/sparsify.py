"""sparsify's layout: `cfg.json` beside `sae.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping

from husai_core.errors import UsageError
from husai_core.interchange.checkpoint import Checkpoint, Files, required
from husai_core.interchange.tensors import Axes, from_safetensors, in_float32, refuse_other_shapes

FORM = "sparsify"
CONFIG_FILE = "cfg.json"
WEIGHTS_FILE = "sae.safetensors"

_AXES: Mapping[str, Axes] = {
    "encoder.weight": ("d_sae", "d_in"),
    "encoder.bias": ("d_sae",),
    "W_dec": ("d_sae", "d_in"),
    "b_dec": ("d_in",),
}


def read(files: Files) -> Checkpoint:
    """A folder of sparsify: TopK with the bias subtracted, or not for a transcoder."""
    place = f"{files.place(CONFIG_FILE)} $"
    config = files.table(CONFIG_FILE)
    if config.get("activation", "topk") != "topk":
        rule = f"'{config['activation']}' chooses one latent of each group, which no architecture here does"
        raise UsageError(f"{place}.activation", rule, "known: topk")
    if config.get("skip_connection"):
        rule = "a skip connection beside TopK has no form in SAELens's layout"
        raise UsageError(f"{place}.skip_connection", rule, "give a coder without it")
    d_in, k = required(config, "d_in", int, place), required(config, "k", int, place)
    d_sae = config.get("num_latents") or d_in * required(config, "expansion_factor", int, place)
    weights = files.place(WEIGHTS_FILE)
    stored = from_safetensors(files.read(WEIGHTS_FILE), weights)
    refuse_other_shapes(stored, _AXES, {"d_in": d_in, "d_sae": d_sae}, weights)
    stored, changes = in_float32(stored, weights)
    tensors = {
        "W_enc": stored["encoder.weight"].T.contiguous(),
        "b_enc": stored["encoder.bias"],
        "W_dec": stored["W_dec"],
        "b_dec": stored["b_dec"],
    }
    keys = {"architecture": "topk", "d_in": d_in, "d_sae": d_sae, "k": k, "metadata": {}}
    subtracts = not config.get("transcode", False)
    return Checkpoint(FORM, weights, {**keys, "apply_b_dec_to_input": subtracts}, tensors, files.digests, changes)
