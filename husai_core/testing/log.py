"""A listener that remembers, for tests that ask what a run did and said."""

from __future__ import annotations


class Log:
    """What was done, with whether it came from the cache, and every warning."""

    def __init__(self) -> None:
        self.done: list[tuple[str, bool]] = []
        self.warnings: list[str] = []

    def start(self, label: str, number: int, total: int) -> None: ...

    def progress(self, fraction: float, note: str) -> None: ...

    def finish(self, label: str, *, cached: bool, seconds: float) -> None:
        self.done.append((label, cached))

    def warn(self, text: str) -> None:
        self.warnings.append(text)
