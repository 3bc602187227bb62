"""What is yielded: named, whole, finite observations of single units, within the bounds of their cards."""

from __future__ import annotations

import dataclasses
import math

from husai_core.errors import HusaiError, UsageError
from husai_core.settings import parse_settings
from husai_core.testing.benchmarks.trial import Trial
from husai_core.testing.contract import Broken, Skipped, check
from husai_core.testing.settings_rule import must_be_settings


@check()
def settings(trial: Trial) -> None:
    """`Settings` is a frozen dataclass of values that a study file can hold: written and read back, they are equal."""
    must_be_settings(trial.benchmark.Settings, trial.settings)


@check(after=("settings",), declare="promises=Promises(needs='what no contract has')")
def measures(trial: Trial) -> None:
    """It yields at least one measurement on the stage, and one of each condition."""
    try:
        found = trial.found
    except Skipped as why:
        if trial.promises.needs or trial.outside:
            raise
        raise Broken(str(why)) from why
    except (HusaiError, ValueError) as error:
        raise Broken(f"{error} (give `settings=` or `stage=` that suit it)") from error
    missing = [name for name in trial.stage.conditions if not any(m.condition == name for m in found)]
    if missing:
        raise Broken(f"it yields {len(found)} measurements, none of the condition '{missing[0]}'")


@check(after=("measures",))
def settings_are_checked(trial: Trial) -> None:
    """A number below zero is refused by `Settings` with a ValueError, or measured soundly, or refused by name later."""
    for each in dataclasses.fields(trial.benchmark.Settings):
        value = getattr(trial.settings, each.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        told = f"{each.name} = -1"
        try:
            wrong = parse_settings(trial.benchmark.Settings, {**trial.table, each.name: -1}, "settings")
        except UsageError:
            continue  # a ValueError, in the words of a study
        except Exception as error:
            raise Broken(f"{told} gives {type(error).__name__}: {error}; raise a ValueError that names it") from error
        trial.found  # noqa: B018, where it does not apply there is nothing to measure
        try:
            trial.run(settings=wrong)
        except HusaiError:
            continue
        except Exception as error:
            text = f"{told} is accepted, and then gives {type(error).__name__}: {error}; raise a ValueError at once"
            raise Broken(text) from error


@check(after=("measures",))
def known_names(trial: Trial) -> None:
    """Every measurement is of a metric that a plugin offers and of a condition that was handed over."""
    for m in trial.found:
        if m.metric not in trial.metrics:
            raise Broken(f"no metric '{m.metric}' is installed: offer it beside the benchmark")
        if m.condition not in trial.stage.conditions:
            raise Broken(f"there is no condition '{m.condition}'")


@check(after=("measures", "known_names"))
def raw_observations(trial: Trial) -> None:
    """A measurement holds a value for every seed, or every pair of seeds, of its condition, never a summary of them."""
    for m in trial.found:
        place = f"{m.metric} of {m.condition}"
        if not m.observations:
            raise Broken(f"{place} has no observations")
        seeds = {coder.seed for coder in trial.stage.conditions[m.condition]}
        units = {tuple(sorted(o.seeds)) for o in m.observations}
        for unit in units:
            if not 1 <= len(unit) <= 2 or len(set(unit)) < len(unit):
                raise Broken(f"{place} has a value of {len(unit)} seeds at once: yield one for each, or for each pair")
            if not set(unit) <= seeds:
                raise Broken(f"{place} has a value of seed {unit}; its seeds are {sorted(seeds)}")
        if left := sorted(seeds - {seed for unit in units for seed in unit}):
            raise Broken(f"{place} has no value of seed {left[0]}")


@check(after=("measures", "known_names"))
def each_unit_once(trial: Trial) -> None:
    """No unit, with its part, is observed twice under one metric, condition and setting."""
    seen = set()
    for m in trial.found:
        for o in m.observations:
            key = (m.metric, m.condition, *sorted(map(repr, m.setting.items())), tuple(sorted(o.seeds)), o.part)
            if key in seen:
                raise Broken(
                    f"{m.metric} of {m.condition} {dict(m.setting)} has two values of {o.seeds} {o.part}".strip()
                )
            seen.add(key)


@check(after=("measures", "known_names"))
def finite(trial: Trial) -> None:
    """Every observation is a finite number; what has no value is left out or raised, never written as one."""
    for m in trial.found:
        for o in m.observations:
            if isinstance(o.value, bool) or not isinstance(o.value, int | float) or not math.isfinite(o.value):
                raise Broken(f"{m.metric} of {m.condition}, seeds {o.seeds}, is {o.value!r}")


@check(after=("finite",))
def within_bounds(trial: Trial) -> None:
    """Every observation, and every stated chance level, lies within the bounds of its metric's card."""
    for m in trial.found:
        card = trial.cards[m.metric]
        stated = [] if m.chance is None else [("chance", m.chance)]
        for what, value in [*((f"seeds {o.seeds}", o.value) for o in m.observations), *stated]:
            if not card.allows(value):
                raise Broken(f"{m.metric} of {m.condition}, {what}, is {value!r}, outside [{card.low}, {card.high}]")


@check(after=("measures", "known_names"))
def scale_stated(trial: Trial) -> None:
    """What the card says that values depend on, every measurement states; nothing else."""
    for m in trial.found:
        if set(m.scale) != set(trial.cards[m.metric].scale):
            raise Broken(
                f"{m.metric} of {m.condition} states {sorted(m.scale)}, its card {list(trial.cards[m.metric].scale)}"
            )


@check(after=("measures",))
def progress(trial: Trial) -> None:
    """Progress is told as a share of the work, from 0 to 1."""
    if wrong := [fraction for fraction in trial.watched.told if not 0 <= fraction <= 1]:
        raise Broken(f"it says {wrong[0]!r}")


CHECKS = (
    settings,
    measures,
    settings_are_checked,
    known_names,
    raw_observations,
    each_unit_once,
    finite,
    within_bounds,
    scale_stated,
    progress,
)
