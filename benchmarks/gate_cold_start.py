"""How long `husai gate` takes as a whole process with a cold interpreter, and which modules it imports.

    python benchmarks/gate_cold_start.py [--bundle evidence/toy] [--policy toy] [--runs 20] [--out FILE]

Every run is a fresh process. A bare `python -c pass` is timed in turn with it: on a shared machine only the two
together say what the gate costs. Modules and their import times come from `-X importtime`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
CALL = "import sys; from husai_core.cli import main; main(sys.argv[1:])"
FORBIDDEN = ("torch", "statsmodels", "scipy", "scipy.stats", "numpy", "pandas", "matplotlib", "rich")


def timed(command: list[str]) -> float:
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
    seconds = time.perf_counter() - begin
    assert done.returncode in (0, 2), done.stderr.decode()
    return seconds


def imports(command: list[str]) -> dict[str, int]:
    """Cumulative microseconds by module, of everything the command imported."""
    traced = [command[0], "-X", "importtime", *command[1:]]
    text = subprocess.run(traced, capture_output=True, text=True, cwd=ROOT, check=False).stderr
    rows = re.findall(r"^import time:\s+\d+ \|\s+(\d+) \|\s*(\S+)$", text, re.MULTILINE)
    return {module: int(cumulative) for cumulative, module in rows}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", default="evidence/toy")
    parser.add_argument("--policy", default="toy")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    gate = [sys.executable, "-c", CALL, "gate", options.bundle, "--policy", options.policy]
    bare = [sys.executable, "-c", "pass"]
    pairs = [(timed(gate), timed(bare)) for _ in range(options.runs)]
    seen = imports(gate)
    heaviest = sorted(((us, module) for module, us in seen.items()), reverse=True)[:10]
    result = {
        "command": " ".join(["python", "benchmarks/gate_cold_start.py", *sys.argv[1:]]),
        "runs": options.runs,
        "gate_seconds": {
            "median": round(statistics.median(g for g, _ in pairs), 3),
            "worst": round(max(g for g, _ in pairs), 3),
        },
        "bare_python_seconds_median": round(statistics.median(b for _, b in pairs), 3),
        "forbidden_imports": sorted(m for m in seen if m in FORBIDDEN),
        "modules_imported": len(seen),
        "heaviest_imports_ms": {module: round(us / 1000, 1) for us, module in heaviest},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, shared",
    }
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
