"""What core computes of the model alone, kept for the next subject: the same tensors, not computed again.

For every batch it runs the model three times and needs the dictionary in one of them only. The predictions as they
are, those with zeros at the hook, and the activations there are kept in memory, which forked processes share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

ZEROED = "standard_zero_ablate_hook"  # what the official code calls the hook that writes zeros
MOST_BYTES = 2 * 2**30


class Memory:
    """Stands before a model's three ways of being run, and answers from memory where no dictionary takes part."""

    def __init__(self, model: Any, room: int | None = None) -> None:
        self._model = model
        self._forward, self._with_hooks, self._with_cache = model.forward, model.run_with_hooks, model.run_with_cache
        self._room = room_for_it() if room is None else room
        self._kept: dict[tuple[Any, ...], Any] = {}
        self._altered = False
        self.recalled = 0
        model.forward, model.run_with_hooks, model.run_with_cache = self.forward, self.with_hooks, self.with_cache

    def forward(self, tokens: Any, *rest: Any, **options: Any) -> Any:
        if self._altered or rest:
            return self._forward(tokens, *rest, **options)
        return self._recall("clean", tokens, options, lambda: self._forward(tokens, **options))

    def with_hooks(self, tokens: Any, fwd_hooks: Any = (), **options: Any) -> Any:
        def work() -> Any:
            return self._alone(self._with_hooks, tokens, fwd_hooks=fwd_hooks, **options)

        hooks = list(fwd_hooks)
        if len(hooks) == 1 and getattr(hooks[0][1], "__name__", "") == ZEROED:
            return self._recall(f"zeros at {hooks[0][0]}", tokens, options, work)
        return work()

    def with_cache(self, tokens: Any, *rest: Any, **options: Any) -> Any:
        def work() -> Any:
            return self._alone(self._with_cache, tokens, *rest, **options)

        return work() if rest else self._recall("activations", tokens, options, work)

    def _alone(self, run: Callable[..., Any], *rest: Any, **options: Any) -> Any:
        """A run whose forward pass is looked into or changed, and so is no clean one."""
        before, self._altered = self._altered, True
        try:
            return run(*rest, **options)
        finally:
            self._altered = before

    def _recall(self, what: str, tokens: Any, options: dict[str, Any], work: Callable[[], Any]) -> Any:
        read = hashlib.sha256(tokens.cpu().numpy().tobytes()).digest()
        key = (what, tuple(tokens.shape), read, repr(sorted(options.items())))
        if key in self._kept:
            self.recalled += 1
            return self._kept[key]
        found = work()
        if (size := _bytes(found)) <= self._room:
            self._room -= size
            self._kept[key] = found
        return found


def room_for_it() -> int:
    """A quarter of the memory that is free, and no more than two gigabytes."""
    try:
        with open("/proc/meminfo") as lines:
            free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return MOST_BYTES // 4
    return min(MOST_BYTES, free // 4)


def _bytes(found: Any) -> int:
    """Of all tensors in the result of a run."""
    if hasattr(found, "element_size"):
        return int(found.numel() * found.element_size())
    values = found.values() if hasattr(found, "values") else found if isinstance(found, tuple) else ()
    return sum(_bytes(value) for value in values)
