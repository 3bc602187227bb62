"""One TopK training step of HUSAI and of three peers, interleaved in one process, and eight seeds at once.

    python benchmarks/training_step.py [--runs 20] [--threads 2] [--out FILE]

The peers are those of `peers.py`. Every round takes one step of each in turn, so that a busy moment of a shared machine
meets all of them. The floor is the one dense encoder product.
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
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import torch
from peers import TRAINERS, Shape, Step, husai

from husai_core.engine.environment import deterministic

SHAPES = [Shape(576, 4608, 32, 2048), Shape(128, 1024, 32, 2048)]
SEED_SHAPES = [
    Shape(128, d_sae, k, batch) for batch in (512, 2048) for d_sae, k in ((128, 8), (256, 16), (512, 32), (1024, 32))
]
SEEDS = 8
OURS = ("husai", "floor")  # timed in the environment of a run, as they would be; the others as their libraries come
DISTRIBUTIONS = ("torch", "numpy", "sae-lens", "dictionary-learning", "eai-sparsify")


def seconds(step: Step, batch: torch.Tensor) -> float:
    begin = time.perf_counter()
    step(batch)
    return time.perf_counter() - begin


def compare(shape: Shape, runs: int) -> dict[str, object]:
    """Medians over interleaved rounds, after three that are thrown away."""
    torch.manual_seed(0)
    rows = torch.randn(8 * shape.batch, shape.d_in)
    steps = {name: build(shape, rows) for name, build in TRAINERS.items()}
    took: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(runs + 3):
        batch = rows[: shape.batch] if round_number % 2 else rows[-shape.batch :]
        for name, step in steps.items():
            with deterministic(torch.get_num_threads()) if name in OURS else nullcontext():
                elapsed = seconds(step, batch)
            if round_number >= 3:
                took[name].append(elapsed)
    median = {name: statistics.median(values) for name, values in took.items()}
    others = {name: median[name] / median["husai"] for name in median if name not in ("husai", "floor")}
    return {
        "shape": vars(shape),
        "median_ms": {name: round(1e3 * value, 2) for name, value in median.items()},
        "best_ms": {name: round(1e3 * min(values), 2) for name, values in took.items()},
        "times_faster_than": {name: round(value, 2) for name, value in others.items()},
        "multiple_of_floor": round(median["husai"] / median["floor"], 2),
    }


def eight_seeds(shape: Shape, runs: int) -> dict[str, object]:
    """A step of eight seeds together, in turn with eight steps of one seed after another."""
    torch.manual_seed(0)
    rows = torch.randn(8 * shape.batch, shape.d_in)
    together = husai(shape, rows, SEEDS)
    alone = [husai(shape, rows) for _ in range(SEEDS)]
    took: dict[str, list[float]] = {"together": [], "one_by_one": []}
    for round_number in range(runs + 3):
        with deterministic(torch.get_num_threads()):
            pair = seconds(together, rows), sum(seconds(step, rows) for step in alone)
        if round_number >= 3:
            took["together"].append(pair[0])
            took["one_by_one"].append(pair[1])
    median = {name: statistics.median(values) for name, values in took.items()}
    return {
        "shape": vars(shape),
        "seeds": SEEDS,
        "median_ms": {name: round(1e3 * value, 2) for name, value in median.items()},
        "share_of_the_time": round(median["together"] / median["one_by_one"], 3),
    }


def memory(shape: Shape, name: str) -> int:
    """Peak resident MiB that training adds to what its first steps left behind, in a process of its own.

    Gradients and optimiser state are there after the first steps, so this is what a step needs beside them.
    """
    code = (
        "import sys, torch; sys.path.insert(0, sys.argv[1]); from peers import TRAINERS, Shape\n"
        "shape = Shape(*map(int, sys.argv[3:])); rows = torch.randn(2 * shape.batch, shape.d_in)\n"
        "step = TRAINERS[sys.argv[2]](shape, rows)\n"
        "kb = lambda key: int(next(l for l in open('/proc/self/status') if l.startswith(key)).split()[1])\n"
        "for _ in range(2): step(rows[:shape.batch])\n"
        "import ctypes, gc; gc.collect(); ctypes.CDLL(None).malloc_trim(0)\n"
        "before = kb('VmRSS'); open('/proc/self/clear_refs', 'w').write('5')\n"  # the peak starts anew
        "for _ in range(3): step(rows[:shape.batch])\n"
        "print(kb('VmHWM') - before)"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), name, *map(str, vars(shape).values())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return round(int(done.stdout.strip().splitlines()[-1]) / 1024)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    big = SHAPES[0]
    batches = [big.batch // 2, big.batch, 2 * big.batch]
    result = {
        "command": " ".join(["python", "benchmarks/training_step.py", *sys.argv[1:]]),
        "runs": options.runs,
        "steps": [compare(shape, options.runs) for shape in SHAPES],
        "eight_seeds": [eight_seeds(shape, options.runs) for shape in SEED_SHAPES],
        "peak_mib_of_a_step": {
            name: {str(batch): memory(Shape(big.d_in, big.d_sae, big.k, batch), name) for batch in batches}
            for name in TRAINERS
            if name != "floor"
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in DISTRIBUTIONS}},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, shared",
        "threads": options.threads,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
