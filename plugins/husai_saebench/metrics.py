"""The quantities that SAEBench reports, by its own definitions; those known to be wrong say so and are never judged."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, hookimpl
from husai_core.metric import Direction


class SaebenchMetric(Metric):
    """A quantity that the published program computes, or the difference of two of them on one data set."""

    requires: Sequence[str] = ()

    def __init__(self, card: MetricCard) -> None:
        self.card = card  # type: ignore[misc]


def _card(
    name: str,
    unit: str,
    direction: Direction,
    definition: str,
    low: float | None = None,
    high: float | None = None,
    *,
    defect: str = "",
) -> MetricCard:
    # Not continuous: accuracies are counts over a few rows, and what ran in bfloat16 has three digits.
    return MetricCard(f"saebench_{name}", "1", unit, direction, definition, low, high, continuous=False, defect=defect)


_SPLICED = "of the model's predictions on OpenWebText with the reconstruction in place of the activations"
_ZEROED = "with zeros in place of the activations"
_CORE = (
    _card(
        "kl_div_score",
        "share of the divergence under ablation",
        "higher",
        "1 - KL divergence with the reconstruction / KL divergence with zeros; 1 is a model that predicts as before: "
        "in spite of its name, higher is better",
        high=1.0,
    ),
    _card(
        "decoder_norm_error",
        "difference of length",
        "lower",
        "largest difference of a decoder row's length from 1; the official code takes rows of length 1 for granted",
        0.0,
    ),
    _card("kl_div_with_sae", "nats per token", "lower", f"KL divergence {_SPLICED} from those without", 0.0),
    _card("kl_div_with_ablation", "nats per token", "neither", f"KL divergence of the predictions {_ZEROED}", 0.0),
    _card(
        "ce_loss_score",
        "share of the loss under ablation",
        "higher",
        "(loss with zeros - loss with the reconstruction) / (loss with zeros - loss of the model as it is)",
    ),
    _card("ce_loss_with_sae", "nats per token", "lower", f"cross-entropy {_SPLICED}", 0.0),
    _card("ce_loss_with_ablation", "nats per token", "neither", f"cross-entropy of the predictions {_ZEROED}", 0.0),
    _card("ce_loss_without_sae", "nats per token", "neither", "cross-entropy of the model as it is", 0.0),
    _card(
        "explained_variance",
        "share of variance",
        "higher",
        "1 - mean squared residual / (mean squared norm - squared mean of squared activations), as SAEBench has it "
        "since March 2025",
        defect="subtracts the square of the mean square where the square of the mean belongs: what is 0.75 reads 0.18 "
        "at one scale of the activations and 1.02 at another",
    ),
    _card(
        "explained_variance_legacy",
        "share of variance",
        "higher",
        "mean over tokens of 1 - squared residual of the token / its squared distance from the mean of its batch; "
        "up to SAEBench 0.4.0 this was filed as explained_variance",
        high=1.0,
        defect="a mean of ratios, one for each token, and so no share of the variance; its authors withdrew it",
    ),
    _card(
        "mse",
        "squared activation",
        "lower",
        "mean over tokens of squared residual norm / number of tokens in the batch",
        0.0,
        defect="is divided by the number of tokens in a batch, so twice the batch halves it",
    ),
    _card("cossim", "cosine", "higher", "cosine of activation and reconstruction, mean over tokens", -1.0, 1.0),
    _card("l2_norm_in", "norm", "neither", "Euclidean norm of the activations, mean over tokens", 0.0),
    _card("l2_norm_out", "norm", "neither", "Euclidean norm of the reconstructions, mean over tokens", 0.0),
    _card(
        "l2_ratio",
        "ratio of norms",
        "neither",
        "norm of the reconstruction / norm of the activation, mean over tokens",
        0.0,
    ),
    _card(
        "relative_reconstruction_bias",
        "ratio",
        "neither",
        "mean squared norm of the reconstruction / mean inner product of activation and reconstruction; 1 is unbiased",
    ),
    _card("l0", "latents per token", "neither", "number of latents that are not zero, mean over tokens", 0.0),
    _card("l1", "activation", "neither", "sum of the latents, signs and all, mean over tokens"),
    *(
        found
        for percent in (1, 10)
        for found in (
            _card(
                f"freq_over_{percent}_percent",
                "share of latents",
                "neither",
                f"share of the latents that are active on more than {percent} % of the tokens",
                0.0,
                1.0,
            ),
            _card(
                f"normalized_freq_over_{percent}_percent",
                "share of activity",
                "neither",
                f"activation frequencies above {percent} %, summed, / the sum of all activation frequencies",
                0.0,
                1.0,
            ),
        )
    ),
    *(
        _card(
            f"average_max_{side}_cosine_sim",
            "cosine",
            "neither",
            f"cosine of each latent's {side} direction with the nearest other one, mean over latents",
            -1.0,
            1.0,
        )
        for side in ("encoder", "decoder")
    ),
    _card("frac_alive", "share of latents", "higher", "share of the latents that were active on any token", 0.0, 1.0),
)

_ROWS = "share of test rows"
_PROBED: tuple[tuple[str, str, Direction], ...] = (
    ("sparse_probing", "the k latents", "higher"),
    ("llm_sparse_probing", "the k channels of the model's own activations", "neither"),
)
_SPARSE_PROBING = (
    *(
        _card(
            f"{prefix}_accuracy",
            _ROWS,
            direction,
            f"test accuracy of a logistic regression on {of} whose unscaled class means differ most, averaged over the "
            "classes of a data set, each against the rest",
            0.0,
            1.0,
        )
        for prefix, of, direction in _PROBED
    ),
    _card(
        "probe_all_latents_accuracy",
        _ROWS,
        "higher",
        "test accuracy of a linear probe on all latents, averaged over the classes of a data set",
        0.0,
        1.0,
        defect="the epoch of the probe is chosen on the test rows",
    ),
    _card(
        "llm_probe_accuracy",
        _ROWS,
        "neither",
        "test accuracy of a logistic regression on all of the model's own activations, averaged over the classes of a "
        "data set; no dictionary has a part in it",
        0.0,
        1.0,
    ),
    _card(
        "sparse_probing_delta",
        _ROWS,
        "higher",
        "saebench_sparse_probing_accuracy minus saebench_llm_sparse_probing_accuracy, at the same k on the same set",
        -1.0,
        1.0,
    ),
    _card(
        "sparse_probing_dense_delta",
        _ROWS,
        "higher",
        "saebench_sparse_probing_accuracy minus saebench_llm_probe_accuracy on the same data set",
        -1.0,
        1.0,
    ),
)
_SAE_PROBES = tuple(
    found
    for score, unit in (("accuracy", _ROWS), ("auc", "AUC"), ("f1", "F1"))
    for found in (
        _card(
            f"sae_probes_{score}",
            unit,
            "higher",
            f"test {score} of a logistic regression on the k latents that tell most, on one binary set of sae-probes, "
            "whose repeated texts stand on both sides of the split",
            0.0,
            1.0,
        ),
        _card(
            f"sae_probes_llm_{score}",
            unit,
            "neither",
            f"test {score} of the baseline probe on all of the model's own activations, on one set of sae-probes",
            0.0,
            1.0,
        ),
        _card(
            f"sae_probes_{score}_delta",
            unit,
            "higher",
            f"saebench_sae_probes_{score} minus saebench_sae_probes_llm_{score} on the same set",
            -1.0,
            1.0,
        ),
    )
)

_WORDS = "the words of a letter that the model's own probe gets right"
_ABSORPTION = (
    _card(
        "absorption_rate",
        "share of words",
        "lower",
        f"share of {_WORDS} on which the letter's latents are silent and one other latent carries the letter; counted "
        "as SAEBench did before 0.3.0, which drew the words to look at more narrowly",
        0.0,
        1.0,
    ),
    _card(
        "full_absorption_rate",
        "share of words",
        "lower",
        f"share of {_WORDS} on which the letter's latents are silent and one other latent carries the letter",
        0.0,
        1.0,
    ),
    _card(
        "absorption_fraction",
        "share of the projection",
        "lower",
        f"share of the projection on the letter's probe that other latents carry, averaged over {_WORDS}",
        0.0,
        1.0,
    ),
    _card("split_features", "latents", "lower", "number of latents over which the letter is split", 0.0),
    _card("absorption_words", "words", "neither", f"number of {_WORDS}; the model's own", 0.0),
)

_ABLATION = (
    _card(
        "scr",
        "share of the way",
        "higher",
        "how far zeroing the latents of a spurious concept brings the biased probe from its own accuracy to that of an "
        "unbiased one, in the direction that starts from the lower accuracy; below 0 it does harm",
    ),
    *(
        _card(
            f"scr_dir{number}",
            "share of the way",
            "higher",
            f"the same as saebench_scr with the latents of {removed} zeroed, whichever accuracy is the lower",
        )
        for number, removed in ((1, "gender or sentiment"), (2, "profession or product"))
    ),
    _card(
        "tpp",
        "accuracy",
        "higher",
        "what zeroing a class's most telling latents takes from that class's probe, minus what it takes from the other "
        "classes' probes, averaged over classes: saebench_tpp_intended minus saebench_tpp_unintended",
        -2.0,
        2.0,
    ),
    _card("tpp_intended", "accuracy", "higher", "accuracy that the probe of the class itself loses", -1.0, 1.0),
    _card("tpp_unintended", "accuracy", "lower", "accuracy that the probes of the other classes lose", -1.0, 1.0),
)

_OTHERS = (
    _card(
        "autointerp_score",
        "share of examples",
        "higher",
        "share of text examples that a language model sorts rightly into active and inactive by an explanation that a "
        "language model wrote; one observation for each latent drawn",
        0.0,
        1.0,
    ),
    _card(
        "ravel_cause", "share of prompts", "higher", "share of answers that change with the patched latents", 0.0, 1.0
    ),
    _card("ravel_isolation", "share of prompts", "higher", "share of other answers that stay as they were", 0.0, 1.0),
    _card("ravel_disentanglement", "share of prompts", "higher", "mean of cause and isolation", 0.0, 1.0),
    _card(
        "unlearning_score",
        "accuracy",
        "higher",
        "1 - lowest accuracy on biology questions over all clamps that leave at least 99 % of the other subjects' "
        "accuracy; the best of many, with nothing held out",
        0.0,
        1.0,
    ),
)

_TRAINED = "a BatchTopK dictionary of a quarter of its width, trained on those very rows with four latents a row"
_META_STRUCTURE = (
    _card(
        "decoder_variance_explained",
        "share of variance",
        "neither",
        f"share of the variance of the decoder's rows that {_TRAINED}, explains; more is more structure in common",
        high=1.0,
    ),
    _card(
        "decoder_mse", "squared weight", "neither", f"mean squared error of the decoder's weights under {_TRAINED}", 0.0
    ),
)

_GROUPS = (_CORE, _SPARSE_PROBING, _SAE_PROBES, _ABSORPTION, _ABLATION, _OTHERS, _META_STRUCTURE)
_CARDS = {card.name: card for group in _GROUPS for card in group}


def card(name: str) -> MetricCard:
    """The card of one of these quantities."""
    return _CARDS[name]


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [SaebenchMetric(card) for card in _CARDS.values()]
