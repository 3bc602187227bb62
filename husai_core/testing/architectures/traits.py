"""Declared traits, held against fresh, moved and trained parameters."""

from __future__ import annotations

from husai_core.testing.architectures.trial import Trial
from husai_core.testing.comparison import must_be_same
from husai_core.testing.contract import Broken, Skipped, check


@check(after=("shapes", "project_in_place"), declare="traits = Traits(nonnegative=False)")
def nonnegative(trial: Trial) -> None:
    """With the trait `nonnegative`, no latent is below zero."""
    if not trial.architecture.traits.nonnegative:
        raise Skipped("the trait 'nonnegative' is not declared")
    for stage, params in trial.states():
        lowest = float(trial.encode(params, trial.rows[0]).min())
        if not lowest >= 0:
            raise Broken(f"a latent of {lowest:.3g}, with {stage}")


@check(after=("shapes", "project_in_place"), declare="traits = Traits(at_most_k=False)")
def at_most_k(trial: Trial) -> None:
    """With the trait `at_most_k`, at most `settings.k` latents of a row are not zero."""
    if not trial.architecture.traits.at_most_k:
        raise Skipped("the trait 'at_most_k' is not declared")
    k = getattr(trial.settings, "k", None)
    if not isinstance(k, int):
        raise Broken(f"settings.k is {k!r}, not a whole number")
    if k >= trial.dims.d_sae:
        raise Broken(f"k {k} of {trial.dims.d_sae} latents shows nothing: give `settings=` with a smaller k")
    for stage, params in trial.states():
        most = int((trial.encode(params, trial.rows[0]) != 0).sum(-1).max())
        if most > k:
            raise Broken(f"{most} latents are active on a row where k is {k}, with {stage}")


@check(after=("shapes", "project_in_place"), declare="traits = Traits(own_target=True)")
def own_target(trial: Trial) -> None:
    """Without the trait `own_target` the target is the rows given, unchanged; with it, it is something else."""
    x, y = trial.rows
    same = True
    for stage, params in trial.states():
        target = trial.target(params, x, y)
        same = same and target.shape == y.shape and target.equal(y)
        if not trial.architecture.traits.own_target:
            must_be_same(target, y, f"target differs from y, with {stage}, and the trait is not declared")
    if same and trial.architecture.traits.own_target:
        raise Broken("the trait is declared, but the target is y: leave the trait out")


CHECKS = (nonnegative, at_most_k, own_target)
