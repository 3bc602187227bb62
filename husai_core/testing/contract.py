"""Contracts: named checks that a plugin must pass, the excuses it declares, and what came of each check."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from husai_core.errors import UsageError, did_you_mean

Surroundings = Callable[[], AbstractContextManager[None]]  # entered for every check
Status = Literal["pass", "fail", "excused", "stale", "blocked", "skipped"]


class Broken(Exception):
    """A rule does not hold; the text says what was seen."""


class Skipped(Exception):
    """A check does not apply to this plugin or cannot run here; the text says why."""


@dataclass(frozen=True)
class Check:
    """One rule and the function that holds a plugin to it.

    `after` names checks without which this one could only repeat their failure; `declare` is what a plugin that
    deliberately differs writes instead of an excuse.
    """

    name: str
    rule: str
    run: Callable[[Any], None]
    after: tuple[str, ...] = ()
    declare: str = ""


def check(*, after: Sequence[str] = (), declare: str = "") -> Callable[[Callable[[Any], None]], Check]:
    """Make a check of a function: its name is the check's, its docstring the rule."""

    def make(run: Callable[[Any], None]) -> Check:
        rule = " ".join((inspect.getdoc(run) or "").split())
        return Check(run.__name__, rule, run, tuple(after), declare)

    return make


@dataclass(frozen=True)
class Outcome:
    """What came of one check. Only `fail` and `stale` are against the plugin."""

    check: Check
    status: Status
    text: str = ""

    @property
    def against(self) -> bool:
        return self.status in ("fail", "stale")


class Contract:
    """The checks of one plugin under one choice of settings; each is run once, when it is first asked for."""

    def __init__(
        self,
        subject: str,
        variant: str,
        checks: Sequence[Check],
        trial: Any,
        known_failures: Mapping[str, str],
        surroundings: Surroundings = nullcontext,
    ) -> None:
        self.subject, self.variant, self.trial, self.surroundings = subject, variant, trial, surroundings
        self.checks = {check.name: check for check in checks}
        self.known_failures = {
            name: known_failures[key] for name in self.checks for key in (name, self.id(name)) if key in known_failures
        }
        self._outcomes: dict[str, Outcome] = {}
        self._raised: dict[str, str] = {}  # every exception that a check ended in, and the first of these checks

    def id(self, name: str) -> str:
        """How a check of this contract is called where there are several."""
        return f"{name}-{self.variant}" if self.variant else name

    def outcome(self, name: str) -> Outcome:
        """What came of a check, and of those that it comes after."""
        if name not in self._outcomes:
            self._outcomes[name] = self._judge(self.checks[name])
        return self._outcomes[name]

    def outcomes(self) -> list[Outcome]:
        return [self.outcome(name) for name in self.checks]

    def _judge(self, check: Check) -> Outcome:
        for earlier in check.after:
            if self.outcome(earlier).status in ("fail", "blocked"):
                return Outcome(check, "blocked", f"not run: '{earlier}' comes first and does not hold")
        excuse = self.known_failures.get(check.name)
        try:
            with self.surroundings():
                check.run(self.trial)
        except Skipped as why:
            return Outcome(check, "skipped", str(why))
        except Broken as seen:
            return self._failed(check, excuse, str(seen))
        except Exception as error:
            missing = _missing_library(error)
            if missing and excuse is None:
                return Outcome(check, "fail", f"{self._breaks(check)}\n  rule: {check.rule}\n  seen: {missing}")
            return self._failed(check, excuse, self._seen(check, error))
        if excuse is not None:
            text = f"'{check.name}' holds, so the excuse is stale: remove it from known_failures (it said: {excuse})"
            return Outcome(check, "stale", text)
        return Outcome(check, "pass")

    def _seen(self, check: Check, error: Exception) -> str:
        """What an exception says, once; where it comes again, in which check it was."""
        what = f"{type(error).__name__}{_where(error)}"
        first = self._raised.setdefault(f"{what}: {error}", check.name)
        return f"{what}: {error}" if first == check.name else f"{what}, the same as in '{first}'"

    def _breaks(self, check: Check) -> str:
        return f"{self.subject}{f' under {self.variant}' if self.variant else ''} breaks '{check.name}'"

    def _failed(self, check: Check, excuse: str | None, seen: str) -> Outcome:
        if excuse is not None:
            return Outcome(check, "excused", f"{excuse} (seen: {seen.splitlines()[0] if seen else seen})")
        declared = f"known_failures={{{check.name!r}: 'the reason'}}"
        ways_out = f"{check.declare}, or {declared}" if check.declare else declared
        text = (
            f"{self._breaks(check)}\n  rule: {check.rule}\n  seen: {seen}\n  either fix it, or declare it: {ways_out}"
        )
        return Outcome(check, "fail", text)


def contracts_of(
    subject: str,
    checks: Sequence[Check],
    trials: Mapping[str, Any],
    known_failures: Mapping[str, str],
    surroundings: Surroundings = nullcontext,
) -> list[Contract]:
    """A contract for every variant; an excuse that names no check, or gives no reason, is refused."""
    made = [
        Contract(subject, variant, checks, trial, known_failures, surroundings) for variant, trial in trials.items()
    ]
    known = {name for contract in made for check in checks for name in (check.name, contract.id(check.name))}
    for name, reason in known_failures.items():
        if name not in known:
            raise UsageError(f"known_failures[{name!r}]", f"no check '{name}'", did_you_mean(name, known))
        if not reason.strip():
            raise UsageError(f"known_failures[{name!r}]", "the reason is empty", "say why the failure is accepted")
    return made


def label_of(table: Mapping[str, Any]) -> str:
    """How one of several choices of settings is called in the ids of tests."""
    return ",".join(f"{key}={value}" for key, value in table.items()) or "defaults"


def as_test(contracts: Sequence[Contract]) -> Callable[..., None]:
    """A pytest test with one case per check, called by its name."""
    import pytest

    cases = [pytest.param(c, name, id=c.id(name)) for c in contracts for name in c.checks]

    @pytest.mark.parametrize(("contract", "name"), cases)
    def test_contract(contract: Contract, name: str) -> None:
        outcome = contract.outcome(name)
        if outcome.against:
            pytest.fail(outcome.text, pytrace=False)
        if outcome.status == "excused":
            pytest.xfail(outcome.text)
        if outcome.status in ("skipped", "blocked"):
            pytest.skip(outcome.text)

    return test_contract


def _missing_library(error: Exception) -> str:
    """What to install, where an exception says that a library is not there."""
    import importlib.util

    from husai_core.plugins import install_command

    library = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if not library or importlib.util.find_spec(library) is not None:
        return ""
    return f"needs '{library}', which is not installed: {install_command(library)}"


def _where(error: Exception) -> str:
    """The innermost line of the plugin, which is what its author wants to look at."""
    import traceback
    from pathlib import Path

    frames = traceback.extract_tb(error.__traceback__)
    inside = [f for f in frames if not {"torch", "sae_lens", "husai_core"} & set(Path(f.filename).parts)]
    return f" at {Path(inside[-1].filename).name}:{inside[-1].lineno}" if inside else ""
