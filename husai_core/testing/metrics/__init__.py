"""The contract of metrics: what a benchmark and a gate take for granted about a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from husai_core.metric import ActivationPairMetric, CoderMetric, Metric, PairMetric, StreamMetric
from husai_core.testing.contract import Check, Contract, as_test, contracts_of
from husai_core.testing.generators import one_thread
from husai_core.testing.installed import installed
from husai_core.testing.metrics import card, pairs, slices, values
from husai_core.testing.metrics.trial import Trial

KINDS: Mapping[type[Metric], tuple[Check, ...]] = {
    StreamMetric: (*card.CHECKS, *values.COMMON, *slices.CHECKS),
    PairMetric: (*card.CHECKS, *values.COMMON, pairs.symmetric, pairs.chance),
    ActivationPairMetric: (*card.CHECKS, *values.COMMON, *slices.CHECKS, pairs.symmetric, slices.bytes_held),
    CoderMetric: (*card.CHECKS, *values.COMMON, values.needs_initial),
    Metric: card.CHECKS,  # a bare one: the benchmark that computes it is held to its own contract
}
CHECKS = tuple({check.name: check for checks in KINDS.values() for check in checks}.values())


def metric_contract(
    metric: str | Metric,
    *,
    better: tuple[Any, Any] | None = None,
    known_failures: Mapping[str, str] | None = None,
) -> Callable[..., None]:
    """A pytest test that holds an installed metric, or the one given, to every check for its kind.

    `better` gives two inputs of its kind, the first better than the second by construction, where what the contract
    makes up does not bear on this metric: two `Reconstruction`s, two pairs of dictionaries or of latents, two coders.
    """
    return as_test(metric_contracts(metric, better, known_failures))


def metric_contracts(
    metric: str | Metric,
    better: tuple[Any, Any] | None = None,
    known_failures: Mapping[str, str] | None = None,
) -> list[Contract]:
    """The contract of one metric, to be asked for its outcomes."""
    if isinstance(metric, str):
        metric = installed().get("metrics", metric, f"metric_contract({metric!r})").item
    assert isinstance(metric, Metric)
    checks = next(checks for kind, checks in KINDS.items() if isinstance(metric, kind))
    subject = f"metric '{metric.name}'"
    return contracts_of(subject, checks, {"": Trial(metric, better)}, known_failures or {}, one_thread)
