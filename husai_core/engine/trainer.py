"""Training: all seeds of one condition together, stacked, from one stream of batches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core.engine.agreement import Agreement
from husai_core.engine.batches import Batches
from husai_core.engine.firing import Firing
from husai_core.errors import EvaluationError, UsageError
from husai_core.model import Progress
from husai_core.sae import Architecture, Batch, Dims
from husai_core.study import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.sae import Params

FIRING_CHECK_EVERY = 10  # steps between looks at which latents are active, where the loss does not say it
PROGRESS_EVERY = 50  # steps
CHECKPOINT_EVERY = 20.0  # seconds; where it falls changes no result
CALIBRATION_BATCHES = 32  # training rows from which inference thresholds are set
DIVERGED = 1e3  # times the loss of the first step


def initial_params(architecture: Architecture, settings: Any, dims: Dims, seed: int, mean: Tensor) -> Params:
    """The starting point of one seed: a pure function, so that an untrained control needs no training log."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    try:
        return architecture.initialise(dims, settings, generator, mean)
    except ValueError as error:
        raise UsageError(f"architecture {architecture.name}", str(error), "change the study") from None


def train(
    architecture: Architecture,
    settings: Any,
    starts: Mapping[int, Params],
    rows_in: Tensor,
    rows_out: Tensor,
    recipe: Recipe,
    progress: Progress,
    checkpoint: Path | None = None,
) -> dict[int, Params]:
    """Trained parameters by seed. Seeds share every batch and, without an agreement term, nothing else.

    With a `checkpoint` file, training that was stopped goes on from there to the same weights.
    """
    training = Training(architecture, settings, starts, rows_in, rows_out, recipe)
    if checkpoint and checkpoint.exists():
        training.restore(checkpoint)
    saved = time.monotonic()
    while training.step < recipe.steps:
        step, loss = training.step, training.advance()
        if (unsound := _unsound_seed(loss, training.first_loss)) is not None:
            raise _divergence(f"step {step}, seed {training.seeds[unsound]}", loss[unsound], recipe, checkpoint)
        if step % PROGRESS_EVERY == 0:
            progress(step / recipe.steps, f"loss {loss.mean().item():.4g}")
        if checkpoint and time.monotonic() - saved > CHECKPOINT_EVERY:
            training.save(checkpoint)
            saved = time.monotonic()
    if recipe.steps:
        _refuse_nonfinite_weights(training.params, training.seeds, recipe)
    calibrate(architecture, settings, training.params, rows_in, recipe)
    return training.by_seed()


def calibrate(architecture: Architecture, settings: Any, params: Params, rows_in: Tensor, recipe: Recipe) -> None:
    """Set inference thresholds, in place, on the same first training rows for every coder of a condition."""
    import torch

    with torch.no_grad():
        architecture.calibrate(params, rows_in[: recipe.batch_size * CALIBRATION_BATCHES], settings)


class Training:
    """Everything that a training step reads and changes; saved and restored, it goes on as if never stopped."""

    def __init__(
        self,
        architecture: Architecture,
        settings: Any,
        starts: Mapping[int, Params],
        rows_in: Tensor,
        rows_out: Tensor,
        recipe: Recipe,
    ) -> None:
        import torch

        self.architecture, self.settings, self.recipe = architecture, settings, recipe
        self.rows_in, self.rows_out = rows_in, rows_out
        self.seeds = list(starts)
        self.params = {
            name: _stacked([starts[seed][name] for seed in self.seeds], name in architecture.stored_by_latent)
            for name in starts[self.seeds[0]]
        }
        learned = [value.requires_grad_() for name, value in self.params.items() if name not in architecture.fixed]
        self.optimiser = torch.optim.Adam(learned, lr=recipe.learning_rate, fused=True)
        self.firing = Firing(recipe.dead_after_steps)
        self.batches = Batches(len(rows_in), recipe.batch_size, recipe.data_order_seed)
        self.agreement = Agreement(recipe.agreement, recipe.match_every) if recipe.agreement else None
        self.step = 0
        self.first_loss: Tensor | None = None  # (seeds,)

    def advance(self) -> Tensor:
        """One step of every seed; their losses (seeds,) before it."""
        import torch

        chosen = self.batches.next()
        x, y = self.rows_in.index_select(0, chosen), self.rows_out.index_select(0, chosen)
        batch = Batch(x, y, self.firing.dead, self.step, self.recipe.steps, self.firing.note)
        terms = list(self.architecture.loss(self.params, batch, self.settings).values())
        if self.agreement:
            terms.append(self.agreement.term(self.params["W_dec"], y, self.step))
        loss = torch.stack(terms).sum(0)
        self.optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()  # seeds are separate terms, so each gets its own gradient
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * _schedule(self.step, self.recipe)
        self.optimiser.step()
        with torch.no_grad():
            self.architecture.project(self.params, self.settings)
            if self.firing.noted is None and self.step % FIRING_CHECK_EVERY == 0:
                self.firing.note((self.architecture.encode_in_training(self.params, x, self.settings) != 0).any(-2))
            self.firing.finish(self.step)
        self.step += 1
        loss = loss.detach()
        if self.first_loss is None:
            self.first_loss = loss
        return loss

    def by_seed(self) -> dict[int, Params]:
        """The parameters as they are now, each coder's own."""
        return {
            seed: {name: value[i].detach().clone().contiguous() for name, value in self.params.items()}
            for i, seed in enumerate(self.seeds)
        }

    def save(self, path: Path) -> None:
        """Write the whole state, never half of it."""
        import torch
        from safetensors.torch import save_file

        tensors = {f"params.{name}": value for name, value in self.params.items()}
        for number, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{name}": value for name, value in state.items()}
        tensors |= {f"firing.{name}": value for name, value in self.firing.state().items()}
        tensors |= {f"batches.{name}": value for name, value in self.batches.state().items()}
        if self.agreement:
            tensors |= {f"agreement.{name}": value for name, value in self.agreement.state().items()}
        if self.first_loss is not None:
            tensors["first_loss"] = self.first_loss
        tensors["step"] = torch.tensor(self.step)
        partial = path.with_suffix(".partial")
        save_file({name: value.detach().contiguous() for name, value in tensors.items()}, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Take over the state that `save` wrote."""
        import torch
        from safetensors.torch import load_file

        tensors = load_file(path)
        groups: dict[str, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            group, _, rest = name.partition(".")
            groups.setdefault(group, {})[rest] = value
        with torch.no_grad():
            for name, value in groups["params"].items():
                self.params[name].copy_(value)
        adam: dict[int, dict[str, Tensor]] = {}
        learned = self.optimiser.param_groups[0]["params"]
        for name, value in groups.get("adam", {}).items():
            number, _, key = name.partition(".")
            shaped = torch.empty_like(learned[int(number)]).copy_(value) if value.dim() else value
            adam.setdefault(int(number), {})[key] = shaped.detach()
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": adam})
        self.firing.restore(groups.get("firing", {}))
        self.batches.restore(groups["batches"])
        if self.agreement:
            self.agreement.restore(groups.get("agreement", {}))
        self.first_loss = tensors.get("first_loss")
        self.step = int(tensors["step"])


def _stacked(one_per_seed: Sequence[Tensor], by_latent: bool) -> Tensor:
    """(seeds, ...); with `by_latent`, what belongs to one latent (the last axis) lies together in memory."""
    import torch

    if by_latent:
        return torch.stack([tensor.transpose(-1, -2) for tensor in one_per_seed]).contiguous().transpose(-1, -2)
    return torch.stack(list(one_per_seed))


def _schedule(step: int, recipe: Recipe) -> float:
    decay_from = int(recipe.steps * (1 - recipe.decay_share))
    return 1.0 if step < decay_from else (recipe.steps - step) / (recipe.steps - decay_from)


def _unsound_seed(loss: Tensor, first: Tensor | None) -> int | None:
    """The first seed whose loss is not finite or has left the scale on which it began."""
    import torch

    unsound = ~torch.isfinite(loss)
    if first is not None:
        unsound |= loss > DIVERGED * first.abs()
    return int(unsound.nonzero()[0]) if unsound.any() else None


def _divergence(where: str, loss: Tensor, recipe: Recipe, checkpoint: Path | None) -> EvaluationError:
    kept = f"; the last good state is kept in {checkpoint}" if checkpoint and checkpoint.exists() else ""
    return EvaluationError(
        f"training at {where}",
        f"the loss is {loss.item():.4g}: training diverged",
        f"lower the learning rate, now {recipe.learning_rate:g}{kept}",
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
