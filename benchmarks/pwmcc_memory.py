"""Peak memory and time of PWMCC between ten wide dictionaries, beside a plain dense implementation.

    python benchmarks/pwmcc_memory.py [--pairs 45] [--out FILE]

Every implementation runs in a process of its own, on one thread, with all ten dictionaries held in float32; its peak is
the kernel's high-water mark of that process (VmHWM), interpreter, torch and dictionaries included. Pairs follow one
another and leave nothing behind but what the allocator keeps; `--pairs` says how many are really measured, and nine
already touch all ten dictionaries. The plain one normalises both dictionaries and takes the maxima of the whole matrix
of cosines.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import combinations, islice
from pathlib import Path

import torch

from husai_metrics.pwmcc import PWMCC

DICTIONARIES, FEATURES, DIMENSIONS = 10, 16_384, 2_304
LIMIT_GB = 2.0

Compare = Callable[[torch.Tensor, torch.Tensor], float]


def dense(precision: torch.dtype) -> Compare:
    """The definition, written without a thought for memory."""

    def compare(first: torch.Tensor, second: torch.Tensor) -> float:
        a, b = (d.to(precision) / d.to(precision).norm(dim=1, keepdim=True) for d in (first, second))
        cosines = (a @ b.T).abs()
        return float(cosines.amax(1).double().mean() + cosines.amax(0).double().mean()) / 2

    return compare


IMPLEMENTATIONS: dict[str, Compare] = {
    "husai": PWMCC().compare,
    "dense_float64": dense(torch.float64),
    "dense_float32": dense(torch.float32),
}


def peak_gb() -> float:
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e9


def child(name: str, pairs: int) -> dict[str, object]:
    """What one implementation takes, in this process."""
    torch.set_num_threads(1)
    bare = peak_gb()
    generator = torch.Generator().manual_seed(0)
    dictionaries = torch.empty(DICTIONARIES, FEATURES, DIMENSIONS)
    for dictionary in dictionaries:
        dictionary.normal_(generator=generator)
    held = peak_gb()
    values, seconds = [], []
    for first, second in islice(combinations(dictionaries, 2), pairs):
        begin = time.perf_counter()
        values.append(IMPLEMENTATIONS[name](first, second))
        seconds.append(time.perf_counter() - begin)
        print(f"{name} {len(values)}/{pairs}: {seconds[-1]:.1f} s, {peak_gb():.3f} GB", file=sys.stderr, flush=True)
    return {
        "pairs_measured": len(values),
        "peak_gb": round(peak_gb(), 3),
        "before_dictionaries_gb": round(bare, 3),
        "with_dictionaries_gb": round(held, 3),
        "seconds_per_pair_median": round(statistics.median(seconds), 1),
        "seconds_per_pair_best": round(min(seconds), 1),
        "seconds_in_total": round(sum(seconds), 1),
        "value_of_the_first_pair": values[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=DICTIONARIES * (DICTIONARIES - 1) // 2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", choices=IMPLEMENTATIONS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child, options.pairs)))
        return
    found = {}
    for name in IMPLEMENTATIONS:
        pairs = options.pairs if name == "husai" else 1
        command = [sys.executable, __file__, "--child", name, "--pairs", str(pairs)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[name] = json.loads(done.stdout)
    result = {
        "command": " ".join(["python", "benchmarks/pwmcc_memory.py", *sys.argv[1:]]),
        "dictionaries": DICTIONARIES,
        "shape": [FEATURES, DIMENSIONS],
        "chance": PWMCC().chance(FEATURES, DIMENSIONS),
        "implementations": found,
        "under_2_gb": found["husai"]["peak_gb"] < LIMIT_GB,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "numpy")}},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, shared",
        "threads": 1,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
