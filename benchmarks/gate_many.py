"""How long `husai gate` takes as a whole process on a bundle of many evidence files, and on the committed bundles.

    python benchmarks/gate_many.py [--documents 1000] [--runs 7] [--before CHECKOUT] [--out FILE]

The large bundle is made here: sites with a candidate and its untrained control at five seeds, ten benchmarks at each,
two metrics, one of them of pairs of seeds; decision and report included, so that both are made again and compared. The
bundles are timed in turn, each in a fresh process, by the clock and by the processor time that they used: on a shared
machine the two differ. With `--before`, the large bundle is also judged by the husai of another checkout, in turn.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import husai_schemas
from husai_core import bundle, strict_json
from husai_gates.views import make_views

ROOT = Path(__file__).parents[1]
CALL = "import sys; from husai_core.cli import main; main(sys.argv[1:])"
SEEDS = (1, 2, 3, 4, 5)
BENCHMARKS = 10
METRICS = ("explained_variance", "pwmcc")
LEVELS = {"candidate": 0.9, "untrained": 0.3}

POLICY = """schema = "husai:policy/v1"
name = "many"
version = "1"
purpose = "To be timed."
confidence = 0.95
min_units = 3
preregistered = true
"""
RULE = """
[[rule]]
id = "better-{number}"
question = "Is it better than its start?"
reason = "It must be."
kind = "superiority"
benchmark = "bench_{number}"
metric = "explained_variance"
over = {{ control = "untrained" }}
margin = 0.0
"""


def _digest(text: str) -> str:
    return strict_json.digest(text.encode())


def _origin(name: str) -> dict[str, str]:
    return {"name": name, "version": "1", "distribution": "husai 0.1.0", "source": _digest(name)}


def _site(name: str) -> dict[str, Any]:
    rows = [{"name": f"{name}.{part}", "digest": _digest(name + part), "rows": 500} for part in ("train", "test")]
    checks = [{"name": "test_accuracy", "value": 0.99, "at_least": 0.9}]
    model = {**_origin("acme"), "settings": {}, "seed": 0, "weights": _digest(name), "checks": checks}
    hooks = {"hook_in": f"{name}.hook", "hook_out": f"{name}.hook"}
    return {"schema": "husai:site/v1", "name": name, "model": model, **hooks, "data": rows}


def _subjects(site: str, raw: bytes) -> Iterator[dict[str, Any]]:
    for control, seed in itertools.product((None, "untrained"), SEEDS):
        condition = f"{site}.candidate.{control}" if control else f"{site}.candidate"
        steps = 0 if control else 100
        yield {
            "schema": "husai:subject/v2",
            "name": f"{condition}.s{seed}",
            "condition": condition,
            "role": "control" if control else "candidate",
            "site": {"name": site, "digest": strict_json.digest(raw)},
            "architecture": {**_origin("topk"), "settings": {}},
            "dims": {"d_in": 64, "d_sae": 256, "d_out": 64},
            "seed": seed,
            "budget": {
                "steps": steps,
                "batch_size": 8,
                "rows_seen": 8 * steps,
                "learning_rate": 0.001,
                "data_order_seed": 0,
                "agreement": 0.0,
                "decay_share": 0.2,
            },
            "weights": _digest(f"{condition}.s{seed}"),
            **({"control": {**_origin(control), "of": f"{site}.candidate", "settings": {}}} if control else {}),
        }


def _measurement(metric: str, condition: str, draw: random.Random) -> dict[str, Any]:
    level = LEVELS[condition.rsplit(".", 1)[-1]]
    units = itertools.combinations(SEEDS, 2) if metric == "pwmcc" else ((seed,) for seed in SEEDS)
    return {
        "metric": husai_schemas.metric_cards()[metric]["1"],
        "condition": condition,
        "setting": {},
        "observations": [{"seeds": list(unit), "value": level + 0.01 * draw.random()} for unit in units],
    }


def make(documents: int) -> dict[str, bytes]:
    """The files of a released bundle of that many evidence documents."""
    draw, encode = random.Random(0), strict_json.encode
    names = [f"site{number}" for number in range(documents // BENCHMARKS)]
    tables = [f'[[site]]\nname = "{name}"\nmodel = "acme"\n' for name in names]
    tables += ['[[sae]]\nname = "candidate"\narchitecture = "topk"\nrole = "candidate"\nd_sae = 256\n']
    tables += ['[[control]]\nname = "untrained"\n']
    tables += [f'[[benchmark]]\nname = "bench_{number}"\n' for number in range(BENCHMARKS)]
    head = 'schema = "husai:study/v1"\nname = "many"\nquestion = "How long does it take?"\n'
    training = "[training]\nseeds = [1, 2, 3, 4, 5]\nsteps = 100\nbatch_size = 8\nlearning_rate = 1e-3\n"
    files = {"study.toml": "\n".join([head, training, *tables]).encode()}
    files["policy/many.toml"] = (POLICY + "".join(RULE.format(number=n) for n in range(BENCHMARKS))).encode()
    files["provenance.json"] = (ROOT / "evidence" / "toy" / "provenance.json").read_bytes()
    for name in names:
        files[f"sites/{name}.json"] = raw = encode(_site(name))
        subjects = list(_subjects(name, raw))
        for subject in subjects:
            files[f"subjects/{subject['name']}.json"] = encode(subject)
        listed = [
            {"name": s["name"], "digest": strict_json.digest(files[f"subjects/{s['name']}.json"])} for s in subjects
        ]
        for number in range(BENCHMARKS):
            measured = [
                _measurement(metric, condition, draw)
                for condition in dict.fromkeys(s["condition"] for s in subjects)
                for metric in METRICS
            ]
            document = {
                "schema": "husai:evidence/v1",
                "benchmark": _origin(f"bench_{number}"),
                "settings": {},
                "metrics": [_origin(metric) for metric in METRICS],
                "site": {"name": name, "digest": strict_json.digest(raw)},
                "data": [{"name": f"{name}.test", "digest": _digest(f"{name}test"), "rows": 500}],
                "subjects": listed,
                "outcome": {"status": "completed"},
                "measurements": measured,
            }
            files[f"evidence/bench_{number}.{name}.json"] = encode(document)
    return {**files, **make_views(files)}


def timed(command: list[str], rooms: str = "") -> tuple[float, float]:
    """Seconds by the clock, and of processor time."""
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, **({"PYTHONPATH": rooms} if rooms else {})}
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=False, env=environment)
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 2), done.stdout.decode() + done.stderr.decode()
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 3), "worst": round(max(values), 3)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files, large = make(options.documents), Path(folder) / "many"
        bundle.write(files, large)
        (Path(folder) / "many.toml").write_bytes(files["policy/many.toml"])
        asked = {
            f"{options.documents} evidence documents": (str(large), f"{folder}/many.toml"),
            "evidence/release": ("evidence/release", "release"),
            "evidence/toy": ("evidence/toy", "toy"),
        }
        commands = {
            name: [sys.executable, "-c", CALL, "gate", path, "--policy", policy]
            for name, (path, policy) in asked.items()
        }
        commands["python -c pass"] = [sys.executable, "-c", "pass"]
        rooms = dict.fromkeys(commands, "")
        if options.before:
            large_name = next(iter(commands))
            commands[f"{large_name}, before"] = commands[large_name]
            folders = (options.before / folder for folder in (".", "gates", "schemas"))
            rooms[f"{large_name}, before"] = os.pathsep.join(str(folder.resolve()) for folder in folders)
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(options.runs):
            for name, command in commands.items():
                took[name].append(timed(command, rooms[name]))
        result = {
            "command": " ".join(["python", "benchmarks/gate_many.py", *sys.argv[1:]]),
            "runs": options.runs,
            "seconds": {name: spread([clock for clock, _ in pairs]) for name, pairs in took.items()},
            "processor_seconds": {name: spread([used for _, used in pairs]) for name, pairs in took.items()},
            "large_bundle": {"files": len(files) + 1, "bytes": sum(map(len, files.values()))},
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, shared",
        }
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
