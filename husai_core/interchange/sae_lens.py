"""SAELens's layout: `cfg.json` beside `sae_weights.safetensors`. HUSAI writes it and reads what others wrote in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from husai_core import strict_json
from husai_core.errors import UsageError
from husai_core.interchange.checkpoint import Checkpoint, Files, required
from husai_core.interchange.tensors import Axes, from_safetensors, in_float32, refuse_other_shapes
from husai_core.interchange.weights import read_weights, weights_bytes
from husai_core.sae import Architecture, Coder
from husai_core.settings import settings_table

if TYPE_CHECKING:
    from husai_core.sae import Params

FORM = "sae_lens"
CONFIG_FILE = "cfg.json"
WEIGHTS_FILE = "sae_weights.safetensors"
SETTINGS = "husai_settings"  # in the metadata of a family that SAELens does not have
LAYOUT = "6.0.0"  # the SAELens whose layout this is; where it is not said, SAELens drops the metadata on loading
SCALER_FILE = "activation_scaler.json"  # beside a checkpoint of an unfinished training

AXES: Mapping[str, Axes] = {
    "W_enc": ("d_in", "d_sae"),
    "W_dec": ("d_sae", "d_out"),
    "b_dec": ("d_out",),
    "b_enc": ("d_sae",),
    "b_gate": ("d_sae",),
    "b_mag": ("d_sae",),
    "r_mag": ("d_sae",),
    "threshold": ("d_sae",),
    "log_threshold": ("d_sae",),
    "topk_threshold": (),
    "W_skip": ("d_out", "d_in"),
    "scaling_factor": ("d_sae",),
    "finetuning_scaling_factor": ("d_sae",),
}

# Keys of a configuration by what they say. Any other key is an architecture's own, or unknown.
_READ = """
    architecture d_in d_sae d_out dtype device apply_b_dec_to_input normalize_activations reshape_activations
    metadata rescale_acts_by_decoder_norm finetuning_scaling_factor activation_fn activation_fn_str
    activation_fn_kwargs
"""
_ORIGIN = """
    name model_name hook_name hook_point hook_layer hook_point_layer hook_head_index hook_point_head_index
    hook_name_out hook_head_index_out hf_hook_name hf_hook_name_out model_class_name model_from_pretrained_kwargs
    prepend_bos exclude_special_tokens neuronpedia_id context_size seqpos_slice dataset_path
    dataset_trust_remote_code sae_lens_version sae_lens_training_version
"""
_TRAINING = """
    decoder_init_norm l1_coefficient lp_norm l1_warm_up_steps use_sparse_activations aux_loss_coefficient
    jumprelu_init_threshold jumprelu_bandwidth jumprelu_sparsity_loss_mode jumprelu_tanh_scale
    jumprelu_ste_to_input l0_coefficient l0_warm_up_steps pre_act_loss_coefficient target_l0 topk_threshold_lr
    matryoshka_widths use_matryoshka_aux_loss
"""
KNOWN_KEYS = frozenset(f"{_READ} {_ORIGIN} {_TRAINING}".split())


def saved_files(coder: Coder, model_name: str | None, hook_name: str | None) -> dict[str, bytes]:
    """A coder as the two files of SAELens; families that SAELens does not know keep their own name."""
    own, tensors = coder.architecture.to_sae_lens(coder.params, coder.settings)
    metadata = {"model_name": model_name, "hook_name": hook_name, "sae_lens_version": LAYOUT}
    if "architecture" not in own:
        own = {**own, "metadata": {**own.get("metadata", {}), SETTINGS: settings_table(coder.settings)}}
    config = {
        "architecture": own_name(coder.architecture),
        "d_in": coder.dims.d_in,
        "d_sae": coder.dims.d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        **own,
        "metadata": {key: value for key, value in metadata.items() if value is not None} | own.get("metadata", {}),
    }
    return {CONFIG_FILE: strict_json.encode(config), WEIGHTS_FILE: weights_bytes(tensors)}


def own_name(architecture: Architecture) -> str:
    """What stands in `architecture` for a family that SAELens does not have; its own names may mean something else."""
    return f"husai_{architecture.name}"


def read_params(architecture: Architecture, files: Mapping[str, bytes]) -> Params:
    """The parameters of a coder saved by `saved_files`."""
    config = strict_json.parse(files[CONFIG_FILE], CONFIG_FILE)
    return understood(architecture, config, read_weights(files[WEIGHTS_FILE]))[1]


def understood(
    architecture: Architecture, config: Mapping[str, Any], tensors: Params
) -> tuple[Mapping[str, Any], Params]:
    """Settings and parameters. Of a family that SAELens does not have, both stand in the files as they are."""
    if config["architecture"] == own_name(architecture):
        return config["metadata"][SETTINGS], tensors
    return architecture.from_sae_lens(config, tensors)


def read(files: Files) -> Checkpoint:
    """A folder in SAELens's layout. What it does beside the plain coder is folded into the weights, or refused."""
    place = files.place(CONFIG_FILE)
    config = _modern(files.table(CONFIG_FILE), place)
    weights = files.place(WEIGHTS_FILE)
    tensors, changes = in_float32(from_safetensors(files.read(WEIGHTS_FILE), weights), weights)
    d_in, d_sae = (required(config, key, int, f"{place} $") for key in ("d_in", "d_sae"))
    d_out = required(config, "d_out", int, f"{place} $") if "d_out" in config else d_in
    sizes = {"d_in": d_in, "d_sae": d_sae, "d_out": d_out}
    known = {name: tensor for name, tensor in tensors.items() if name in AXES}
    refuse_other_shapes(known, AXES, sizes, weights, optional=AXES.keys() - {"W_dec"})
    _refuse_what_rows_cannot_show(config, place)
    folds = (
        _fold_decoder_norm(config, tensors, place),
        _fold_finetuned_scale(config, tensors, place),
        _fold_activation_scale(config, tensors, files),
        _flat_heads(config, place),
        _precision(config, place),
    )
    plain = {"normalize_activations": "none", "reshape_activations": "none", "dtype": "float32", "device": "cpu"}
    folded = {"rescale_acts_by_decoder_norm": False, "finetuning_scaling_factor": False}
    return Checkpoint(
        FORM, place, {**config, **plain, **folded}, tensors, files.digests, (*changes, *filter(None, folds))
    )


def _modern(config: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The keys as SAELens has written them since version 6; earlier it left the ReLU family unnamed."""
    found = dict(config)
    for key, kind in (("metadata", dict), ("activation_fn_kwargs", dict), ("architecture", str)):
        if found.get(key) is not None:
            required(found, key, kind, f"{place} $")
    found.setdefault("activation_fn", found.get("activation_fn_str", "relu"))
    if found["activation_fn"] in ("topk", "TopK"):
        found["architecture"] = "topk"
        found["k"] = found.get("k", (found.get("activation_fn_kwargs") or {}).get("k"))
    found.setdefault("architecture", "standard")
    found.setdefault("apply_b_dec_to_input", True)
    return found


def _refuse_what_rows_cannot_show(config: Mapping[str, Any], place: str) -> None:
    metadata = config.get("metadata") or {}
    for key in ("hook_head_index", "hook_point_head_index"):
        head = config.get(key, metadata.get(key))
        if head is not None:
            rule = f"it reads head {head} alone, and a site gives whole rows"
            raise UsageError(f"{place} $.{key}", rule, "give a coder of all heads")
    function = config["activation_fn"]
    if function not in ("relu", "topk", "TopK"):
        rule = f"the activation function '{function}' is none that HUSAI has"
        raise UsageError(f"{place} $.activation_fn", rule, "known: relu, topk")


def _fold_decoder_norm(config: Mapping[str, Any], tensors: Params, place: str) -> str | None:
    """SAELens multiplies pre-activations by the decoder norms and divides after the selection; the weights can."""
    if not config.get("rescale_acts_by_decoder_norm"):
        return None
    if config["architecture"] not in ("topk", "batchtopk", "matryoshka_batchtopk") or "b_enc" not in tensors:
        rule = f"cannot be folded into the weights of a '{config['architecture']}' coder"
        raise UsageError(f"{place} $.rescale_acts_by_decoder_norm", rule, "call its fold_W_dec_norm() and save it")
    norms = tensors["W_dec"].norm(dim=-1)
    if not bool((norms > 0).all()):
        rule = "divides by the norms of W_dec, and one is zero"
        raise UsageError(f"{place} $.rescale_acts_by_decoder_norm", rule, "remove that latent and save it")
    tensors["W_enc"] = tensors["W_enc"] * norms
    tensors["b_enc"] = tensors["b_enc"] * norms
    tensors["W_dec"] = tensors["W_dec"] / norms.unsqueeze(-1)
    return "rescale_acts_by_decoder_norm: folded into W_enc, b_enc and W_dec"


def _fold_finetuned_scale(config: Mapping[str, Any], tensors: Params, place: str) -> str | None:
    """Before version 6, latents were multiplied by a finetuned factor on their way to the decoder."""
    found = [tensors.pop(name) for name in ("scaling_factor", "finetuning_scaling_factor") if name in tensors]
    if config.get("finetuning_scaling_factor") and not found:
        rule = "says that latents are scaled, and the tensor of factors is missing"
        raise UsageError(f"{place} $.finetuning_scaling_factor", rule, "take the weights with their scaling_factor")
    if not found or bool((found[0] == 1).all()):
        return None
    if not config.get("finetuning_scaling_factor"):
        rule = "is off, and the weights hold factors that are not 1"
        raise UsageError(f"{place} $.finetuning_scaling_factor", rule, "set it to what the coder was finetuned with")
    tensors["W_dec"] = tensors["W_dec"] * found[0].unsqueeze(-1)
    return "finetuning_scaling_factor: folded into W_dec; latents are those before the scaling"


def _fold_activation_scale(config: Mapping[str, Any], tensors: Params, files: Files) -> str | None:
    """One factor for all activations is a factor of the weights; a factor per row is none."""
    kind = config.get("normalize_activations", "none")
    where = f"{files.place(CONFIG_FILE)} $.normalize_activations"
    if kind in ("none", None, False):
        return None
    if kind == "covariance_whitening":
        rule = "the whitening is not in these files"
        raise UsageError(where, rule, "call fold_activation_whitening() of SAELens with it, and save the coder again")
    if kind not in ("expected_average_only_in", True):
        rule = f"'{kind}' scales every row by itself, and no weights can do that"
        raise UsageError(where, rule, "give a coder that was trained on activations as they are")
    if not (files.folder / SCALER_FILE).exists():
        rule = f"activations were scaled by a factor that is not in these files; '{SCALER_FILE}' would hold it"
        raise UsageError(where, rule, "call fold_activation_norm_scaling_factor() of SAELens, and save the coder again")
    factor = files.table(SCALER_FILE).get("scaling_factor")
    if not isinstance(factor, int | float) or isinstance(factor, bool) or not factor > 0:
        raise UsageError(f"{files.place(SCALER_FILE)} $.scaling_factor", f"{factor!r} is no factor")
    if config["architecture"] not in ("standard", "topk", "jumprelu", "gated"):
        rule = f"the factor cannot be folded into the weights of a '{config['architecture']}' coder"
        raise UsageError(where, rule, "let SAELens fold it, and save the coder again")
    tensors["W_enc"] = tensors["W_enc"] * factor
    tensors["W_dec"] = tensors["W_dec"] / factor
    tensors["b_dec"] = tensors["b_dec"] / factor
    return f"normalize_activations: the factor {factor:.9g} folded into W_enc, W_dec and b_dec"


def _flat_heads(config: Mapping[str, Any], place: str) -> str | None:
    kind = config.get("reshape_activations", "none")
    if kind in ("none", None):
        return None
    if kind != "hook_z":
        rule = f"'{kind}' is no reshaping that HUSAI has"
        raise UsageError(f"{place} $.reshape_activations", rule, "known: none, hook_z")
    return "reshape_activations: rows must be the outputs of all heads joined in their order"


def _precision(config: Mapping[str, Any], place: str) -> str | None:
    dtype = str(config.get("dtype", "float32")).removeprefix("torch.")
    if dtype not in ("float32", "float64", "float16", "bfloat16"):
        raise UsageError(f"{place} $.dtype", f"'{dtype}' is no type that weights are kept in", "known: float32")
    return None if dtype == "float32" else f"dtype: SAELens computes it in {dtype}, HUSAI in float32"
