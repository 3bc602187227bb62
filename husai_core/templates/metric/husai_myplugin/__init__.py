"""MyPlugin: the share of rows that are reconstructed well."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, Reconstruction, StreamMetric, hookimpl

WELL = 0.1  # the squared error of a row that is still good, as a share of its squared norm


class MyPlugin(StreamMetric):
    # CHANGE THIS: the card is what a reader must know to understand the number; it travels with every measurement.
    card = MetricCard(
        name="myplugin",
        version="1",  # raise it with the definition, and keep the old card in `former`
        unit="share of rows",
        direction="higher",
        definition="share of rows whose squared error is at most a tenth of the squared norm of the target",
        low=0.0,
        high=1.0,
        # A share of rows moves in steps. Of a continuous metric, one value on every seed is taken for copied runs.
        continuous=False,
    )

    def update(self, state: tuple[int, int] | None, batch: Reconstruction) -> tuple[int, int]:
        """Rows come in slices: what is known after one more of them. Sums are taken in float64."""
        good, rows = state or (0, 0)
        # CHANGE THIS: batch.target and batch.output are (B, d_out), batch.latents is (B, d_sae).
        error = (batch.target - batch.output).double().square().sum(-1)
        return good + int((error <= WELL * batch.target.double().square().sum(-1)).sum()), rows + len(error)

    def finish(self, state: tuple[int, int]) -> float:
        """The value over all slices."""
        good, rows = state
        return good / rows


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [MyPlugin()]
