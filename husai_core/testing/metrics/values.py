"""What every metric that computes something is held to, whichever kind of input it takes."""

from __future__ import annotations

import math
from typing import Any

from husai_core.metric import ActivationPairMetric, CoderMetric, PairMetric, StreamMetric
from husai_core.testing.comparison import must_be_same
from husai_core.testing.contract import Broken, Skipped, check
from husai_core.testing.generators import fixed_generators, must_leave_generators
from husai_core.testing.metrics.trial import Trial, copied, seen, sliced, tensors_of
from husai_core.testing.plain import ACTIVE, codes, good_coders, true_directions, unit

EXACT = 1e-9  # how far a value may stand from another one that is the same but for rounding in float64


@check(after=("card",))
def computes(trial: Trial) -> None:
    """Of ordinary input it gives a finite number, or an error that says why there is none."""
    values = {what: trial.value_or_refusal(given, what) for what, given in trial.inputs.items()}
    if all(value is None for value in values.values()):
        trial.value(next(iter(trial.inputs.values())))  # raises, and says why


@check(after=("computes",))
def within_bounds(trial: Trial) -> None:
    """Every value lies within the bounds of the card, rounding included: evidence holds none outside them."""
    card = trial.metric.card
    for what, given in trial.inputs.items():
        value = trial.value_or_refusal(given, what)
        if value is not None and not card.allows(value):
            raise Broken(f"of {what} it gives {value!r}, outside [{card.low}, {card.high}]")


@check(after=("computes", "within_bounds"))
def degenerate_input(trial: Trial) -> None:
    """Of input without a value it gives a finite number within its bounds, or raises a ValueError that says why not."""
    card = trial.metric.card
    for what, given in trial.degenerate.items():
        value = trial.value_or_refusal(given, what)
        if value is not None and not card.allows(value):
            raise Broken(f"of {what} it gives {value!r}, outside [{card.low}, {card.high}]")


@check(after=("computes",))
def deterministic(trial: Trial) -> None:
    """The same input gives the same value to the last bit, whatever was asked in between."""
    items = [(what, given) for what, given in trial.inputs.items() if trial.value_or_refusal(given, what) is not None]
    first = {what: trial.value(given) for what, given in items}
    for what, given in reversed(items):
        if (again := trial.value(given)) != first[what]:
            raise Broken(f"of {what} it gives {first[what]!r}, then {again!r}")


@check(after=("computes",))
def global_rng_untouched(trial: Trial) -> None:
    """It draws from no global generator of torch, numpy or random, and reseeds none."""
    given = copied(next(iter(trial.inputs.values())))
    must_leave_generators("the metric", lambda: _run(trial, given))


@check(after=("computes",))
def input_unchanged(trial: Trial) -> None:
    """It writes into nothing that it is given: other metrics and subjects read the same rows next."""
    for what, given in trial.inputs.items():
        handed = copied(given)
        with fixed_generators():
            _run(trial, handed)
        for name, value in tensors_of(handed).items():
            must_be_same(value, tensors_of(given)[name], f"of {what} it changes {name}")


def _run(trial: Trial, given: Any) -> None:
    """Every method on the very tensors given."""
    import torch

    metric = trial.metric
    with torch.no_grad():
        if isinstance(metric, StreamMetric | ActivationPairMetric):
            state = None
            for part in sliced(given, ()):
                state = metric.update(state, *((part,) if isinstance(metric, StreamMetric) else part))
            metric.finish(state)
        elif isinstance(metric, PairMetric):
            metric.compare(*(metric.prepare(dictionary) for dictionary in given))
        elif isinstance(metric, CoderMetric):
            metric.of(given)


@check(after=("computes", "deterministic"), declare="better=(a better input, a worse one)")
def direction(trial: Trial) -> None:
    """What is better by construction never scores worse by the direction of the card, and somewhere scores better."""
    way = trial.metric.card.direction
    if way == "neither":
        raise Skipped("its direction is 'neither'")
    pairs = {"what was given as `better`": trial.better} if trial.better else _better(trial)
    if not pairs:
        raise Skipped("nothing is better by construction for a metric of weights: give `better=`")
    told = False
    for what, (good, bad) in pairs.items():
        gain = trial.value(good) - trial.value(bad)
        gain = gain if way == "higher" else -gain
        if gain < -EXACT:
            raise Broken(f"{what}: the better one scores worse by {-gain:.3g}, and the card says '{way}'")
        told = told or gain > EXACT
    if not told:
        raise Broken(f"it tells no better input from a worse one ({'; '.join(pairs)}), and the card says '{way}'")


def _better(trial: Trial) -> dict[str, tuple[Any, Any]]:
    import torch

    metric = trial.metric
    generator = torch.Generator().manual_seed(6)
    true = true_directions()
    noise = torch.randn(true.shape, generator=generator)
    if isinstance(metric, PairMetric):
        near, random = (true, unit(true + 0.05 * noise)), (true, unit(noise))
        return {"a dictionary beside a neighbour and beside a random one": (near, random)}
    one = codes(96, 1)
    if isinstance(metric, ActivationPairMetric):
        return {"latents beside themselves and beside unrelated ones": ((one, one), (one, codes(96, 2)))}
    if isinstance(metric, StreamMetric):
        target = one @ true + 0.3
        wrong = torch.randn(target.shape, generator=generator)
        close, far = target + 0.1 * wrong, target + 2 * wrong
        crowded = torch.zeros_like(one)
        crowded[:, :ACTIVE] = 1.0  # as many active latents on a row, and always the same ones
        return {
            "outputs near the targets and far from them": (seen(target, one, close), seen(target, one, far)),
            "latents that share the rows and a few that take them all": (
                seen(target, one, close),
                seen(target, crowded, close),
            ),
        }
    return {}


@check(after=("computes",))
def needs_initial(trial: Trial) -> None:
    """Of a coder whose start is unknown it gives a finite value, unless `needs_initial` says that it cannot."""
    import dataclasses

    metric = trial.metric
    assert isinstance(metric, CoderMetric)
    known = good_coders()[0]
    if metric.needs_initial:
        assert known.initial is not None
        moved = {name: value + 0.5 for name, value in known.initial.items()}
        if trial.value(known) == trial.value(dataclasses.replace(known, initial=moved)):
            raise Broken("needs_initial is declared, and another start gives the same value: leave it out")
        return
    try:
        value = trial.value(dataclasses.replace(known, initial=None))
    except Exception as error:
        text = f"without a start it raises {type(error).__name__}: {error}; set needs_initial = True"
        raise Broken(text) from error
    if not math.isfinite(value):
        raise Broken(f"without a start it gives {value}; set needs_initial = True")


COMMON = (computes, within_bounds, degenerate_input, deterministic, global_rng_untouched, input_unchanged, direction)
