"""Settings and the start: what is there before the first row is read."""

from __future__ import annotations

import dataclasses
from typing import Any

from husai_core.errors import UsageError
from husai_core.sae import dictionary_of
from husai_core.testing.architectures.trial import Trial
from husai_core.testing.comparison import must_be_finite, must_be_same
from husai_core.testing.contract import Broken, check
from husai_core.testing.settings_rule import must_be_frozen, must_be_settings


@check()
def starts(trial: Trial) -> None:
    """`initialise` returns finite tensors by name for the settings and widths of this run."""
    import torch

    try:
        initial = trial.initial
    except (UsageError, ValueError) as error:
        raise Broken(f"{error} (give `settings=` or `dims=` that suit it)") from error
    for seed, params in initial.items():
        if not isinstance(params, dict) or not params:
            raise Broken(f"seed {seed} gives {type(params).__name__} {params!r:.80}, not a filled dict")
        for name, value in params.items():
            if not isinstance(value, torch.Tensor):
                raise Broken(f"{name} is a {type(value).__name__}, not a tensor")
            must_be_finite(value, f"{name} of seed {seed}")


@check()
def settings(trial: Trial) -> None:
    """`Settings` is a frozen dataclass of values that a study file can hold: written and read back, they are equal."""
    must_be_frozen(trial.architecture.Settings)
    try:
        chosen = trial.settings
    except UsageError:
        return  # the check `starts` says which setting is missing
    must_be_settings(trial.architecture.Settings, chosen)


@check(after=("starts", "settings"))
def defaults(trial: Trial) -> None:
    """The defaults of `Settings` work at the widths of this run, or a ValueError names the setting to give."""
    kind = trial.architecture.Settings
    fields = dataclasses.fields(kind)
    if any(field.default is field.default_factory is dataclasses.MISSING for field in fields):
        return  # whoever reads a study names the setting that is missing
    bare = Trial(trial.architecture, {}, trial.dims)
    try:
        bare.settings = kind()
        bare.initialise(0)
    except Exception as error:
        if not (isinstance(error, ValueError) and any(field.name in str(error) for field in fields)):
            text = f"the defaults give {type(error).__name__}: {error}; raise a ValueError that names the setting"
            raise Broken(text) from error


@check(after=("starts",))
def seed_decides(trial: Trial) -> None:
    """`initialise` draws from the generator it is given: the same seed, the same start; another seed, another."""
    for name, value in trial.initialise(0).items():
        must_be_same(value, trial.initial[0][name], f"{name} differs between two starts of seed 0")
    if all(value.equal(trial.initial[1][name]) for name, value in trial.initial[0].items()):
        raise Broken("seeds 0 and 1 give the same start: pass `generator` to what draws")


@check(after=("starts",))
def mean_is_copied(trial: Trial) -> None:
    """`initialise` leaves the mean alone and shares memory neither with it nor between parameters."""
    mean = trial.rows[1].mean(0)
    given = mean.clone()
    owners = {given.untyped_storage().data_ptr(): "the given mean"}
    params = trial.initialise(0, mean=given)
    must_be_same(given, mean, "the mean that was given is changed")
    for name, value in params.items():
        place = value.untyped_storage().data_ptr()
        if place in owners:
            raise Broken(f"{name} shares memory with {owners[place]}: clone it")
        owners[place] = name


@check(after=("starts",))
def shapes(trial: Trial) -> None:
    """`W_dec` is (d_sae, d_out); latents are (B, d_sae), outputs and targets (B, d_out)."""
    params, dims, (x, y) = trial.initial[0], trial.dims, trial.rows
    if "W_dec" not in params:
        raise Broken(f"there is no W_dec among {', '.join(sorted(params))}")
    try:
        dictionary_of(params, dims)
    except ValueError as error:
        raise Broken(str(error)) from error
    latents = trial.encode(params, x)
    wanted = {
        "encode": (latents, dims.d_sae),
        "decode": (trial.decode(params, latents), dims.d_out),
        "reconstruct": (trial.reconstruct(params, x, latents), dims.d_out),
        "target": (trial.target(params, x, y), dims.d_out),
    }
    for method, (value, width) in wanted.items():
        if tuple(value.shape) != (len(x), width):
            raise Broken(f"{method} gives {tuple(value.shape)}, expected {(len(x), width)}")


@check(after=("starts",))
def fixed_exists(trial: Trial) -> None:
    """Every name in `fixed` is a parameter: a misspelt one would be learned."""
    params = trial.initial[0]
    if unknown := sorted(trial.architecture.fixed - params.keys()):
        raise Broken(f"'{unknown[0]}' is no parameter; there are {', '.join(sorted(params))}")


@check(after=("starts",))
def stored_by_latent(trial: Trial) -> None:
    """Every name in `stored_by_latent` is a parameter of shape (..., d_sae) with two axes or more."""
    params, width = trial.initial[0], trial.dims.d_sae
    for name in sorted(trial.architecture.stored_by_latent):
        if name not in params:
            raise Broken(f"'{name}' is no parameter; there are {', '.join(sorted(params))}")
        shape = tuple(params[name].shape)
        if len(shape) < 2 or shape[-1] != width:
            raise Broken(f"{name} is of shape {shape}, d_sae is {width}: leave it out of `stored_by_latent`")


@check(after=("starts", "shapes"))
def dtypes(trial: Trial) -> None:
    """Rows and mean in float32 or float64 give parameters, latents, outputs and loss terms in the same."""
    import torch

    for dtype in (torch.float32, torch.float64):
        batch, params = trial.batch(), trial.initialise(0, dtype=dtype)
        batch = dataclasses.replace(batch, x=batch.x.to(dtype), y=batch.y.to(dtype))
        latents = trial.encode(params, batch.x)
        seen: dict[str, Any] = {
            **{name: value for name, value in params.items() if value.is_floating_point()},
            "encode": latents,
            "decode": trial.decode(params, latents),
            "reconstruct": trial.reconstruct(params, batch.x, latents),
            **{f"loss term {name}": value for name, value in trial.loss(params, batch).items()},
        }
        for name, value in seen.items():
            if value.dtype != dtype:
                raise Broken(f"{name} is {value.dtype} where the rows are {dtype}: make tensors with `like.new_…`")


CHECKS = (starts, settings, defaults, seed_decides, mean_is_copied, shapes, fixed_exists, stored_by_latent, dtypes)
