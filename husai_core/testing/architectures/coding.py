"""Encoding and decoding: pure, row by row, and finite."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from husai_core.testing.architectures.trial import SEEDS, Trial, copied, double
from husai_core.testing.comparison import must_be_close, must_be_finite, must_be_same
from husai_core.testing.contract import check
from husai_core.testing.generators import fixed_global_generator, must_leave_generators

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.sae import Batch, Params


def _calls(trial: Trial, params: Params, batch: Batch) -> dict[str, Callable[[], Any]]:
    """Every method on the very tensors given, which `Trial` would have copied."""
    coder, settings = trial.architecture, trial.settings
    latents = trial.encode(params, batch.x)
    return {
        "encode": lambda: coder.encode(params, batch.x, settings),
        "decode": lambda: coder.decode(params, latents, settings),
        "reconstruct": lambda: coder.reconstruct(params, batch.x, latents, settings),
        "target": lambda: coder.target(params, batch.x, batch.y, settings),
        "loss": lambda: coder.loss(params, batch, settings),
    }


def _half_dead(trial: Trial) -> Batch:
    import torch

    return trial.batch(dead=torch.arange(trial.dims.d_sae) % 2 == 0)


def _must_leave(trial: Trial, watched: Callable[[Params, Batch], dict[str, Tensor]]) -> None:
    import torch

    params = copied(trial.moved[0])
    batch = _half_dead(trial)
    before = {name: value.clone() for name, value in watched(params, batch).items()}
    for method, call in _calls(trial, params, batch).items():
        with torch.no_grad(), fixed_global_generator():
            call()
        for name, value in watched(params, batch).items():
            must_be_same(value, before[name], f"{method} changes {name}")


@check(after=("shapes", "project_in_place"))
def batch_unchanged(trial: Trial) -> None:
    """No method writes into the rows, targets or dead mask it is given: other subjects read them next."""
    _must_leave(trial, lambda params, batch: {"batch.x": batch.x, "batch.y": batch.y, "batch.dead": batch.dead})


@check(after=("shapes", "project_in_place"))
def params_unchanged(trial: Trial) -> None:
    """Only `project` and `calibrate` write into parameters; encoding, decoding and the loss read them."""
    _must_leave(trial, lambda params, batch: dict(params))


@check(after=("starts", "shapes"))
def global_rng_untouched(trial: Trial) -> None:
    """No method draws from, or reseeds, a global generator of torch, numpy or random: what runs next would change."""
    import torch

    coder, settings, params = trial.architecture, trial.settings, copied(trial.initial[0])
    mean, x, batch = trial.rows[1].mean(0), trial.train_rows[0].clone(), _half_dead(trial)
    generator = torch.Generator().manual_seed(0)
    calls: dict[str, Callable[[], Any]] = {
        "initialise": lambda: coder.initialise(trial.dims, settings, generator, mean),
        **_calls(trial, params, batch),
        "project": lambda: coder.project(params, settings),
        "calibrate": lambda: coder.calibrate(params, x, settings),
    }

    with torch.no_grad():
        for method, call in calls.items():
            must_leave_generators(method, call)


@check(after=("shapes", "project_in_place"))
def deterministic(trial: Trial) -> None:
    """The same parameters and rows give the same result to the last bit, whatever was asked in between."""
    params, batch = trial.moved[0], trial.batch()
    other = trial.rows[0][:7]

    def seen() -> dict[str, Tensor]:
        terms = {f"loss term {name}": value for name, value in trial.loss(params, batch).items()}
        return {"encode": trial.encode(params, batch.x), "reconstruct": trial.reconstruct(params, batch.x), **terms}

    first = seen()
    for again in (0, 1):
        trial.encode(trial.moved[SEEDS[-1]], other)
        for name, value in seen().items():
            must_be_same(value, first[name], f"{name} differs between the first call and call {again + 2}")


@check(after=("shapes", "dtypes", "project_in_place", "deterministic"))
def rows_are_independent(trial: Trial) -> None:
    """At inference a row's latents and output do not depend on the rows beside it, their order or their number."""
    import torch

    for stage, params in trial.states():
        wide, x = double(params), trial.rows[0][:64].double()
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
        latents, output = trial.encode(wide, x), trial.reconstruct(wide, x)
        for what, rows in (
            ("a permuted batch", order),
            ("half of the batch", order[:32]),
            ("a batch of one", order[:1]),
        ):
            told = f"in {what}, with {stage}"
            must_be_close(trial.encode(wide, x[rows]), latents[rows], 1e-6, f"encode of a row {told},")
            must_be_close(trial.reconstruct(wide, x[rows]), output[rows], 1e-6, f"reconstruct of a row {told},")


@check(after=("shapes", "project_in_place"))
def extreme_rows(trial: Trial) -> None:
    """Rows of zeros and rows 10,000 times as large as usual give finite latents and outputs."""
    x = trial.rows[0][:8]
    for stage, params in trial.states():
        for what, rows in (("rows of zeros", 0 * x), ("huge rows", 1e4 * x), ("huge negative rows", -1e4 * x)):
            must_be_finite(trial.encode(params, rows), f"encode of {what}, with {stage},")
            must_be_finite(trial.reconstruct(params, rows), f"reconstruct of {what}, with {stage},")


CHECKS = (
    batch_unchanged,
    params_unchanged,
    global_rng_untouched,
    deterministic,
    rows_are_independent,
    extreme_rows,
)
