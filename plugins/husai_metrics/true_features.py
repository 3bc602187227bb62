"""How latents track true features: cards of what `ground_truth` computes."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, hookimpl
from husai_core.metric import Direction


def _card(name: str, unit: str, direction: Direction, definition: str, *, continuous: bool = True) -> MetricCard:
    return MetricCard(name, "1", unit, direction, definition, low=0.0, high=1.0, continuous=continuous)


class FeatureRecovery(Metric):
    card = _card(
        "feature_mcc",
        "absolute cosine",
        "higher",
        "mean |cosine| of decoder directions and true features under the one-to-one assignment that makes it largest, "
        "over the smaller of both sets",
    )


class FeaturePrecision(Metric):
    card = _card(
        "feature_precision",
        "share of test rows",
        "higher",
        "of the test rows on which a latent is not zero, the share on which its best-matching true feature (largest |cosine|) fires; "
        "0 for a latent that is always zero; mean over all latents",
    )


class FeatureRecall(Metric):
    card = _card(
        "feature_recall",
        "share of test rows",
        "higher",
        "of the test rows on which a latent's best-matching true feature fires, the share on which the latent is not "
        "zero; 0 if the feature never fires; mean over all latents",
    )


class FeatureF1(Metric):
    card = _card(
        "feature_f1",
        "F1 score",
        "higher",
        "harmonic mean of a latent's precision and recall for its best-matching true feature, 0 where both are 0; "
        "mean over all latents",
    )


class FeatureUniqueness(Metric):
    card = _card(
        "feature_uniqueness",
        "share of latents",
        "higher",
        "number of different true features that are some latent's best match, over the number of latents: "
        "at most features / latents",
        continuous=False,
    )


class FeatureSplitting(Metric):
    card = _card(
        "feature_splitting",
        "share of features",
        "lower",
        "share of true features that are the best match of more than one latent",
        continuous=False,
    )


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [
        FeatureRecovery(),
        FeaturePrecision(),
        FeatureRecall(),
        FeatureF1(),
        FeatureUniqueness(),
        FeatureSplitting(),
    ]
