"""Decoder movement: how much of its initialisation a trained dictionary still shows."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Coder, CoderMetric, Metric, MetricCard, hookimpl
from husai_core.sae import dictionary_of
from husai_metrics.directions import bounded, unit_rows


class CosineToInitial(CoderMetric):
    needs_initial = True
    card = MetricCard(
        name="cosine_to_initial",
        version="1",
        unit="cosine",
        direction="neither",
        definition="cosine of each decoder row and the row it started as, averaged over latents",
        low=-1.0,
        high=1.0,
    )

    def of(self, coder: Coder) -> float:
        if coder.initial is None:
            raise ValueError("a pretrained coder has no initial weights to compare with")
        now = unit_rows(coder.dictionary(), "the dictionary")
        then = unit_rows(dictionary_of(coder.initial, coder.dims), "the initial dictionary")
        return bounded(float((now * then).sum(-1).mean()))


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [CosineToInitial()]
