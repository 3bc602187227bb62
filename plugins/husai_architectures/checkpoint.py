"""Checkpoint: a coder in SAELens's layout, folded into ours where that is exact and refused where it is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from husai_core.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from husai_core.sae import Params

AFFINE = ("W_enc", "b_enc", "W_dec", "b_dec")
_FOLD = "in SAELens, fold it into the weights with `{}` and save again"
WAYS_OUT = {
    "expected_average_only_in": _FOLD.format("sae.fold_activation_norm_scaling_factor(factor)"),
    "covariance_whitening": _FOLD.format("sae.fold_activation_whitening(mean, whitening, unwhitening)"),
}
RAW = "only a coder trained with normalize_activations = 'none' can be read"


def read(
    config: Mapping[str, Any], tensors: Params, families: Iterable[str], names: Iterable[str] = AFFINE
) -> tuple[dict[str, Any], Params]:
    """The settings that every family has, and float32 copies of the tensors called `names`."""
    family = family_of(config)
    if family not in families:
        raise UsageError("cfg.json: architecture", f"'{family}' is not read here", did_you_mean(family, families))
    normalised = config.get("normalize_activations") or "none"
    if normalised != "none":
        way_out = WAYS_OUT.get("expected_average_only_in" if normalised is True else normalised, RAW)
        raise UsageError("cfg.json: normalize_activations", f"'{normalised}' changes what is encoded", way_out)
    if config.get("finetuning_scaling_factor"):
        rule = "a factor on every latent is not part of this architecture"
        raise UsageError("cfg.json: finetuning_scaling_factor", rule, "multiply W_dec by the factor, drop the key")
    _refuse_other_names(tensors, set(names))
    params = {name: tensors[name].float().clone() for name in names}
    if config.get("rescale_acts_by_decoder_norm"):
        _fold_decoder_norms(params)
    return {"apply_b_dec_to_input": bool(config.get("apply_b_dec_to_input", True))}, params


def family_of(config: Mapping[str, Any]) -> str:
    """The `architecture` of a cfg.json; before version 6 of SAELens, TopK was an activation function."""
    family = str(config.get("architecture", "standard"))
    activation = config.get("activation_fn") or config.get("activation_fn_str") or "relu"
    if family == "standard" and activation == "topk":
        return "topk"
    if activation not in ("relu", "topk"):
        rule = f"'{activation}' is not an activation that these families have"
        raise UsageError("cfg.json: activation_fn", rule, "only 'relu' and 'topk' can be read")
    return family


def whole_k(value: object) -> int:
    """The number of active latents as an integer."""
    if not isinstance(value, int | float) or value != int(value):
        raise UsageError(
            "cfg.json: k", f"{value!r} is not a whole number", "give the coder a whole k and save it again"
        )
    return int(value)


def _refuse_other_names(tensors: Params, names: set[str]) -> None:
    for missing in sorted(names - tensors.keys()):
        raise UsageError(f"sae_weights.safetensors: {missing}", "this tensor is missing", f"it holds {sorted(tensors)}")
    for other in sorted(tensors.keys() - names):
        rule = "this tensor has no part in the architecture"
        raise UsageError(f"sae_weights.safetensors: {other}", rule, f"it reads {sorted(names)}")


def _fold_decoder_norms(params: Params) -> None:
    """SAELens scales pre-activations by the decoder norms and divides when decoding: the same as unit rows."""
    norms = params["W_dec"].norm(dim=-1).clamp_min(1e-8)
    params["W_enc"] *= norms
    params["b_enc"] *= norms
    params["W_dec"] /= norms.unsqueeze(-1)
