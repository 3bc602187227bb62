"""Fourier structure of functions on the numbers modulo p: cards of what `known_circuit` computes."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, hookimpl

SHUFFLED = '; with rows = "shuffled": the same where the rows are shuffled, which is chance'

OF_VECTORS = (
    "share of the variance of vectors, centred over rows, that the best few frequencies of a number modulo p explain "
    "together; frequencies are one-sided, each with the orthonormal span of its cosine and sine over the rows; "
)


class FourierModel(Metric):
    card = MetricCard(
        name="fourier_model",
        version="1",
        unit="share of variance",
        direction="neither",
        definition=OF_VECTORS
        + "of the model's embedding, or of its activations on test rows: a property of the model, "
        "the same for every dictionary of its activations" + SHUFFLED,
        low=0.0,
        high=1.0,
        continuous=False,
    )


class FourierOutput(Metric):
    card = MetricCard(
        name="fourier_output",
        version="1",
        unit="share of variance",
        direction="neither",
        definition=OF_VECTORS
        + "of what the dictionary writes from its latents on test rows; to be held against that of the activations"
        + SHUFFLED,
        low=0.0,
        high=1.0,
    )


class FourierLatents(Metric):
    card = MetricCard(
        name="fourier_latents",
        version="1",
        unit="share of variance",
        direction="higher",
        definition="share of a latent's variance over test rows that its best single frequency of a number modulo p "
        "explains, frequencies one-sided, averaged over the latents that vary on test rows" + SHUFFLED,
        low=0.0,
        high=1.0,
    )


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [FourierModel(), FourierOutput(), FourierLatents()]
