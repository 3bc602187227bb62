"""Fourier structure of functions on the numbers modulo p: cards of what `known_circuit` computes."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, hookimpl


class FourierShare(Metric):
    card = MetricCard(
        name="fourier_share",
        version="1",
        unit="share of variance",
        direction="neither",
        definition="share of the variance of vectors, centred over rows, that the best few frequencies of a number "
        "modulo p explain together; frequencies are one-sided, each with the orthonormal span of its cosine and sine "
        "over the rows; a property of the model, the same for every dictionary at its site",
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
        "explains, frequencies one-sided, averaged over the latents that vary on test rows",
        low=0.0,
        high=1.0,
    )


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [FourierShare(), FourierLatents()]
