"""Global generators: held still while a plugin runs, so that a fault shows in its own check only, and watched."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from husai_core.testing.contract import Broken


@contextmanager
def one_thread() -> Iterator[None]:
    """Tensors this small wait longer for a second thread than they take on one."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def fixed_global_generator() -> Iterator[None]:
    """What draws from the global generator draws the same every time, so that only `global_rng_untouched` objects."""
    import torch

    before = torch.get_rng_state()
    torch.set_rng_state(torch.Generator().manual_seed(0).get_state())  # `torch.manual_seed` is 100 times as slow
    try:
        yield
    finally:
        torch.set_rng_state(before)


@contextmanager
def fixed_generators() -> Iterator[None]:
    """The same for those of numpy and random as well, which a whole benchmark or model may reach."""
    import numpy as np

    kept = np.random.get_state(), random.getstate()
    np.random.seed(0)
    random.seed(0)
    try:
        with fixed_global_generator():
            yield
    finally:
        np.random.set_state(kept[0])
        random.setstate(kept[1])


def must_leave_generators(what: str, call: Callable[[], Any]) -> None:
    """Refuse a call that draws from, or reseeds, a global generator; they are put back as they were."""
    if changed := changed_generators(call):
        raise Broken(f"{what} changes the global generator of {changed[0]}")


def changed_generators(call: Callable[[], Any]) -> list[str]:
    """The libraries whose global generator a call draws from or reseeds; they are put back as they were."""
    import numpy as np
    import torch

    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()
    before = global_states()
    try:
        call()
        return [library for library, state in global_states().items() if state != before[library]]
    finally:
        torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])
        random.setstate(kept[2])


def global_states() -> dict[str, Any]:
    """Of each library, something that tells two states apart."""
    import numpy as np
    import torch

    ours = np.random.get_state(legacy=False)
    numpy = ours["state"]["key"].tolist(), ours["state"]["pos"]
    return {"torch": torch.get_rng_state().tolist(), "numpy": numpy, "random": random.getstate()}
