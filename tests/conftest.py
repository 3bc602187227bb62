"""What holds for every test: one thread each, no deadlines, and in CI the same examples every time."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

for library in ("OMP", "MKL"):  # read when torch is imported, which comes later
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # on a busy machine a second one costs more than it brings

slow = [HealthCheck.too_slow]  # a matter of the machine
settings.register_profile("husai", deadline=None, derandomize=bool(os.environ.get("CI")), suppress_health_check=slow)
settings.load_profile("husai")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays to the end, so a search for garbage need not look at it again and again."""
    gc.disable()
    result = yield
    gc.enable()
    gc.freeze()
    return result


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Under a plain `-n`, neighbours stay in one process, which imports and trains once for all of them."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None
