"""Learning: loss, gradients, seeds side by side, constraints, calibration, and that training helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from husai_core.testing.architectures.trial import SEEDS, Trial, copied, copied_batch, double, stacked
from husai_core.testing.comparison import must_be_close, must_be_finite, must_be_same
from husai_core.testing.contract import Broken, check
from husai_core.testing.generators import fixed_global_generator

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.sae import Batch


def _masks(trial: Trial) -> dict[str, Tensor | None]:
    """Dead masks of one coder that training meets."""
    import torch

    d_sae = trial.dims.d_sae
    return {
        "no dead mask": None,
        "no dead latent": torch.zeros(d_sae, dtype=torch.bool),
        "some dead latents": torch.arange(d_sae) % 3 == 0,
        "only dead latents": torch.ones(d_sae, dtype=torch.bool),
    }


def _for_every_seed(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask.expand(len(SEEDS), -1).clone()


@check(after=("starts",))
def project_in_place(trial: Trial) -> None:
    """`project` writes into the tensors it is given: the optimiser holds these, and no others."""
    import torch

    params = stacked(trial.initial)
    for value in params.values():
        value.requires_grad_(value.is_floating_point())
    before = {name: (value, value.shape, value.dtype) for name, value in params.items()}
    with torch.no_grad(), fixed_global_generator():
        answer = trial.architecture.project(params, trial.settings)  # type: ignore[func-returns-value]
    if answer is not None:
        raise Broken(f"it returns a {type(answer).__name__}, which nobody reads")
    if params.keys() != before.keys():
        raise Broken(f"it changes the names of parameters from {sorted(before)} to {sorted(params)}")
    for name, value in params.items():
        tensor, shape, dtype = before[name]
        if value is not tensor or value.shape != shape or value.dtype != dtype:
            raise Broken(f"{name} is replaced by another tensor: use `copy_`, `clamp_`, `/=`")
        must_be_finite(value, name)


@check(after=("starts", "project_in_place"))
def project_is_idempotent(trial: Trial) -> None:
    """Restoring constraints that hold changes nothing."""
    for params in (*trial.moved.values(), stacked(trial.moved)):
        for name, value in trial.project(params).items():
            must_be_close(value, params[name], 1e-5, f"{name}, projected twice,")


@check(after=("starts", "shapes", "project_in_place"))
def loss_terms(trial: Trial) -> None:
    """`loss` maps names to finite tensors, each with the parameters' leading shape: one value per seed."""
    import torch

    for leading, params in (((), trial.moved[0]), ((len(SEEDS),), stacked(trial.moved))):
        for step in (0, 9):
            with fixed_global_generator():
                terms = trial.architecture.loss(copied(params), trial.batch(step=step), trial.settings)
            if not isinstance(terms, Mapping) or not terms:
                raise Broken(f"it returns {type(terms).__name__} {terms!r:.80}, not a filled mapping")
            for name, value in terms.items():
                if not isinstance(value, torch.Tensor) or tuple(value.shape) != leading:
                    shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
                    raise Broken(f"'{name}' has shape {shape} where parameters lead with {leading}")
                must_be_finite(value, f"'{name}' at step {step} of 10")


@check(after=("loss_terms",))
def dead_masks(trial: Trial) -> None:
    """The loss and its gradients are finite and keep their shape when no latent is dead, some are, or all are."""
    for what, mask in _masks(trial).items():
        for leading, params, dead in (
            ((), trial.moved[0], mask),
            ((len(SEEDS),), stacked(trial.moved), _for_every_seed(mask)),
        ):
            batch = trial.batch(dead=dead)
            for name, value in trial.loss(params, batch).items():
                if tuple(value.shape) != leading:
                    raise Broken(f"'{name}' has shape {tuple(value.shape)} with {what}, expected {leading}")
                must_be_finite(value, f"'{name}' with {what}")
            for name, gradient in trial.gradients(params, batch).items():
                if gradient is not None:
                    must_be_finite(gradient, f"the gradient of {name} with {what}")


@check(after=("loss_terms", "dead_masks", "fixed_exists"))
def gradients(trial: Trial) -> None:
    """The loss gives a finite gradient to every learned parameter of every seed, and none to a `fixed` one."""
    import torch

    fixed = trial.architecture.fixed
    reached: dict[str, Tensor] = {}
    for params in (stacked(trial.initial), stacked(trial.moved)):
        for step in (5, 9):
            for mask in _masks(trial).values():
                seen = trial.gradients(params, trial.batch(dead=_for_every_seed(mask), step=step))
                for name, gradient in seen.items():
                    reached.setdefault(name, torch.zeros(len(SEEDS), dtype=torch.bool))
                    if gradient is not None:
                        must_be_finite(gradient, f"the gradient of {name}")
                        reached[name] |= gradient.flatten(1).ne(0).any(-1)
    for name, seeds in reached.items():
        if name in fixed and seeds.any():
            raise Broken(f"{name} is `fixed`, but the loss turns its gradient on")
        if name not in fixed and not seeds.all():
            text = f"no gradient reaches {name} of {int((~seeds).sum())} of {len(SEEDS)} seeds"
            raise Broken(f"{text}: use it in the loss, or name it in `fixed`")


@check(after=("loss_terms",))
def zero_rows_in_training(trial: Trial) -> None:
    """A batch with some rows of zeros gives a finite loss and finite gradients."""
    batch = trial.batch()
    batch.x[::4] = 0
    batch.y[::4] = 0
    for params in (trial.initial[0], trial.moved[0]):
        for name, value in trial.loss(params, batch).items():
            must_be_finite(value, f"'{name}'")
        for name, gradient in trial.gradients(params, batch).items():
            if gradient is not None:
                must_be_finite(gradient, f"the gradient of {name}")


@check(after=("shapes", "dtypes", "deterministic", "loss_terms", "dead_masks"))
def seeds_are_separate(trial: Trial) -> None:
    """Seeds trained side by side are what each would be alone: latents, outputs, loss, gradients, constraints."""
    together, x = double(stacked(trial.moved)), trial.rows[0][:32].double()
    latents, output = trial.encode(together, x), trial.reconstruct(together, x)
    target, projected = trial.target(together, x, trial.rows[1][:32].double()), trial.project(together)
    for i, seed in enumerate(SEEDS):
        alone, who = double(trial.moved[seed]), f"of seed {seed} beside others"
        must_be_close(latents[i], trial.encode(alone, x), 1e-6, f"encode {who}")
        must_be_close(output[i], trial.reconstruct(alone, x), 1e-6, f"reconstruct {who}")
        if target.dim() == output.dim():  # a target that no parameter chooses has no seeds
            must_be_close(target[i], trial.target(alone, x, trial.rows[1][:32].double()), 1e-6, f"target {who}")
        for name, value in trial.project(alone).items():
            must_be_close(projected[name][i], value, 1e-6, f"project of {name} {who}")
    for what, mask in _masks(trial).items():
        batch = _double(trial.batch(dead=mask))
        beside = replace(batch, dead=_for_every_seed(mask))
        terms, seen = trial.loss(together, beside), trial.gradients(together, beside)
        for i, seed in enumerate(SEEDS):
            alone, who = double(trial.moved[seed]), f"of seed {seed} beside others, with {what},"
            for name, value in trial.loss(alone, batch).items():
                must_be_close(terms[name][i], value, 1e-6, f"'{name}' {who}")
            for name, gradient in trial.gradients(alone, batch).items():
                beside_others = _or_zeros(seen[name], together[name])[i]
                must_be_close(beside_others, _or_zeros(gradient, alone[name]), 1e-6, f"gradient of {name} {who}")


def _or_zeros(gradient: Tensor | None, like: Tensor) -> Any:
    return like.new_zeros(like.shape) if gradient is None else gradient


def _double(batch: Batch) -> Batch:
    batch = copied_batch(batch)
    return replace(batch, x=batch.x.double(), y=batch.y.double())


@check(after=("starts", "shapes", "project_in_place", "fixed_exists"))
def calibrate(trial: Trial) -> None:
    """`calibrate` sets `fixed` parameters in place, the same from the same rows, and leaves rows and the rest alone."""
    import torch

    params, rows = stacked(trial.moved), trial.train_rows[0].clone()
    given = dict(params)
    before = copied(params)
    with torch.no_grad(), fixed_global_generator():
        trial.architecture.calibrate(params, rows, trial.settings)
    must_be_same(rows, trial.train_rows[0], "the rows are changed")
    again = trial.calibrate(before)
    for name, value in params.items():
        if name not in given or value is not given[name]:
            raise Broken(f"{name} is replaced by another tensor: use `copy_`")
        must_be_finite(value, name)
        must_be_same(again[name], value, f"{name} differs when it is set again from the same rows")
        if name not in trial.architecture.fixed:
            must_be_same(value, before[name], f"{name} is changed and is not named in `fixed`")
        for i, seed in enumerate(SEEDS):
            alone = trial.calibrate(trial.moved[seed])[name]
            must_be_close(value[i], alone, 1e-4, f"{name} of seed {seed}, set beside others,")


@check(after=("shapes", "stored_by_latent", "project_in_place", "loss_terms", "dead_masks", "zero_rows_in_training"))
def trains(trial: Trial) -> None:
    """A few steps of the real trainer bring the held-out error below that of the mean and of the fresh parameters."""
    for seed, params in trial.trained.items():
        before, after = trial.error(trial.initial[seed]), trial.error(params)
        if not after < 1:
            raise Broken(f"seed {seed} ends with {after:.3g} times the error of predicting the mean")
        if not after < before:
            raise Broken(f"seed {seed} ends with {after:.3g} of the mean's error, having started with {before:.3g}")


CHECKS = (
    project_in_place,
    project_is_idempotent,
    loss_terms,
    dead_masks,
    gradients,
    zero_rows_in_training,
    seeds_are_separate,
    calibrate,
    trains,
)
