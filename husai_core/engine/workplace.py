"""The workplace: where pieces of work are done once, kept, told of, and found again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from husai_core import strict_json
from husai_core.engine.cache import Cache, key_of
from husai_core.engine.sites import Work
from husai_core.engine.store import ActivationStore, Hooks, Pass, Stored
from husai_core.model import Progress

NUMERICS = (
    "engine",
    "kernels",
    "interchange*",
    "control.py",
    "metric.py",
    "model.py",
    "sae.py",
)  # their text decides results

RESULT = "result.json"


class Listener(Protocol):
    """Who is told how the work goes."""

    def start(self, label: str, number: int, total: int) -> None: ...

    def progress(self, fraction: float, note: str) -> None: ...

    def finish(self, label: str, *, cached: bool, seconds: float) -> None: ...

    def warn(self, text: str) -> None: ...


class Workplace:
    """A cache, a store of activations and a listener; `total` is how many pieces of work are expected."""

    def __init__(
        self, cache: Cache, arrays: ActivationStore, listener: Listener, environment: Mapping[str, Any], total: int = 0
    ) -> None:
        self.cache, self.arrays, self.listener, self.total = cache, arrays, listener, total
        # Everything that turns inputs into results counts: numerics of the machine, and this engine's own code.
        self.environment = {**environment, "engine": _numerics_digest()}
        self.number = self.from_cache = 0

    def perform(self, label: str, depends_on: Any, work: Work) -> Path:
        """The folder of a piece of work: from the cache when it is there and intact, else done now."""
        key = self._key(depends_on)
        begin = self._start(label)
        folder = self._find(key)
        cached = folder is not None
        if folder is None:
            with self.cache.writing(key) as partial:
                work(partial, self.listener.progress)
            folder = self.cache.find(key)
            assert folder is not None, "an entry that was just written is not there"
        self._finish(label, begin, cached=cached)
        return folder

    def recall(self, about: Any, work: Callable[[], Any]) -> Any:
        """The result of work that nothing else decides, not even this machine: done once for every run."""
        key = key_of({"work": "recalled", "about": about})
        folder = self._find(key)
        if folder is None:
            result = strict_json.encode(work())
            with self.cache.writing(key) as partial:
                (partial / RESULT).write_bytes(result)
            folder = self.cache.find(key)
            assert folder is not None, "an entry that was just written is not there"
        return strict_json.parse((folder / RESULT).read_bytes(), RESULT)

    def _find(self, key: str) -> Path | None:
        folder = self.cache.find(key)
        for corrupt in self.cache.set_aside:
            self.listener.warn(f"{corrupt}: a cached result had changed on disk; set aside there, and done again")
        self.cache.set_aside.clear()
        return folder

    def unfinished(self, depends_on: Any) -> Path:
        """Where a piece of work keeps its state, to go on from when it is stopped."""
        return self.cache.unfinished(self._key(depends_on))

    def unfinished_parts(self, depends_on: Any) -> Path:
        """Where a piece of work keeps those of its parts that are done."""
        return self.cache.unfinished(self._key(depends_on), ".jsonl")

    def capture(
        self, label: str, wanted: Mapping[Hooks, Any], begin: Callable[[], Pass]
    ) -> Mapping[Hooks, Mapping[str, Stored]]:
        """Arrays of activations: from the store where every byte is as it was, else made now, in one pass."""
        started = self._start(label)
        made, arrays = self._filled(wanted, begin, self.listener.progress)
        self._finish(label, started, cached=not made)
        return arrays

    def fill(
        self, wanted: Mapping[Hooks, Any], begin: Callable[[], Pass], progress: Progress
    ) -> Mapping[Hooks, Mapping[str, Stored]]:
        """As `capture`, as a part of another piece of work."""
        return self._filled(wanted, begin, progress)[1]

    def _filled(
        self, wanted: Mapping[Hooks, Any], begin: Callable[[], Pass], progress: Progress
    ) -> tuple[bool, Mapping[Hooks, Mapping[str, Stored]]]:
        keys = {hooks: self._key(depends_on) for hooks, depends_on in wanted.items()}
        made = self.arrays.fill(keys, begin, progress)
        for text in self.arrays.changed:
            self.listener.warn(text)
        self.arrays.changed.clear()
        return made, {hooks: self.arrays.open(key) for hooks, key in keys.items()}

    def _key(self, depends_on: Any) -> str:
        return key_of({"depends_on": depends_on, "environment": self.environment})

    def _start(self, label: str) -> float:
        self.number += 1
        self.listener.start(label, self.number, self.total)
        return time.monotonic()

    def _finish(self, label: str, started: float, *, cached: bool) -> None:
        self.from_cache += cached
        self.listener.finish(label, cached=cached, seconds=time.monotonic() - started)


def _numerics_digest() -> str:
    package = Path(__file__).parents[1]
    modules = sorted(
        path for pattern in NUMERICS for found in package.glob(pattern) for path in (found, *found.rglob("*.py"))
    )
    texts = {
        str(path.relative_to(package)): strict_json.digest(path.read_bytes()) for path in modules if path.is_file()
    }
    return strict_json.digest(strict_json.encode(texts))
