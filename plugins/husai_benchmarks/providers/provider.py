"""A provider: something that answers a prompt, and says all that its answers depend on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from husai_core import Task
from husai_core.transcript import Exchange


@dataclass(frozen=True)
class Answer:
    """The text, and the model that wrote it as the provider names it."""

    text: str
    model: str


class Provider(ABC):
    """One language model; deterministic as far as the model can be."""

    @abstractmethod
    def about(self) -> Mapping[str, str | int]:
        """What the answers depend on beside the prompt. A key or any other secret is no part of it."""

    @abstractmethod
    def ask(self, prompt: str, most_tokens: int) -> Answer:
        """The answer to one prompt, of at most so many tokens."""


def ask(task: Task, provider: Provider, prompt: str, most_tokens: int, revision: str, **purpose: str | int) -> str:
    """The answer, asked for once by whichever run comes first, and kept word for word as evidence."""

    def work() -> dict[str, str]:
        answer = provider.ask(prompt, most_tokens)
        return {"text": answer.text, "model": answer.model}

    about = {"provider": dict(provider.about()), "revision": revision, "prompt": prompt, "most_tokens": most_tokens}
    found = task.recall(about, work)
    task.transcript.append(Exchange({**purpose, "model": found["model"]}, prompt, found["text"]))
    return found["text"]
