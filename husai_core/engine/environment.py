"""The numerical environment: thread count and determinism, chosen on purpose and recorded.

One thread is the default: on a shared machine a second one that waits for its core costs far more than it brings,
and results depend on the number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
