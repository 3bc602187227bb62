"""Making: pure and seeded, of the shapes of its base, which is left as it was."""

from __future__ import annotations

import dataclasses

from husai_core.control import Control, FittedControl, KnownControl, ModelControl, TrainedControl
from husai_core.errors import HusaiError
from husai_core.testing.benchmarks.trial import copied
from husai_core.testing.comparison import must_be_finite, must_be_same
from husai_core.testing.contract import Broken, Skipped, check
from husai_core.testing.controls.trial import Trial, cloned, show
from husai_core.testing.generators import fixed_generators, must_leave_generators
from husai_core.testing.network import HOOK, small_network
from husai_core.testing.settings_rule import must_be_settings


@check()
def settings(trial: Trial) -> None:
    """`Settings` is a frozen dataclass of values that a study file can hold: written and read back, they are equal."""
    must_be_settings(trial.control.Settings, trial.settings)


@check(after=("settings",))
def makes(trial: Trial) -> None:
    """It makes finite parameters with the names and shapes of its base's, fills all rows, or returns a network."""
    control = trial.control
    try:
        if isinstance(control, TrainedControl):
            for transcoder in (False, True) if not control.autoencoders_only else (False,):
                for name, rows in zip(("new_x", "new_y"), trial.written(transcoder=transcoder), strict=True):
                    must_be_finite(rows, f"{name} {'of a transcoder ' if transcoder else ''}after write_rows")
        elif isinstance(control, ModelControl):
            must_be_finite(trial.shown(), f"what the altered network shows at {HOOK}")
        else:
            made, base = trial.made(), trial.bases[0]
            if made.keys() != base.params.keys():
                raise Broken(f"it makes {', '.join(sorted(made))}; the base has {', '.join(sorted(base.params))}")
            for name, value in made.items():
                if value.shape != base.params[name].shape:
                    expected = tuple(base.params[name].shape)
                    raise Broken(f"{name} has shape {tuple(value.shape)}, the base's has {expected}")
                must_be_finite(value, name)
    except (HusaiError, ValueError) as error:
        raise Broken(f"{error} (give `settings=` that suit it)") from error


@check(after=("makes",))
def base_unchanged(trial: Trial) -> None:
    """It writes into neither its base, its start, the rows nor the tables."""
    if isinstance(trial.control, ModelControl):
        raise Skipped("the network that a ModelControl is given may be changed")
    base, rows, tables = copied(trial.bases[0]), trial.rows.clone(), trial.tables
    with fixed_generators():
        if isinstance(trial.control, TrainedControl):
            trial.write(rows, rows, 0)
        else:
            trial.handed(base, rows, tables, 0)
    fresh = copied(trial.bases[0])
    watched = {"the rows": (rows, trial.rows)}
    for what, now, then in (
        ("of the base", base.params, fresh.params),
        ("of the start", base.initial or {}, fresh.initial or {}),
        ("among the tables", tables, trial.tables),
    ):
        watched |= {f"{name} {what}": (now[name], value) for name, value in then.items()}
    for name, (now, then) in watched.items():
        must_be_same(now, then, f"it changes {name}")


@check(after=("makes",))
def global_rng_untouched(trial: Trial) -> None:
    """It draws from the generator it is given, and from no global one."""
    control = trial.control
    if isinstance(control, TrainedControl):
        x = trial.rows.clone()
        must_leave_generators("write_rows", lambda: trial.write(x, x, 0))
    elif isinstance(control, ModelControl):
        network = small_network()
        must_leave_generators("alter", lambda: control.alter(network, trial.settings))
    else:
        base = copied(trial.bases[0])
        must_leave_generators("it", lambda: trial.handed(base, trial.rows.clone(), trial.tables, 0))


@check(after=("makes",))
def same_seed_same_control(trial: Trial) -> None:
    """The same base and the same generator give the same control, to the last bit."""
    control = trial.control
    if isinstance(control, TrainedControl):
        must_be_same(trial.written()[0], trial.written()[0], "rows written twice differ")
    elif isinstance(control, ModelControl):
        must_be_same(trial.shown(), trial.shown(), "the network altered twice shows something else")
    else:
        for other in trial.bases[1:]:
            first = trial.made()
            trial.made(other, 1)
            for name, value in trial.made().items():
                must_be_same(value, first[name], f"{name} differs between two calls")


@check(after=("makes", "same_seed_same_control"), declare="deterministic = True")
def seeds_differ(trial: Trial) -> None:
    """Another seed gives another control, unless it is declared `deterministic`: then every seed has the very same."""
    if not trial.makes_parameters:
        raise Skipped("what it makes is drawn once for all seeds")
    made = [trial.made(base, draw) for draw, base in enumerate(trial.bases)]
    same = [all(one[name].equal(made[0][name]) for name in one) for one in made[1:]]
    if trial.control.deterministic and not all(same):
        raise Broken("it is declared deterministic, and differs between seeds: their number would be made up")
    if not trial.control.deterministic and any(same):
        raise Broken("two seeds have the very same control: three seeds of it are one unit")


@check(after=("makes", "same_seed_same_control"), declare="trained = False")
def budget_is_honest(trial: Trial) -> None:
    """`trained` is true if and only if what training made of the base is part of it: its budget is stated by that."""
    control = trial.control
    if not trial.makes_parameters:
        if not control.trained:
            raise Broken("it runs the base's recipe again, so it is trained")
        return
    base = trial.bases[0]
    moved = copied(base)
    for value in moved.params.values():
        value.add_(0.01)
    one, other = trial.made(base), trial.made(moved)
    same = all(value.equal(other[name]) for name, value in one.items())
    if control.trained and same:
        raise Broken("trained weights make no difference to it, and `trained` says that their budget was spent")
    if not control.trained and not same:
        raise Broken("it is made of trained weights, and `trained` says that it has seen no step")


@check(after=("makes", "same_seed_same_control"), declare="needs_initial = True")
def needs_initial_is_honest(trial: Trial) -> None:
    """Without `needs_initial` it can be made of a coder whose start is unknown, and with it the start decides."""
    if not isinstance(trial.control, Control | FittedControl | KnownControl):
        raise Skipped("it starts where the base's recipe starts")
    base = trial.bases[0]
    if trial.control.needs_initial:
        moved = copied(base)
        for value in (moved.initial or {}).values():
            value.add_(0.01)
        one, other = trial.made(base), trial.made(moved)
        if all(value.equal(other[name]) for name, value in one.items()):
            raise Broken("needs_initial is declared, and the start makes no difference: leave it out")
        return
    try:
        unknown = trial.made(dataclasses.replace(base, initial=None))
    except Exception as error:
        raise Broken(f"of a coder whose start is unknown: {type(error).__name__}: {error}") from error
    for name, value in trial.made(base).items():
        must_be_same(unknown[name], value, f"{name} depends on the start, and needs_initial is not declared")


@check(after=("makes", "same_seed_same_control"))
def recipe_is_honest(trial: Trial) -> None:
    """A control that runs the base's recipe again says so by `needs_recipe`, and no other does."""
    again = isinstance(trial.control, TrainedControl | ModelControl)
    if trial.control.needs_recipe != again:
        raise Broken(f"needs_recipe is {trial.control.needs_recipe} of a {type(trial.control).__mro__[1].__name__}")


@check(after=("makes", "same_seed_same_control"))
def layers_left_out(trial: Trial) -> None:
    """Where the engine left out the layers above, what remains comes out the same."""
    if not isinstance(trial.control, ModelControl):
        raise Skipped("it alters no network")
    must_be_same(trial.shown(layers=1), trial.shown(), f"without the upper layer, {HOOK} shows something else")


def _same_as_before(trial: Trial) -> bool:
    if isinstance(trial.control, TrainedControl):
        return bool(trial.written()[0].equal(trial.rows))
    if isinstance(trial.control, ModelControl):
        return bool(trial.shown().equal(show(small_network())))
    base = trial.bases[0]
    return all(value.equal(base.params[name]) for name, value in cloned(trial.made()).items())


@check(after=("makes",))
def changes_something(trial: Trial) -> None:
    """A control is not its base again: parameters, rows or the network differ."""
    if _same_as_before(trial):
        raise Broken("it is the same as what it is made from")


CHECKS = (
    settings,
    makes,
    base_unchanged,
    global_rng_untouched,
    same_seed_same_control,
    seeds_differ,
    budget_is_honest,
    needs_initial_is_honest,
    recipe_is_honest,
    layers_left_out,
    changes_something,
)
