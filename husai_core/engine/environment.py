"""The numerical environment: thread count, determinism and who multiplies, chosen on purpose and recorded.

One thread is the default: on a shared machine a second one that waits for its core costs far more than it brings,
and results depend on the number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any


@contextmanager
def deterministic(threads: int, products: str = "") -> Iterator[dict[str, Any]]:
    """Run torch with this many threads and deterministic kernels; everything is put back afterwards.

    Yields what results depend on besides their inputs, for cache keys. `products` "torch" leaves all products to torch,
    where numbers are to come out as on a machine that has no quicker way.
    """
    import torch
    from torch.utils import deterministic as memory

    from husai_core.kernels.products import quick_products

    before = torch.get_num_threads(), torch.get_deterministic_debug_mode(), memory.fill_uninitialized_memory
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms imports a compiler for it
    memory.fill_uninitialized_memory = False  # else every new tensor is written twice, a quarter of a model's pass
    try:
        with nullcontext("torch") if products == "torch" else quick_products() as whose:
            yield {"torch": str(torch.__version__), "threads": threads, "products": whose}
    finally:
        torch.set_num_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
        memory.fill_uninitialized_memory = before[2]
