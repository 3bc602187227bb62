"""The trial of a metric: inputs of its kind, good, bad and degenerate, on which every call is quiet and copied."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from husai_core.errors import HusaiError
from husai_core.metric import ActivationPairMetric, CoderMetric, Metric, PairMetric, Reconstruction, StreamMetric
from husai_core.sae import Coder
from husai_core.testing.contract import Broken
from husai_core.testing.generators import fixed_generators
from husai_core.testing.plain import bad_coders, codes, good_coders, true_directions, unit

if TYPE_CHECKING:
    from torch import Tensor

ROWS = 96
SPLITS = ((96,), (48, 48), (1, 95), (7, 30, 59), (50, 1, 1, 44), (32, 32, 32))


class Trial:
    """Every call gets copies and fixed global generators: a fault shows in its own check only."""

    def __init__(self, metric: Metric, better: tuple[Any, Any] | None = None) -> None:
        self.metric, self.better = metric, better

    @cached_property
    def inputs(self) -> Mapping[str, Any]:
        """What a metric of this kind may be handed and must give a finite value for, by what it is."""
        metric = self.metric
        if isinstance(metric, StreamMetric):
            return _reconstructions()
        if isinstance(metric, PairMetric):
            return _dictionaries()
        if isinstance(metric, ActivationPairMetric):
            return _latents()
        assert isinstance(metric, CoderMetric)
        return {"a good coder": good_coders()[0], "a bad coder": bad_coders()[0]}

    @cached_property
    def degenerate(self) -> Mapping[str, Any]:
        """What may have no value: then the metric says so."""
        metric = self.metric
        if isinstance(metric, StreamMetric):
            return dict(_degenerate_reconstructions())
        if isinstance(metric, PairMetric):
            zero = true_directions().clone()
            zero[3] = 0
            one = true_directions()[:1]
            return {
                "a row of zeros": (zero, true_directions()),
                "nothing but zeros": (0 * zero, 0 * zero),
                "one feature each": (one, -one),
            }
        if isinstance(metric, ActivationPairMetric):
            some = codes(ROWS, 1)
            return {
                "latents that never fire": (0 * some, some),
                "latents that never vary": (0 * some + 1, 0 * some + 1),
                "a single row": (some[:1], some[:1]),
            }
        return {"a dictionary of zeros": _with_decoder(0.0), "one row of zeros": _with_decoder(0.0, rows=1)}

    def value(self, given: Any, *, split: Sequence[int] = ()) -> float:
        """The metric of one input, in slices of these sizes where it takes slices."""
        return self._value(self.metric, given, split)

    def _value(self, metric: Metric, given: Any, split: Sequence[int]) -> float:
        import torch

        given = copied(given)
        with fixed_generators(), torch.no_grad():
            if isinstance(metric, StreamMetric | ActivationPairMetric):
                state = None
                for part in sliced(given, split):
                    arguments = (part,) if isinstance(part, Reconstruction) else part
                    state = metric.update(state, *arguments)
                return metric.finish(state)
            if isinstance(metric, PairMetric):
                first, second = (metric.prepare(dictionary) for dictionary in given)
                return metric.compare(first, second)
            assert isinstance(metric, CoderMetric)
            return metric.of(given)

    def value_or_refusal(self, given: Any, what: str) -> float | None:
        """The value, or None where the metric says in an error of its own that there is none."""
        try:
            value = self.value(given)
        except (ValueError, HusaiError) as error:
            if not str(error).strip():
                raise Broken(f"of {what} it raises {type(error).__name__} without a word") from error
            return None
        except Exception as error:
            text = f"of {what} it raises {type(error).__name__}: {error}; raise a ValueError that says why"
            raise Broken(text) from error
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise Broken(f"of {what} it gives {value!r}: give a finite value, or raise a ValueError that says why not")
        return value


def sliced(given: Any, split: Sequence[int]) -> Iterator[Any]:
    """Consecutive slices of these sizes; the whole where there are none."""
    if isinstance(given, Reconstruction):
        sizes = list(split) or [len(given.target)]
        for target, latents, output in zip(
            *(rows.split(sizes) for rows in (given.target, given.latents, given.output)), strict=True
        ):
            yield Reconstruction(target, latents, output, given.target_mean)
    else:
        sizes = list(split) or [len(given[0])]
        yield from zip(*(rows.split(sizes) for rows in given), strict=True)


def copied(given: Any) -> Any:
    if isinstance(given, Reconstruction):
        mean = None if given.target_mean is None else given.target_mean.clone()
        return Reconstruction(given.target.clone(), given.latents.clone(), given.output.clone(), mean)
    if isinstance(given, Coder):
        import dataclasses

        copies = {name: value.clone() for name, value in given.params.items()}
        start = None if given.initial is None else {name: value.clone() for name, value in given.initial.items()}
        return dataclasses.replace(given, params=copies, initial=start)
    return tuple(rows.clone() for rows in given)


def tensors_of(given: Any) -> dict[str, Tensor]:
    """Every tensor of an input, by what it is called."""
    if isinstance(given, Reconstruction):
        found = {name: getattr(given, name) for name in ("target", "latents", "output", "target_mean")}
        return {name: value for name, value in found.items() if value is not None}
    if isinstance(given, Coder):
        return {**given.params, **{f"initial {name}": value for name, value in (given.initial or {}).items()}}
    return {"first": given[0], "second": given[1]}


def to_double(given: Any) -> Any:
    if isinstance(given, Reconstruction):
        mean = None if given.target_mean is None else given.target_mean.double()
        return Reconstruction(given.target.double(), given.latents.double(), given.output.double(), mean)
    return tuple(rows.double() for rows in given)


def seen(target: Tensor, latents: Tensor, output: Tensor) -> Reconstruction:
    return Reconstruction(target, latents, output, target.double().mean(0))


def _reconstructions() -> dict[str, Reconstruction]:
    latents = codes(ROWS, 1)
    target = latents @ true_directions() + 0.3
    noise = _noise(target.shape, 2)
    return {
        "a fair reconstruction": seen(target, latents, target + 0.3 * noise),
        "a perfect reconstruction": seen(target, latents, target.clone()),
        "a reconstruction of noise": seen(target, latents, 10 * noise),
        "the opposite of the target": seen(target, latents, -target),
        "rows a thousand times as large": seen(1e3 * target, 1e3 * latents, 1e3 * (target + noise)),
        "latents of either sign": seen(target, -latents, target + noise),
        "latents that are all active": seen(target, latents + 1, target + noise),
    }


def _degenerate_reconstructions() -> Iterator[tuple[str, Reconstruction]]:
    latents = codes(ROWS, 1)
    target = latents @ true_directions() + 0.3
    yield "targets that are all equal", seen(0 * target + 1, latents, target)
    yield "targets that are all zero", seen(0 * target, latents, target)
    yield "outputs that are all zero", seen(target, latents, 0 * target)
    yield "latents that are all zero", seen(target, 0 * latents, target)
    yield "nothing but zeros", seen(0 * target, 0 * latents, 0 * target)
    yield "a single row", seen(target[:1], latents[:1], target[:1] + 0.1)
    across = target.clone()
    across[:, 0], across[:, 1:], flat = 0, 0, 0 * target
    across[:, 0], flat[:, 1] = 1, 1
    yield "outputs at a right angle to the targets", seen(across, latents, flat)


def _dictionaries() -> dict[str, tuple[Tensor, Tensor]]:
    true, drawn = true_directions(), unit(_noise(true_directions().shape, 3))
    return {
        "two random dictionaries": (drawn, unit(_noise(true.shape, 4))),
        "a dictionary and itself": (true, true),
        "a dictionary and its opposite": (true, -true),
        "dictionaries of two sizes": (true, drawn[: len(drawn) // 2]),
        "a dictionary that repeats one direction": (true, true[:1].expand(len(true), -1).clone()),
        "rows of other lengths": (7 * true, 0.01 * drawn),
        "neighbours": (true, unit(true + 0.05 * drawn)),
    }


def _latents() -> dict[str, tuple[Tensor, Tensor]]:
    one, other = codes(ROWS, 1), codes(ROWS, 2)
    return {
        "unrelated latents": (one, other),
        "latents and themselves": (one, one),
        "latents and their opposite": (one, -one),
        "latents of two widths": (one, other[:, :20]),
        "latents a thousand times as large": (1e3 * one, one.flip(1)),
        "latents that are all active": (one + 1, other + 1),
    }


def _with_decoder(value: float, rows: int | None = None) -> Coder:
    coder: Coder = copied(good_coders()[0])
    coder.params["W_dec"][:rows] = value
    return coder


def _noise(shape: Any, seed: int) -> Tensor:
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
