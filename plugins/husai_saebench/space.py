"""Space: roughly how many bytes an official eval holds in memory and writes to disk, and how many there are."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from husai_core.need import Kind, Need

WIDTH = 768  # of the activations, which nobody knows before the model is read
VOCABULARY = 50_000
FLOAT = 4
MODEL = 2**30  # the interpreter, its libraries and a small model
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True)
class Space:
    """Bytes beside those of the model itself."""

    memory: int = 0
    disk: int = 0


def activations(tokens: int) -> int:
    """Bytes of the activations of so many tokens."""
    return tokens * WIDTH * FLOAT


def space_needs(space: Space) -> list[Need]:
    """Whether there is as much memory and scratch disk as an eval is thought to take."""
    smaller = "take the profile 'smoke', or fewer texts"
    needs = [_need("memory", "memory", space.memory + MODEL, free_memory(), f"{smaller}, or a machine with more of it")]
    if space.disk:
        scratch = Path(tempfile.gettempdir())
        free = shutil.disk_usage(scratch).free
        needs.append(_need("disk", f"scratch in {scratch}", space.disk, free, f"{smaller}, or set TMPDIR"))
    return needs


def _need(kind: Kind, what: str, wanted: int, free: int, fix: str) -> Need:
    enough = wanted <= free
    detail = f"about {_gib(wanted)} at width {WIDTH}, {_gib(free)} free"
    return Need(kind, what, enough, detail, "" if enough else fix, estimate=True)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def free_memory() -> int:
    """Bytes that a new process can have: those of the machine, or of the container where that allows fewer."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError):
        pass
    for limit in _LIMITS:
        try:
            found.append(int(Path(limit).read_text()))
        except (OSError, ValueError):  # there is none, or it says "max"
            continue
    return min(found)
