"""Probe metrics: what a probe on a few latents, or on the model's own activations, tells of the class of a text."""

from __future__ import annotations

from collections.abc import Sequence

from husai_core import Metric, MetricCard, hookimpl

SPARSE = "of an L2 logistic regression on the k latents whose class means differ most on the training texts"


class ProbeMetric(Metric):
    """A quantity that the benchmark sparse_probing measures, one observation per seed and labelled set."""

    requires: Sequence[str] = ()

    def __init__(self, card: MetricCard) -> None:
        self.card = card  # type: ignore[misc]


def _card(name: str, unit: str, direction: str, definition: str, low: float | None, high: float | None) -> MetricCard:
    # A count over a few test rows can be the same for every seed without anything being wrong: not continuous.
    return MetricCard(name, "1", unit, direction, definition, low, high, continuous=False)  # type: ignore[arg-type]


CARDS = [
    _card("probe_auc", "AUC", "higher", f"test AUC {SPARSE}", 0.0, 1.0),
    _card("probe_accuracy", "share of texts", "higher", f"test accuracy {SPARSE}", 0.0, 1.0),
    _card("probe_f1", "F1", "higher", f"test F1, weighted over the classes by their size, {SPARSE}", 0.0, 1.0),
    _card(
        "dense_probe_auc",
        "AUC",
        "neither",
        "test AUC of an L2 logistic regression on the model's own activations, the same rows and the same choice of "
        "penalty; no dictionary has a part in it, so every condition and seed has the same",
        0.0,
        1.0,
    ),
    _card("probe_auc_delta", "AUC", "higher", "probe_auc minus dense_probe_auc", -1.0, 1.0),
    _card(
        "probe_best_delta",
        "AUC",
        "higher",
        "probe_auc at the k whose AUC on validation texts is the highest, minus dense_probe_auc; the test texts have "
        "no say in that choice",
        -1.0,
        1.0,
    ),
    _card(
        "probe_leakage",
        "share of texts",
        "neither",
        "share of test texts that stand among the training texts too, but for case and spacing: under the split that "
        "was used, or under that of sae-probes at its own sizes, which looks for no repeats",
        0.0,
        1.0,
    ),
    _card("probe_wins", "data sets", "higher", "labelled sets whose probe_auc_delta is above the tie", 0.0, None),
    _card("probe_losses", "data sets", "lower", "labelled sets whose probe_auc_delta is below the tie", 0.0, None),
    _card("probe_ties", "data sets", "neither", "labelled sets whose probe_auc_delta is within the tie", 0.0, None),
]


@hookimpl
def husai_metrics() -> Sequence[Metric]:
    return [ProbeMetric(card) for card in CARDS]
