"""Accumulation: a value does not depend on how the rows were cut, nor on what else is accumulated beside it."""

from __future__ import annotations

from typing import Any

from husai_core.metric import ActivationPairMetric, Reconstruction, StreamMetric
from husai_core.testing.contract import Broken, check
from husai_core.testing.generators import fixed_generators
from husai_core.testing.metrics.trial import SPLITS, Trial, copied, sliced, to_double
from husai_core.testing.plain import codes, true_directions

ROUNDING = 1e-6  # of sums over rows in float32 within one slice
SMALL_ROWS = 3000  # each far below the rounding error of what came first


@check(after=("computes", "deterministic"))
def slices_do_not_matter(trial: Trial) -> None:
    """Whatever slices the rows come in, the value is the same."""
    for what, given in trial.inputs.items():
        whole = trial.value_or_refusal(given, what)
        for split in SPLITS[1:] if whole is not None else ():
            assert whole is not None
            cut = trial.value(given, split=split)
            if not _close(cut, whole):
                raise Broken(f"of {what} it gives {whole!r} in one slice, {cut!r} in slices of {split}")


@check(after=("computes", "slices_do_not_matter"))
def states_are_separate(trial: Trial) -> None:
    """All that it remembers is in the state: two accumulated by turns are what each would be alone."""
    import torch

    metric: Any = trial.metric
    first, *_, last = trial.inputs.items()
    alone = [trial.value_or_refusal(given, what) for what, given in (first, last)]
    states: list[Any] = [None, None]
    with fixed_generators(), torch.no_grad():
        parts = [list(sliced(copied(given), SPLITS[1])) for _, given in (first, last)]
        for turn in range(len(parts[0])):
            for number in (0, 1):
                part = parts[number][turn]
                arguments = (part,) if isinstance(metric, StreamMetric) else part
                states[number] = metric.update(states[number], *arguments)
        for number in (0, 1):
            expected = alone[number]
            if expected is not None and not _close(found := metric.finish(states[number]), expected):
                raise Broken(f"accumulated beside another it gives {found!r}, alone {expected!r}")


@check(after=("computes", "slices_do_not_matter"))
def accumulates_in_float64(trial: Trial) -> None:
    """Thousands of small slices after a large one are not lost to rounding: sums are kept in float64."""
    import torch

    count = 8 + SMALL_ROWS
    latents = codes(count, 9)
    latents[:8] *= 2.0**13
    target = latents @ true_directions()
    worse = torch.cat([target[:8] * 0.75, 0 * target[8:]])
    if isinstance(trial.metric, ActivationPairMetric):
        latents = latents[:, :8]
        given: Any = (latents, latents.flip(1) * 0.5 + 1)
    else:
        given = Reconstruction(target, latents, worse, target.double().mean(0))
    exact = trial.value_or_refusal(to_double(given), "rows of very different size")
    if exact is None:
        return
    found = trial.value(given, split=(8, *[1] * SMALL_ROWS))
    if not _close(found, exact, 3e-6):
        raise Broken(f"in {SMALL_ROWS + 1} slices of float32 it gives {found!r}, all at once in float64 {exact!r}")


@check(after=("computes",))
def bytes_held(trial: Trial) -> None:
    """`bytes_held` is no less than half of what the largest tensor of the state takes: memory is planned by it."""
    import torch

    metric = trial.metric
    assert isinstance(metric, ActivationPairMetric)
    one, other = codes(96, 1), codes(96, 2)[:, :40]
    with fixed_generators(), torch.no_grad():
        state = metric.update(None, one, other)
    largest = max((_bytes(value) for value in _parts(state)), default=0)
    told = metric.bytes_held(one.shape[1], other.shape[1])
    if not isinstance(told, int) or told < 1 or 2 * told < largest:
        raise Broken(f"it says {told!r} bytes, and a tensor of the state takes {largest}")


def _parts(state: Any) -> list[Any]:
    import torch

    if isinstance(state, torch.Tensor):
        return [state]
    if isinstance(state, dict):
        return [part for value in state.values() for part in _parts(value)]
    if isinstance(state, list | tuple):
        return [part for value in state for part in _parts(value)]
    return _parts(list(vars(state).values())) if hasattr(state, "__dict__") else []


def _bytes(value: Any) -> int:
    return int(value.numel() * value.element_size())


def _close(seen: float, expected: float, tolerance: float = ROUNDING) -> bool:
    return abs(seen - expected) <= tolerance * max(1.0, abs(expected))


CHECKS = (slices_do_not_matter, states_are_separate, accumulates_in_float64)
