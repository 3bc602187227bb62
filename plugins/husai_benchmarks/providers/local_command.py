"""Local commands: a program that reads a prompt on its standard input and writes the answer on its standard output."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from husai_benchmarks.providers.provider import Answer, Provider
from husai_core import EvaluationError, Skipped


@dataclass(frozen=True)
class LocalCommand(Provider):
    """A command line as a list; no shell reads it. How long an answer may get is the program's own business."""

    command: Sequence[str]
    timeout: float

    @property
    def place(self) -> str:
        return f"provider command {self.command[0]}"

    def about(self) -> Mapping[str, str | int]:
        return {"kind": "command", **{f"argument_{number}": part for number, part in enumerate(self.command)}}

    def ask(self, prompt: str, most_tokens: int) -> Answer:
        by_hand = "run it by hand with a prompt on its standard input"
        try:
            done = subprocess.run(
                list(self.command), input=prompt.encode(), capture_output=True, timeout=self.timeout, check=False
            )
        except FileNotFoundError:
            raise Skipped(self.place, "there is no such program", "install it, or give its path") from None
        except subprocess.TimeoutExpired:
            raise EvaluationError(self.place, f"no answer within {self.timeout:g} s", "raise `timeout`") from None
        except OSError as error:
            raise EvaluationError(self.place, f"it cannot be run: {error.strerror}", by_hand) from None
        if done.returncode:
            raise EvaluationError(self.place, f"it ended with exit code {done.returncode}", by_hand)
        try:
            return Answer(done.stdout.decode().strip(), self.command[0])
        except UnicodeDecodeError as error:
            raise EvaluationError(self.place, f"its answer is not UTF-8 at byte {error.start}", by_hand) from None
