"""How latents track true features: cards of what `ground_truth` computes."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, hookimpl
from husai_core.metric import Direction

RANDOM = '; with directions = "random": the mean over random directions in the place of the dictionary'
SHUFFLED = '; with rows = "shuffled": what is expected where the rows of the features are shuffled'


def _card(name: str, unit: str, direction: Direction, definition: str, *, continuous: bool = True) -> MetricCard:
    return MetricCard(name, "1", unit, direction, definition, low=0.0, high=1.0, continuous=continuous)


class FeatureMCC(Metric):
    card = _card(
        "feature_mcc",
        "absolute cosine",
        "higher",
        "mean |cosine| of decoder directions and true features under the one-to-one assignment that makes it largest, "
        "over the smaller of both sets" + RANDOM,
    )


class FeatureRecovery(Metric):
    card = _card(
        "feature_recovery",
        "share of features",
        "higher",
        "share of true features to which the |cosine| of some decoder direction is at least `cosine`" + RANDOM,
        continuous=False,
    )


class FeaturePrecision(Metric):
    card = _card(
        "feature_precision",
        "share of test rows",
        "higher",
        "of the test rows on which a latent is not zero, the share on which its best-matching true feature (that of "
        "the largest |cosine|) fires; 0 for a latent that is always zero; mean over all latents" + SHUFFLED,
    )


class FeatureRecall(Metric):
    card = _card(
        "feature_recall",
        "share of test rows",
        "higher",
        "of the test rows on which a latent's best-matching true feature fires, the share on which the latent is not "
        "zero; 0 if the feature never fires; mean over all latents" + SHUFFLED,
    )


class FeatureF1(Metric):
    card = _card(
        "feature_f1",
        "F1 score",
        "higher",
        "harmonic mean of a latent's precision and recall for its best-matching true feature, 0 where both are 0; "
        "mean over all latents" + SHUFFLED,
    )


class FeatureUniqueness(Metric):
    card = _card(
        "feature_uniqueness",
        "share of latents",
        "higher",
        "number of different true features that are some latent's best match, over the number of latents: "
        "at most features / latents" + RANDOM,
        continuous=False,
    )


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [
        FeatureMCC(),
        FeatureRecovery(),
        FeaturePrecision(),
        FeatureRecall(),
        FeatureF1(),
        FeatureUniqueness(),
    ]
