"""Training: all seeds of one condition together, stacked, from one stream of batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from husai_core.errors import EvaluationError
from husai_core.model import Progress
from husai_core.sae import Architecture, Batch, Dims
from husai_core.study import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.sae import Params

FIRING_CHECK_EVERY = 10  # steps between looks at which latents are active; looking costs a forward pass
LOSS_CHECK_EVERY = 50
CALIBRATION_BATCHES = 32  # training rows from which inference thresholds are set
DECAY_SHARE = 0.2  # the learning rate falls linearly to zero over the last fifth


def initial_params(architecture: Architecture, settings: Any, dims: Dims, seed: int, mean: Tensor) -> Params:
    """The starting point of one seed: a pure function, so that an untrained control needs no training log."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    return architecture.initialise(dims, settings, generator, mean)


def train(
    architecture: Architecture,
    settings: Any,
    starts: Mapping[int, Params],
    rows_in: Tensor,
    rows_out: Tensor,
    recipe: Recipe,
    progress: Progress,
) -> dict[int, Params]:
    """Trained parameters by seed. Seeds share every batch and nothing else."""
    import torch

    seeds = list(starts)
    params = {name: torch.stack([starts[seed][name] for seed in seeds]) for name in starts[seeds[0]]}
    learned = [value.requires_grad_() for name, value in params.items() if name not in architecture.fixed]
    optimiser = torch.optim.Adam(learned, lr=recipe.learning_rate, foreach=True)
    firing = _Firing(recipe.dead_after_steps)
    batches = _batches(len(rows_in), recipe)
    for step in range(recipe.steps):
        chosen = next(batches)
        x, y = rows_in[chosen], rows_out[chosen]
        terms = architecture.loss(params, Batch(x, y, firing.dead, step, recipe.steps), settings)
        loss = torch.stack(list(terms.values())).sum(0)  # (seeds,)
        if step % LOSS_CHECK_EVERY == 0:
            _refuse_divergence(loss, seeds, step, recipe)
        optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()  # seeds are separate terms, so each gets its own gradient
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(step, recipe.steps)
        optimiser.step()
        with torch.no_grad():
            architecture.project(params, settings)
            if step % FIRING_CHECK_EVERY == 0:
                firing.look(step, architecture.encode_in_training(params, x, settings))
        if step % LOSS_CHECK_EVERY == 0:
            progress(step / recipe.steps, f"loss {loss.mean().item():.4g}")
    if recipe.steps:
        _refuse_nonfinite_weights(params, seeds, recipe)
    calibrate(architecture, settings, params, rows_in, recipe)
    return {seed: {name: value[i].detach().clone() for name, value in params.items()} for i, seed in enumerate(seeds)}


def calibrate(architecture: Architecture, settings: Any, params: Params, rows_in: Tensor, recipe: Recipe) -> None:
    """Set inference thresholds, in place, on the same first training rows for every coder of a condition."""
    import torch

    with torch.no_grad():
        architecture.calibrate(params, rows_in[: recipe.batch_size * CALIBRATION_BATCHES], settings)


class _Firing:
    """Which latents were active lately; `dead` is None until the window has passed once."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.dead: Tensor | None = None
        self._last_active: Tensor | None = None

    def look(self, step: int, latents: Tensor) -> None:
        import torch

        active = (latents != 0).any(-2)  # (seeds, d_sae)
        if self._last_active is None:
            self._last_active = torch.zeros_like(active, dtype=torch.long)
        self._last_active[active] = step
        if step >= self.window:
            self.dead = step - self._last_active >= self.window


def _batches(rows: int, recipe: Recipe) -> Iterator[Tensor]:
    """Row numbers of endless batches: every epoch a new permutation, a short tail dropped."""
    import torch

    generator = torch.Generator().manual_seed(recipe.data_order_seed)
    while True:
        order = torch.randperm(rows, generator=generator)
        for start in range(0, rows - recipe.batch_size + 1, recipe.batch_size):
            yield order[start : start + recipe.batch_size]


def _schedule(step: int, steps: int) -> float:
    decay_from = int(steps * (1 - DECAY_SHARE))
    return 1.0 if step < decay_from else (steps - step) / (steps - decay_from)


def _refuse_divergence(loss: Tensor, seeds: Sequence[int], step: int, recipe: Recipe) -> None:
    import torch

    for seed, value in zip(seeds, loss, strict=True):
        if not torch.isfinite(value):
            raise EvaluationError(
                f"training at step {step}, seed {seed}",
                f"the loss is {value.item()}",
                f"lower the learning rate, now {recipe.learning_rate:g}",
            )


def _refuse_nonfinite_weights(params: Params, seeds: Sequence[int], recipe: Recipe) -> None:
    for name, value in params.items():
        for seed, tensor in zip(seeds, value, strict=True):
            if not tensor.isfinite().all():
                raise EvaluationError(
                    f"training at step {recipe.steps}, seed {seed}",
                    f"{name} has values that are not finite",
                    f"lower the learning rate, now {recipe.learning_rate:g}",
                )
