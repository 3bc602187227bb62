"""What does the official SAEBench cost for several SAEs: its command once for each, or HUSAI's one process for all?

The same code, model, texts and settings on both sides; the numbers of both must be the same. A run of the command is a
process that imports, loads the model and does everything for one SAE. Wall seconds of one thread.

    python benchmarks/official_sharing.py --prepared FOLDER --out benchmarks/official_sharing.json

FOLDER is a model that HUSAI has prepared: of `husai run`, in its cache, the folder with network.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from husai_architectures.topk import TopK, TopKSettings
from husai_core import Coder, Dims
from husai_core.interchange import saved_files
from husai_saebench.profiles import (
    AbsorptionSettings,
    CoreSettings,
    SaeProbesSettings,
    Settings,
    SparseProbingSettings,
    TppSettings,
)
from husai_saebench.worker import working
from husai_texts.sotu import StateOfTheUnion

LAYER, WIDTH, D_SAE = 9, 576, 1152
HOOK = f"blocks.{LAYER}.hook_resid_post"
PERIODS = ("1790-1859", "1961-2026")
CASES: dict[str, tuple[Settings, dict[str, Any]]] = {
    "core": (CoreSettings(), {}),
    "sparse_probing_sae_probes": (SaeProbesSettings(sets=("117_us_state_FL", "133_context_type_Causality")), {}),
    "sparse_probing": (SparseProbingSettings(), {}),
    "tpp": (TppSettings(), {"fast": True}),
    "absorption": (AbsorptionSettings(max_k=2, probe_epochs=10), {"words": 3000}),
}


def main() -> None:
    """Print the table; with `--out FILE`, write it too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--saes", type=int, default=4, help="how many SAEs HUSAI's side does")
    parser.add_argument("--evals", nargs="*", default=list(CASES))
    options = parser.parse_args()
    texts = {name: list(StateOfTheUnion().read(name, Path()).texts) for name in PERIODS}
    found = {}
    for name in options.evals:
        found[name] = _compare(name, options.prepared, options.saes, texts)
        print(name, found[name], flush=True)
    about = {"saes": options.saes, "layer": LAYER, "d_sae": D_SAE, "machine": platform.processor() or "unknown"}
    text = json.dumps({"about": about, "evals": found}, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def _compare(name: str, prepared: Path, saes: int, texts: dict[str, list[str]]) -> dict[str, Any]:
    """The command for one SAE, then one process for all of them; the first SAE is the same."""
    alone, alone_results = _run(name, prepared, 1, texts, share=False)
    together, results = _run(name, prepared, saes, texts, share=True)
    return {
        "command_seconds_per_sae": round(alone, 2),
        "one_process_seconds": round(together, 2),
        "ratio": round(alone * saes / together, 2),
        "same_numbers": _numbers(alone_results[0]) == _numbers(results[0]),
        "largest_difference": _largest(_numbers(alone_results[0]), _numbers(results[0])),
    }


def _run(
    name: str, prepared: Path, saes: int, texts: dict[str, list[str]], *, share: bool
) -> tuple[float, list[dict[str, Any]]]:
    settings, more = CASES[name]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if settings.text_sets() and name != "sparse_probing_sae_probes":
            wanted = [name.partition(":")[2] for name in settings.text_sets()]
            (folder / "texts.json").write_text(json.dumps({f"sotu:{period}": texts[period] for period in wanted}))
        job = {
            "eval": name,
            "settings": settings.official(),
            "model": str(prepared.absolute()),
            "model_name": "smollm2",
            "hook_name": HOOK,
            "layer": LAYER,
            "length": 1024,
            "d_in": WIDTH,
            "seed": settings.seed,
            "threads": 1,
            "mirror": None,
            "words": None,
            "fast": False,
            "share": share,
            **(more if share else {key: value for key, value in more.items() if key != "fast"}),
        }
        (folder / "job.json").write_text(json.dumps(job))
        for number in range(saes):
            own = folder / "subjects" / f"sae{number}" / "sae"
            own.mkdir(parents=True)
            for file, raw in saved_files(_coder(number), "smollm2", HOOK).items():
                (own / file).write_bytes(raw)
        begun = time.monotonic()
        results = []
        with working(folder, f"benchmark {name}", 1) as worker:
            worker.ready()
            for number in range(saes):
                results.append(json.loads(Path(worker.ask(f"sae{number}")["file"]).read_text()))
        seconds = time.monotonic() - begun
    return seconds, results


def _coder(seed: int) -> Coder:
    """A dictionary of random unit directions: what it costs does not depend on what it learned."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(D_SAE, WIDTH, generator=generator)
    directions /= directions.norm(dim=1, keepdim=True)
    params = {
        "W_enc": directions.T.contiguous(),
        "b_enc": torch.zeros(D_SAE),
        "W_dec": directions,
        "b_dec": torch.zeros(WIDTH),
    }
    return Coder(TopK(), TopKSettings(k=32), Dims(WIDTH, D_SAE, WIDTH), seed, params, None)


def _numbers(result: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{path}.{key}")
        elif isinstance(value, list):
            for place, inner in enumerate(value):
                walk(inner, f"{path}[{place}]")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[path] = value

    walk(result["eval_result_metrics"], "metrics")
    walk(result["eval_result_details"], "details")
    return found


def _largest(one: dict[str, float], other: dict[str, float]) -> float | str:
    """By how much any number of both differs; a number that only one of them has is named."""
    if odd := one.keys() ^ other.keys():
        return f"only one side has {min(odd)}"
    return max((abs(one[key] - other[key]) for key in one), default=0.0)


if __name__ == "__main__":
    main()
