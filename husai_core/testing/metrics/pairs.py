"""Pairs: symmetric, and at the chance level that is claimed where two sides have nothing in common."""

from __future__ import annotations

import math

from husai_core.metric import PairMetric
from husai_core.testing.contract import Broken, Skipped, check
from husai_core.testing.metrics.trial import Trial
from husai_core.testing.plain import unit

EXACT = 1e-9
DRAWS = 12
SIZES = ((24, 6), (40, 16))  # features, dimensions


@check(after=("computes", "deterministic"))
def symmetric(trial: Trial) -> None:
    """Which of the two comes first does not matter."""
    for what, (first, second) in trial.inputs.items():
        there, back = (trial.value_or_refusal(pair, what) for pair in ((first, second), (second, first)))
        if (there is None) != (back is None):
            raise Broken(f"of {what} it gives {there!r} one way round and {back!r} the other")
        if there is not None and back is not None and abs(there - back) > EXACT * max(1.0, abs(there)):
            raise Broken(f"of {what} it gives {there!r} one way round and {back!r} the other")


@check(after=("computes",), declare="chance returning None where it is not known")
def chance(trial: Trial) -> None:
    """`chance` is what random directions show on average, at every size, and lies within the bounds of the card."""
    import torch

    metric = trial.metric
    assert isinstance(metric, PairMetric)
    claims = {size: metric.chance(*size) for size in SIZES}
    if all(claim is None for claim in claims.values()):
        raise Skipped("it claims no chance level")
    generator = torch.Generator().manual_seed(8)
    for (features, dimensions), claim in claims.items():
        if claim is None:
            continue
        if not math.isfinite(claim) or not metric.card.allows(claim):
            raise Broken(f"of {features} features in {dimensions} dimensions it says {claim!r}, outside the bounds")
        values = [
            trial.value(tuple(unit(torch.randn(features, dimensions, generator=generator)) for _ in range(2)))
            for _ in range(DRAWS)
        ]
        mean = math.fsum(values) / DRAWS
        spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (DRAWS - 1))
        allowed = 4 * spread / math.sqrt(DRAWS) + 0.005
        if abs(mean - claim) > allowed:
            raise Broken(
                f"{features} random directions in {dimensions} dimensions show {mean:.4f} on average "
                f"(within {allowed:.4f}), and chance says {claim:.4f}"
            )
