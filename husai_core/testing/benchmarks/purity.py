"""Purity: nothing that is handed over changes, and nothing but what is handed over decides the result."""

from __future__ import annotations

import dataclasses
from typing import Any

from husai_core import strict_json
from husai_core.testing.benchmarks.trial import Trial, must_agree
from husai_core.testing.comparison import must_be_same
from husai_core.testing.contract import Broken, Skipped, check
from husai_core.testing.generators import fixed_generators

ROUNDING = 1e-9


@check(after=("measures",))
def inputs_unchanged(trial: Trial) -> None:
    """It writes into no coder, no row and no label: other benchmarks read them next."""
    before, after = trial.watched.before, trial.watched.after
    if before.keys() != after.keys():
        raise Broken(f"{min(before.keys() ^ after.keys())} is gone, or is new")
    for name, value in after.items():
        must_be_same(value, before[name], f"it changes {name}")


@check(after=("measures",))
def global_rng_untouched(trial: Trial) -> None:
    """It draws from no global generator of torch, numpy or random, and reseeds none."""
    if changed := trial.watched.generators:
        raise Broken(f"it changes the global generator of {changed[0]}")


@check(after=("measures",))
def deterministic(trial: Trial) -> None:
    """The same task gives the same observations, to the last bit."""
    must_agree(trial.run() if trial.found else [], trial.found, "measured twice")


@check(after=("measures", "deterministic"))
def order_of_conditions(trial: Trial) -> None:
    """In which order the conditions come does not matter."""
    found = trial.found
    task = trial.task(trial.stage)
    turned = dataclasses.replace(task, conditions=dict(reversed(list(task.conditions.items()))))
    with fixed_generators():
        must_agree(list(trial.benchmark.measure(turned)), found, "with the conditions in another order", ROUNDING)


class _Stopped(BaseException):
    """The run was killed."""


@check(after=("measures", "deterministic"))
def resumes(trial: Trial) -> None:
    """Killed after any remembered part and run again, it yields what a run in one go does, from plain JSON."""
    found = trial.found
    whole = _Memory()
    trial.run(kept=whole.keep, recalled=whole.recall)
    if not whole.order:
        raise Skipped("it remembers nothing, so a killed run begins anew")
    last = (len(whole.order) + 1) // 2
    memory = _Memory(stop_after=last)
    try:
        trial.run(kept=memory.keep, recalled=memory.recall)
    except _Stopped:
        pass
    else:
        raise Broken(f"killed while it remembers part {last} of {len(whole.order)}, it goes on")
    memory.stop_after = None
    told = f"killed after part {last} of {len(whole.order)} and run again"
    must_agree(trial.run(kept=memory.keep, recalled=memory.recall), found, told)


class _Memory:
    """What `remember` and `recall` keep, as JSON, as the engine does."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.kept: dict[str, bytes] = {}
        self.order: list[str] = []
        self.stop_after = stop_after

    def keep(self, name: str, work: Any) -> Any:
        return self._keep(f"part {name}", work)

    def recall(self, about: Any, work: Any) -> Any:
        return self._keep(f"recalled {strict_json.encode(about).decode()}", work)

    def _keep(self, name: str, work: Any) -> Any:
        if name not in self.kept:
            self.kept[name] = strict_json.encode(work())
            self.order.append(name)
            if len(self.order) == self.stop_after:
                raise _Stopped
        return strict_json.parse(self.kept[name], name)


CHECKS = (inputs_unchanged, global_rng_untouched, deterministic, order_of_conditions, resumes)
