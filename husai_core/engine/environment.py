"""The numerical environment: thread count and determinism, chosen on purpose and recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def default_threads() -> int:
    """As many threads as this process may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def deterministic(threads: int) -> Iterator[dict[str, Any]]:
    """Run torch with this many threads and deterministic kernels; everything is put back afterwards.

    Yields what results depend on besides their inputs, for cache keys.
    """
    import torch

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield {"torch": str(torch.__version__), "threads": threads}
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
