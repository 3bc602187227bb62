"""Errors a person can act on: the place, the rule, the next step, and the exit code that goes with them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum

__all__ = [
    "EvaluationError",
    "ExitCode",
    "HusaiError",
    "InvalidEvidence",
    "Skipped",
    "UsageError",
    "did_you_mean",
    "one_line",
]


class ExitCode(IntEnum):
    """What every `husai` command says to the shell; the only list of them."""

    RELEASED = 0
    NOT_RELEASED = 2
    INVALID = 3
    ERROR = 4
    NOTHING_EVALUATED = 5
    USAGE = 64
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """What it says, as the documentation does."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.RELEASED: "released: every rule of the policy holds; of other commands: done",
    ExitCode.NOT_RELEASED: "not released: a rule fails, is missing, or is inconclusive",
    ExitCode.INVALID: "the evidence is invalid or was tampered with",
    ExitCode.ERROR: "an error, in an evaluator or in HUSAI",
    ExitCode.NOTHING_EVALUATED: "nothing was evaluated",
    ExitCode.USAGE: "the command line, the study or the policy is wrong",
    ExitCode.INTERRUPTED: "interrupted; what was finished is kept",
}


class HusaiError(Exception):
    """A mistake outside this code. Its text is one line: `place: rule (next step)`."""

    exit_code = ExitCode.ERROR

    def __init__(self, place: str, rule: str, next_step: str = "") -> None:
        self.place, self.rule, self.next_step = place, rule, next_step
        super().__init__(f"{place}: {rule}" + (f" ({next_step})" if next_step else ""))


class UsageError(HusaiError):
    """The command line, the study, the policy or the choice of plugin is wrong."""

    exit_code = ExitCode.USAGE


class InvalidEvidence(HusaiError):
    """A bundle or a document in it cannot be believed. `code` is the stable finding code."""

    exit_code = ExitCode.INVALID

    def __init__(self, code: str, place: str, rule: str, next_step: str = "") -> None:
        self.code = code
        super().__init__(place, rule, next_step)


class EvaluationError(HusaiError):
    """A model, a training run or a benchmark broke while it was running."""


class Skipped(HusaiError):
    """A benchmark does not apply here, or needs what is not there; `next_step` says what would bring it.

    Evidence then says `skipped` with the reason, and a policy that requires the benchmark answers `missing`.
    """


def one_line(value: object) -> str:
    """Text fit for a single line of a terminal or a log: no control characters, no line breaks."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(wrong: str, known: Iterable[str], most: int | None = None, head: str = "known") -> str:
    """The next step after a failed look-up: the near miss, then everything that exists, or the `most` nearest of it."""
    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    nothing = "none exist" if head == "known" else f"{head}: none"
    listing = f"{head}: {_listed(wrong, names, most)}" if names else nothing
    return f"did you mean '{near[0]}'? {listing}" if near else listing


def _listed(wrong: str, names: list[str], most: int | None) -> str:
    if most is None or len(names) <= most:
        return ", ".join(names)
    nearest = difflib.get_close_matches(wrong, names, n=most, cutoff=0.0)
    return f"{', '.join(nearest)} and {len(names) - most} more"
