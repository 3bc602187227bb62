"""The effect: what a control says must be expected of it, and what metrics show."""

from __future__ import annotations

import dataclasses
import math
import re
from itertools import combinations
from typing import TYPE_CHECKING, Any

from husai_core.metric import CoderMetric, PairMetric, Reconstruction, StreamMetric
from husai_core.sae import Coder
from husai_core.testing.benchmarks.trial import copied
from husai_core.testing.contract import Broken, Skipped, check
from husai_core.testing.controls.trial import Trial
from husai_core.testing.generators import fixed_generators

if TYPE_CHECKING:
    from collections.abc import Sequence

EXACT = 1e-6
WAYS = ("lower", "same", "higher")


@check()
def expectation(trial: Trial) -> None:
    """`expectation` says in words what to expect, of at least one metric that is installed."""
    text = trial.control.expectation
    named = set(re.findall(r"[a-z][a-z0-9_]*", text)) & trial.metrics.keys()
    if not named:
        raise Broken(f"it names no installed metric: '{text:.80}'")


@check(after=("makes", "same_seed_same_control", "changes_something"), declare="effect={metric: 'lower'}")
def effect(trial: Trial) -> None:
    """On the plain architecture it scores, against its base, as `effect` says: lower, same or higher on every unit."""
    if not trial.makes_parameters:
        raise Skipped("its effect is seen only after training")
    if not trial.effect:
        raise Skipped("nothing is declared: give effect={metric: 'lower', 'same' or 'higher'}")
    bases = [copied(base) for base in trial.bases]
    made = [dataclasses.replace(base, params=trial.made(base, draw)) for draw, base in enumerate(trial.bases)]
    for coder in made:
        coder.architecture.calibrate(coder.params, trial.rows, coder.settings)
    for name, way in trial.effect.items():
        before, after = (_values(trial, trial.metrics[name], coders) for coders in (bases, made))
        for one, other in zip(before, after, strict=True):
            moved = "same" if abs(other - one) <= EXACT * max(1.0, abs(one)) else "higher" if other > one else "lower"
            if moved != way:
                raise Broken(f"{name} is {one:.6g} of the base and {other:.6g} of the control; '{way}' is expected")


def _values(trial: Trial, metric: Any, coders: Sequence[Coder]) -> list[float]:
    import torch

    with fixed_generators(), torch.no_grad():
        if isinstance(metric, PairMetric):
            prepared = [metric.prepare(coder.dictionary()) for coder in coders]
            return [metric.compare(first, second) for first, second in combinations(prepared, 2)]
        if isinstance(metric, CoderMetric):
            return [metric.of(coder) for coder in coders]
        assert isinstance(metric, StreamMetric)
        values = []
        for coder in coders:
            rows = trial.rows.clone()
            latents = coder.encode(rows)
            seen = Reconstruction(rows, latents, coder.reconstruct(rows, latents), rows.double().mean(0))
            values.append(metric.finish(metric.update(None, seen)))
        assert all(map(math.isfinite, values))
        return values


CHECKS = (expectation, effect)
