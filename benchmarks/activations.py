"""How many tokens a second does SmolLM2 give, what does stopping at the hook save, and how fast are rows gathered?"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import torch

from husai_core.engine import activations
from husai_core.engine.environment import deterministic
from husai_core.model import Corpus
from husai_models.smollm2 import SmolLM2, SmolLM2Settings

LENGTH, TOKENS = 128, 4096
DEPTHS = (1, 10, 16, 30)
ROWS, WIDTH, BATCH = 400_000, 576, 2048


def main() -> None:
    """Print the table; with `--out FILE`, write it too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--prepared", type=Path, help="folder of the converted model, to convert it once only")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        prepared = options.prepared or Path(scratch)
        found = {
            "tokens_per_second": _passes(prepared, options.repeats, options.threads),
            "gather": _gather(Path(scratch), options.repeats),
            "threads": options.threads,
            "repeats": options.repeats,
            "torch": str(torch.__version__),
            "machine": f"{platform.machine()}, {platform.system()}",
        }
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def _passes(prepared: Path, repeats: int, threads: int) -> dict[str, dict[str, float]]:
    """Medians of one call of the engine's pass over the same tokens, by how many layers run, in a run and by itself."""
    model, settings = SmolLM2(), SmolLM2Settings(context_length=LENGTH)
    if not (prepared / "network.json").exists():
        model.prepare(settings, 0, prepared, lambda fraction, note: None)
    tokens = torch.randint(3, 49_000, (TOKENS // LENGTH, LENGTH), generator=torch.Generator().manual_seed(0))
    corpus = Corpus(tokens, tuple(range(1, LENGTH)), torch.arange(len(tokens)), torch.arange(0))
    times: dict[str, dict[str, list[float]]] = {"in a run": {}, "torch by itself": {}}
    for _ in range(repeats):  # depths are interleaved, so that a busy moment of the machine meets all of them
        for depth in DEPTHS:
            hooks = (f"blocks.{depth - 1}.hook_resid_post",)
            one = activations.NetworkPass(model.load(settings, 0, prepared, depth), corpus, hooks)
            _add(times, f"{depth} layers", threads, lambda p=one, h=hooks: list(p.rows("train", 0, [h])))
        whole = model.load(settings, 0, prepared)
        with torch.no_grad():
            _add(times, "30 layers and logits", threads, lambda n=whole: n(tokens))
    return {
        where: {name: round(TOKENS / statistics.median(seconds), 1) for name, seconds in found.items()}
        for where, found in times.items()
    }


def _add(times: dict[str, dict[str, list[float]]], name: str, threads: int, work: Callable[[], object]) -> None:
    """The seconds of the same work in the environment of a run, and as torch comes."""
    with deterministic(threads):
        times["in a run"].setdefault(name, []).append(_seconds(work))
    times["torch by itself"].setdefault(name, []).append(_seconds(work))


def _gather(scratch: Path, repeats: int) -> dict[str, float]:
    """Milliseconds to gather a random batch: from memory, and from one mapped file in the page cache."""
    rows = numpy.random.default_rng(0).standard_normal((ROWS, WIDTH), dtype="f4")
    numpy.save(scratch / "rows.npy", rows)
    held, mapped = torch.from_numpy(rows), activations.load(scratch / "rows.npy")
    generator = torch.Generator().manual_seed(0)
    times: dict[str, list[float]] = {"memory": [], "mapped": []}
    for _ in range(20 * repeats):
        chosen = torch.randint(ROWS, (BATCH,), generator=generator)
        for name, array in (("memory", held), ("mapped", mapped)):
            times[name].append(_seconds(lambda a=array, c=chosen: a[c]))
    return {f"{name}_ms": round(1000 * statistics.median(seconds), 2) for name, seconds in times.items()}


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
