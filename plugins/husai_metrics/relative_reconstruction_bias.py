"""Relative reconstruction bias: the factor by which reconstructions are too long or too short as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl


class RelativeReconstructionBias(StreamMetric):
    """The factor g for which the reconstructions over g are nearest to the targets (arXiv 2404.16014, equation 10)."""

    card = MetricCard(
        name="relative_reconstruction_bias",
        version="1",
        unit="ratio",
        direction="neither",
        definition="sum over rows of the squared norm of the reconstruction / sum over rows of its product with the "
        "target; 1 is unbiased, less is shrinkage, 0 if every reconstruction is zero (the limit of shrinking)",
    )

    def update(self, state: tuple[float, float] | None, batch: Reconstruction) -> tuple[float, float]:
        squares, products = state or (0.0, 0.0)
        output = batch.output.double()
        return squares + float(output.square().sum()), products + float((output * batch.target.double()).sum())

    def finish(self, state: tuple[float, float]) -> float:
        squares, products = state
        if squares == 0:
            return 0.0
        if products == 0:
            raise ValueError("the reconstructions are orthogonal to the targets: no factor brings them nearer")
        return squares / products


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [RelativeReconstructionBias()]
