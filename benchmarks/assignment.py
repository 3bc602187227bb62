"""Time and memory of optimal-assignment MCC at large widths, beside scipy's dense solver on the whole matrix.

    python benchmarks/assignment.py [--limit 240] [--out FILE]

Each runs in a process of its own, on one thread, on two dictionaries in 256 dimensions: `random`, two independent ones;
`shared`, half of whose features are the same but for noise of half their length; `one_way`, all of whose
features lean towards one direction. What takes longer than `--limit` seconds is stopped and recorded as null.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch
from scipy.optimize import linear_sum_assignment

from husai_metrics.mcc import MCC

DIMENSIONS = 256
CASES = [(kind, width) for width in (4096 + 512, 8192, 16_384) for kind in ("random", "shared")]
CASES += [("one_way", 4096 + 512)]


def pair(kind: str, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, width, DIMENSIONS, generator=generator) / DIMENSIONS**0.5
    if kind == "shared":
        second[: width // 2] = first[: width // 2] + 0.5 * second[: width // 2]
        second = second[torch.randperm(width, generator=generator)]
    if kind == "one_way":
        way = torch.randn(DIMENSIONS, generator=generator) / DIMENSIONS**0.5
        first, second = (way + 0.5 * d for d in (first, second))
    return first, second


def dense(first: torch.Tensor, second: torch.Tensor) -> float:
    """The definition, with the whole matrix in float64."""
    a, b = (d.double() / d.double().norm(dim=1, keepdim=True) for d in (first, second))
    cosines = (a @ b.T).abs_().numpy()
    return float(cosines[linear_sum_assignment(cosines, maximize=True)].mean())


IMPLEMENTATIONS = {"husai": MCC().compare, "scipy_dense": dense}


def child(name: str, kind: str, width: int) -> dict[str, float]:
    """What one implementation takes, in this process."""
    torch.set_num_threads(1)
    dictionaries = pair(kind, width)
    begin = time.perf_counter()
    value = IMPLEMENTATIONS[name](*dictionaries)
    seconds = time.perf_counter() - begin
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("VmHWM"))
    return {"value": value, "seconds": round(seconds, 1), "peak_gb": round(int(line.split()[1]) * 1024 / 1e9, 2)}


def measured(name: str, kind: str, width: int, limit: float) -> dict[str, float] | None:
    command = [sys.executable, __file__, "--child", name, kind, str(width)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=float, default=240)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, kind, width = options.child
        print(json.dumps(child(name, kind, int(width))))
        return
    cases = []
    for kind, width in CASES:
        found = {name: measured(name, kind, width, options.limit) for name in IMPLEMENTATIONS}
        cases.append({"dictionaries": kind, "width": width, **found})
        print(json.dumps(cases[-1]), file=sys.stderr, flush=True)
    result = {
        "command": " ".join(["python", "benchmarks/assignment.py", *sys.argv[1:]]),
        "dimensions": DIMENSIONS,
        "cases": cases,
        "limit_seconds": options.limit,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "scipy")}},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, shared",
        "threads": 1,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
