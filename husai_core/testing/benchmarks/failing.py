"""Failure: what breaks inside is raised, so that evidence says `failed`; what does not apply is skipped."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from husai_core.engine.measuring import refuse_unsound
from husai_core.errors import HusaiError
from husai_core.errors import Skipped as Inapplicable
from husai_core.evidence import Measurement
from husai_core.model import Known
from husai_core.sae import Coder
from husai_core.testing.benchmarks.listening import Listening
from husai_core.testing.benchmarks.stage import Stage
from husai_core.testing.benchmarks.trial import Trial, copied, values_of
from husai_core.testing.contract import Broken, Skipped, check
from husai_core.testing.generators import fixed_generators

if TYPE_CHECKING:
    from torch import Tensor


class _Sabotage(RuntimeError):
    """Raised inside a coder."""


def _sabotaged(coder: Coder, encode: Any, called: list[bool]) -> Coder:
    """The same coder, whose encoding is replaced; `called` hears when it is used."""
    architecture = coder.architecture

    class Broken_(type(architecture)):  # type: ignore[misc]
        def encode(self, params: Any, x: Tensor, settings: Any) -> Tensor:
            called.append(True)
            return encode(super().encode(params, x, settings))

    return dataclasses.replace(coder, architecture=Broken_())


def _raise(latents: Tensor) -> Tensor:
    raise _Sabotage("the coder is broken on purpose")


def _with_one_broken(stage: Stage, encode: Any, called: list[bool]) -> Stage:
    first, *rest = map(copied, stage.good)
    return dataclasses.replace(stage, good=(_sabotaged(first, encode, called), *rest))


@check(after=("measures",))
def a_failure_is_raised(trial: Trial) -> None:
    """Where a coder raises, so does `measure`: it leaves no seed out, and skips nothing that it does apply to."""
    trial.found  # noqa: B018, skips where it does not apply
    called: list[bool] = []
    try:
        trial.run(_with_one_broken(trial.stage, _raise, called))
    except Inapplicable as error:
        raise Broken(f"it says that it does not apply: {error}") from error
    except Exception:
        return
    if called:
        raise Broken("a coder raised an error, and the benchmark went on as if it had not")
    raise Skipped("it encodes nothing, so nothing can raise inside")


@check(after=("measures", "known_names", "a_failure_is_raised"))
def nan_is_no_number(trial: Trial) -> None:
    """Latents that are NaN are refused, or give observations that evidence refuses: never only sound numbers."""
    trial.found  # noqa: B018, skips where it does not apply
    called: list[bool] = []
    stage = _with_one_broken(trial.stage, lambda latents: latents * math.nan, called)
    if not _completes(trial, stage):
        return
    if not called:
        raise Skipped("it encodes nothing")
    raise Broken("every latent of one coder is NaN, and all that it yields are finite numbers")


@check(after=("measures", "known_names", "a_failure_is_raised"))
def nan_rows_are_no_numbers(trial: Trial) -> None:
    """Test rows and labels that are NaN are refused, or give observations that evidence refuses."""
    trial.found  # noqa: B018, skips where it does not apply
    stage, called = trial.stage, list[bool]()
    rows = stage.rows_in.clone()
    rows[len(rows) // 2 :] = math.nan
    out = rows if stage.rows_out is stage.rows_in else stage.rows_out * math.nan
    seen = _with_one_broken(stage, lambda latents: latents, called)
    if trial.reads_documents or not _completes(trial, dataclasses.replace(seen, rows_in=rows, rows_out=out)):
        return
    if not called:
        raise Skipped("it encodes nothing")
    raise Broken("half of the test rows are NaN, and all that it yields are finite numbers")


def _completes(trial: Trial, stage: Stage) -> bool:
    """Whether evidence would say `completed`."""
    task = trial.task(stage)
    try:
        with fixed_generators():
            for measurement in trial.benchmark.measure(task):
                _refuse(measurement, trial)
    except Exception:
        return False
    return True


def _refuse(measurement: Measurement, trial: Trial) -> None:
    refuse_unsound(measurement, trial.cards, trial.stage.conditions)


@check(after=("finite", "deterministic"))
def own_rows(trial: Trial) -> None:
    """A condition with a network of its own is measured on what that shows, and no other condition is."""
    found, stage, called = trial.found, trial.stage, list[bool]()
    (name, coders), *others = reversed(list(stage.conditions.items()))
    heard = {name: tuple(_sabotaged(coder, lambda latents: latents, called) for coder in map(copied, coders))}
    rows = _other(stage.rows_in)
    own = (rows, rows if stage.rows_out is stage.rows_in else _other(stage.rows_out))
    task = dataclasses.replace(
        trial.task(stage),
        conditions={**{other: tuple(map(copied, theirs)) for other, theirs in others}, **heard},
        own={name: own},
        own_readers={name: Listening(stage.reader, _other)} if stage.reader else {},
    )
    try:
        with fixed_generators():
            seen = values_of(list(trial.benchmark.measure(task)))
    except HusaiError:
        return  # these rows, made up for it, are refused: so they were looked at
    before = values_of(found)
    changed = [key for key, value in seen.items() if key in before and value != before[key]]
    if strange := [key for key in changed if key[0] != name]:
        raise Broken(f"{strange[0][1]} of {strange[0][0]} is another one where {name} has a network of its own")
    if not called:
        raise Skipped("it encodes nothing")
    if not changed:
        rule = f"a network of its own makes no difference to {name}"
        raise Broken(f"{rule}: ask task.own_rows(condition), or task.read(..., condition=condition)")


def _other(rows: Tensor) -> Tensor:
    """What another network might show."""
    return 0.7 * rows.flip(-1)


@check(after=("measures",))
def skips_with_a_next_step(trial: Trial) -> None:
    """With no model to ask and nothing known of the rows it still measures, or is `Skipped` with a next step."""
    trial.found  # noqa: B018, skips where it does not apply
    bare = dataclasses.replace(trial.stage, known=Known(), reader=None)
    try:
        trial.run(bare)
    except Inapplicable as why:
        if not why.next_step.strip():
            raise Broken(f"it is skipped without a next step: {why}") from why
    except HusaiError as error:
        raise Broken(f"it fails where it does not apply: {error}; raise husai_core.Skipped") from error
    except Exception as error:
        text = f"it raises {type(error).__name__} where it does not apply: {error}; raise husai_core.Skipped"
        raise Broken(text) from error


CHECKS = (a_failure_is_raised, nan_is_no_number, nan_rows_are_no_numbers, own_rows, skips_with_a_next_step)
