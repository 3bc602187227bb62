"""The quantities that imported files report under definitions of their own."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, hookimpl
from husai_core.metric import Direction


class ImportedMetric(Metric):
    """A quantity that only an imported file gives."""

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
    defect: str = "",
) -> MetricCard:
    return MetricCard(name, "1", unit, direction, definition, low, high, continuous=False, defect=defect)


_CHOSEN_ON_TEST = "takes the number of latents that is best on the very test rows that it is measured on"
_PROBED = "by the earlier scripts, averaged over data sets, none of which the file tells apart"

_EARLIER = [
    *(
        _card(
            f"earlier_probe_{score}",
            unit,
            "higher",
            f"test {score} of a probe on the k best latents {_PROBED}",
            0.0,
            1.0,
        )
        for score, unit in (("auc", "AUC"), ("accuracy", "share of texts"), ("f1", "F1"))
    ),
    *(
        _card(
            f"earlier_llm_probe_{score}",
            unit,
            "neither",
            f"test {score} of a probe on the model itself {_PROBED}",
            0.0,
            1.0,
        )
        for score, unit in (("auc", "AUC"), ("accuracy", "share of texts"), ("f1", "F1"))
    ),
    _card(
        "earlier_probe_best_delta",
        "AUC",
        "higher",
        f"AUC at the best number of latents minus the model's own, {_PROBED}",
        -1.0,
        1.0,
        _CHOSEN_ON_TEST,
    ),
    _card(
        "earlier_ood_drop",
        "AUC",
        "lower",
        "the same on the sets called in-distribution minus that on the sets called shifted; an absolute difference",
        -2.0,
        2.0,
        _CHOSEN_ON_TEST + ", and calls shifted whichever sets come last in the alphabet",
    ),
    *(
        _card(
            f"earlier_ce_bench_{score}",
            "CE-Bench score",
            "higher",
            f"{score} score of CE-Bench, the maximum over latents averaged over rows: grows with the width",
            0.0,
            defect=defect,
        )
        for score, defect in (
            ("contrastive", ""),
            ("independent", "the vector that it is independent of is all zeros"),
            ("interpretability", ""),
        )
    ),
    _card(
        "earlier_explained_variance",
        "share of variance",
        "higher",
        "explained variance of the training activations, as the script that trained the dictionary defined it",
        high=1.0,
        defect="three scripts defined it in three ways, and the file does not say in which",
    ),
    _card("earlier_mse", "squared activation", "lower", "mean squared residual, as the training script has it", 0.0),
    _card("earlier_l0", "latents per row", "neither", "active latents per row of the training activations", 0.0),
    _card(
        "earlier_pwmcc",
        "mean |cosine|",
        "higher",
        "mean over latents of the best absolute cosine with a latent of the other dictionary, both ways, averaged",
        0.0,
        1.0,
    ),
]

_SHARES = ("acc", "acc_norm", "exact_match", "f1", "mc1", "mc2")
_SMALLER = ("perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte")
_LM_EVAL = [
    *(
        _card(f"lm_eval_{name}", "share of questions", "higher", f"{name} of a task of lm-evaluation-harness", 0.0, 1.0)
        for name in _SHARES
    ),
    *(_card(f"lm_eval_{name}", name, "lower", f"{name} of a task of lm-evaluation-harness", 0.0) for name in _SMALLER),
    _card("lm_eval_mcc", "correlation", "higher", "Matthews correlation of a task of lm-evaluation-harness", -1.0, 1.0),
]

_SAE_LENS = [
    _card(
        "sae_lens_training_tokens",
        "tokens",
        "neither",
        "number of tokens that a SAELens configuration says the dictionary was trained on",
        1.0,
    )
]

CARDS = {card.name: card for card in (*_EARLIER, *_LM_EVAL, *_SAE_LENS)}


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [ImportedMetric(card) for card in CARDS.values()]
