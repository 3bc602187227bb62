"""Which field of a result file is which quantity, in which setting, and from which rows a headline must follow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from husai_core.evidence import Scalar


@dataclass(frozen=True)
class Quantity:
    """A metric in a setting."""

    metric: str
    setting: Mapping[str, Scalar]


def _field(pattern: str, metric: str, key: str = "") -> tuple[re.Pattern[str], str, str]:
    return re.compile(pattern), f"saebench_{metric}", key


_SPARSE_PROBING = [
    _field(r"sae_top_(\d+)_test_accuracy", "sparse_probing_accuracy", "k"),
    _field(r"llm_top_(\d+)_test_accuracy", "llm_sparse_probing_accuracy", "k"),
    _field("sae_test_accuracy", "probe_all_latents_accuracy"),
    _field("llm_test_accuracy", "llm_probe_accuracy"),
]
_SAE_PROBES = [
    found
    for score in ("accuracy", "auc", "f1")
    for found in (
        _field(rf"sae_top_(\d+)_test_{score}", f"sae_probes_{score}", "k"),
        _field(f"llm_test_{score}", f"sae_probes_llm_{score}"),
    )
]
_ABSORPTION = [
    _field("absorption_rate", "absorption_rate"),
    _field("full_absorption_rate", "full_absorption_rate"),
    _field("mean_absorption_fraction", "absorption_fraction"),
    _field("num_split_features", "split_features"),
    _field("num_probe_true_positives", "absorption_words"),
]
_SCR = [
    _field(r"scr_metric_threshold_(\d+)", "scr", "threshold"),
    _field(r"scr_dir1_threshold_(\d+)", "scr_dir1", "threshold"),
    _field(r"scr_dir2_threshold_(\d+)", "scr_dir2", "threshold"),
]
_TPP = [
    _field(r"tpp_threshold_(\d+)_total_metric", "tpp", "threshold"),
    _field(r"tpp_threshold_(\d+)_intended_diff_only", "tpp_intended", "threshold"),
    _field(r"tpp_threshold_(\d+)_unintended_diff_only", "tpp_unintended", "threshold"),
]
_RAVEL = [
    _field("cause_score", "ravel_cause"),
    _field("isolation_score", "ravel_isolation"),
    _field("disentangle_score", "ravel_disentanglement"),
]
_CORE = [
    _field(name, name)
    for name in (
        *(f"{family}_{end}" for family in ("kl_div", "ce_loss") for end in ("score", "with_ablation", "with_sae")),
        "ce_loss_without_sae",
        *("explained_variance", "explained_variance_legacy", "mse", "cossim"),
        *("l2_norm_in", "l2_norm_out", "l2_ratio", "relative_reconstruction_bias", "l0", "l1"),
        *(f"{kind}freq_over_{percent}_percent" for kind in ("", "normalized_") for percent in (1, 10)),
        *("average_max_encoder_cosine_sim", "average_max_decoder_cosine_sim", "frac_alive"),
    )
]
_FIELDS = {
    "core": _CORE,
    "sparse_probing": _SPARSE_PROBING,
    "sparse_probing_sae_probes": _SAE_PROBES,
    "absorption": _ABSORPTION,
    "scr": _SCR,
    "tpp": _TPP,
    "autointerp": [_field("score", "autointerp_score")],
    "ravel": _RAVEL,
    "unlearning": [_field("unlearning_score", "unlearning_score")],
    "meta_structure": [
        _field("decoder_fraction_variance_explained", "decoder_variance_explained"),
        _field("final_reconstruction_mse", "decoder_mse"),
    ],
}

DELTAS = {
    "saebench_sparse_probing_accuracy": (
        ("saebench_llm_sparse_probing_accuracy", "saebench_sparse_probing_delta"),
        ("saebench_llm_probe_accuracy", "saebench_sparse_probing_dense_delta"),
    ),
    **{
        f"saebench_sae_probes_{score}": ((f"saebench_sae_probes_llm_{score}", f"saebench_sae_probes_{score}_delta"),)
        for score in ("accuracy", "auc", "f1")
    },
}
"""What is subtracted from a quantity on the same data set, and what the difference is called."""

LISTS = {"k": ("k_values", "ks"), "threshold": ("n_values",)}
"""Where the settings of a result say which values of `k` or of the threshold were asked for."""

_HEADLINES = {
    "mean_absorption_score": "absorption_rate",
    "mean_full_absorption_score": "full_absorption_rate",
    "mean_absorption_fraction_score": "mean_absorption_fraction",
    "mean_num_split_features": "num_split_features",
    "autointerp_score": "score",
    "disentanglement_score": "disentangle_score",
}
_SPREADS = {
    "std_dev_full_absorption_score": "full_absorption_rate",
    "std_dev_absorption_fraction_score": "mean_absorption_fraction",
    "std_dev_num_split_features": "num_split_features",
    "autointerp_std_dev": "score",
}


def quantity(kind: str, field: str) -> Quantity | None:
    """What this field of a row of this eval holds; None where it holds nothing that is known."""
    for pattern, metric, key in _FIELDS[kind]:
        if found := pattern.fullmatch(field):
            return Quantity(metric, {key: int(found[1])} if key else {})
    return None


def spread_of(field: str) -> str | None:
    """The field of the rows whose standard deviation this headline is."""
    return _SPREADS.get(field)


def mean_of(field: str) -> str:
    """The field of the rows whose mean this headline is."""
    return _HEADLINES.get(field, field)
