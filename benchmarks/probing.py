"""What does probing cost on SmolLM2, beside SAEBench's sparse_probing and sae-probes, and are the answers the same?

CPU seconds of one process with one thread; loading the model is left out on both sides.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from probing_peers import OfficialSAE, SAEBench, SaeProbes, with_tokenizer

from husai_architectures.topk import TopK, TopKSettings
from husai_benchmarks.classification import accuracy
from husai_benchmarks.pooling import pooled
from husai_benchmarks.probes import choose, fit
from husai_benchmarks.ranking import telling
from husai_benchmarks.sparse_probing import SparseProbing, SparseProbingSettings
from husai_core import Coder, Dims, Task, TextSet
from husai_core.benchmark import Read
from husai_core.engine.environment import deterministic
from husai_core.engine.reading import DocumentPass, by_length, rows_of
from husai_core.site import Site
from husai_models.smollm2 import SmolLM2, SmolLM2Settings
from husai_texts.sae_probes import SaeProbes as PackagedTexts

LAYER, WIDTH = 15, 576
HOOK = f"blocks.{LAYER}.hook_resid_post"
FOUR_CLASSES = "97_news_class"
SAEBENCH_SIZES, SAEBENCH_KS, SAEBENCH_TOKENS = (160, 80), (1, 2, 5), 128
BINARY = ("117_us_state_FL", "118_us_state_CA", "119_us_state_TX")  # 1000 rows each: 900 train, 99 test
BINARY_KS = (1, 2, 5, 10, 20, 50)


class Reader:
    """The engine's pass over documents, kept in memory; how long it took is written down."""

    def __init__(self, prepared: Path) -> None:
        self._prepared, self.seconds = prepared, 0.0
        settings = SmolLM2Settings(context_length=1024)
        self._network = SmolLM2().load_reader(settings, 0, prepared, LAYER + 1, 1024)

    def read(self, texts: Sequence[str], limit: int, *, last: bool, progress: object) -> Read:
        begun = time.process_time()
        documents = [ids[:limit] for ids in SmolLM2().encode(SmolLM2Settings(), 0, self._prepared, texts)]
        source = DocumentPass(self._network, documents, [HOOK], last)
        shards = range(source.shapes((HOOK,))["documents"].shards)
        rows = torch.cat([part[HOOK,] for shard in shards for part in source.rows("documents", shard, [(HOOK,)])])
        counts, spans, begin = rows_of(documents, last=last), {}, 0
        for number in by_length(documents):
            spans[number] = (begin, begin + counts[number])
            begin += counts[number]
        self.seconds = time.process_time() - begun
        return Read(rows, rows, tuple(spans[n] for n in range(len(documents))), ())


def main() -> None:
    """Print the comparison; with `--out FILE`, write it too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--prepared", type=Path, help="folder of the converted model, to convert it once only")
    parser.add_argument(
        "--only", choices=("saebench", "sae_probes", "solver"), help="one of the three; in FILE the others stay"
    )
    parser.add_argument("--saes", type=int, default=3)
    parser.add_argument("--d-sae", type=int, default=2304)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        prepared = options.prepared or Path(scratch)
        if not (prepared / "network.json").exists():
            SmolLM2().prepare(SmolLM2Settings(), 0, prepared, lambda fraction, note: None)
        network = SmolLM2().load(SmolLM2Settings(context_length=1024), 0, prepared)
        model = with_tokenizer(network, prepared / "tokenizer")
        reader = Reader(prepared)
        coders = [_coder(options.d_sae, seed) for seed in range(options.saes)]
        parts = {
            "saebench": lambda: _saebench(model, reader, coders, Path(scratch)),
            "sae_probes": lambda: _sae_probes(model, reader, coders, Path(scratch)),
            "solver": _solver,
        }
        kept = options.only and options.out and options.out.exists()
        found: dict[str, Any] = json.loads(options.out.read_text()) if kept else {}
        for name, part in parts.items():
            if options.only in (None, name):
                found[name] = part()
                print(f"{name}: {json.dumps(found[name])}", flush=True)
        found |= {
            "hook": HOOK,
            "d_sae": options.d_sae,
            "saes": options.saes,
            "threads": 1,
            "unit": "CPU seconds",
            "versions": {p: version(p) for p in ("torch", "scikit-learn", "sae-probes", "transformer-lens")}
            | {"sae-bench": "0.6.0"},
            "machine": f"{platform.machine()}, {platform.system()}",
        }
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def _coder(d_sae: int, seed: int) -> Coder:
    """An untrained TopK dictionary: what it costs to probe does not depend on training."""
    settings, dims = TopKSettings(k=32), Dims(WIDTH, d_sae, WIDTH)
    start = TopK().initialise(dims, settings, torch.Generator().manual_seed(seed), torch.zeros(WIDTH))
    return Coder(TopK(), settings, dims, seed, start, start)


def _saebench(model: Any, reader: Reader, coders: Sequence[Coder], scratch: Path) -> Mapping[str, Any]:
    """Four classes of news x 160/80; their model pass and dense probes come with the first SAE."""
    texts = PackagedTexts().read(FOUR_CLASSES, Path()).without_repeats()
    official = SAEBench(texts, model, scratch / "saebench", SAEBENCH_KS, SAEBENCH_SIZES)
    theirs, results = [], []
    for coder in coders:
        taken, result = _timed(lambda c=coder: official.run(OfficialSAE(c, HOOK)))
        theirs.append(taken)
        results.append(result)
    sides = official.documents
    shown = {
        (side, name, place): text
        for side in (0, 1)
        for name in sides[side]
        for place, text in _numbered(sides[side][name])
    }
    labels = [int(name) for _, name, _ in shown]
    everything = TextSet("saebench", tuple(shown.values()), tuple(labels), texts.classes)
    train, test = SAEBENCH_SIZES
    settings = SparseProbingSettings(
        sets=("saebench",),
        ks=SAEBENCH_KS,
        train_rows=train,
        test_rows=test,
        tokens=SAEBENCH_TOKENS,
        pooling="mean",
        ranking="raw",
        strengths=(1.0,),
    )
    ours = _benchmark({"saebench": everything}, settings, coders, reader)
    read = reader.read(tuple(shown.values()), SAEBENCH_TOKENS, last=False, progress=None)
    number = {key: place for place, key in enumerate(shown)}
    differences = []
    for coder, result in zip(coders, results, strict=True):
        latents = pooled(read, range(len(shown)), coder.encode)
        for (k, _), (expected, draw) in result.items():
            rows = latents[[number[0, *key] for key in draw.train]]
            best = telling(rows, draw.train_labels, scaled=False)[:k]
            probe = fit(rows[:, best], draw.train_labels)
            values = probe.decide(latents[[number[1, *key] for key in draw.test]][:, best])
            differences.append(float(accuracy(values, draw.test_labels)) - expected)
    first, rest = theirs[0], theirs[1:]
    own_first = ours["pass"] + ours["dense"] + ours["each"][0]
    return {
        "documents": len(shown),
        "theirs": {"first": first, "further": rest},
        "ours": {"first": own_first, **ours},
        "first_ratio": first / own_first,
        "further_ratio": _mean(rest) / _mean(ours["each"][1:]),
        "accuracies_compared": len(differences),
        "accuracies_equal": sum(d == 0 for d in differences),
        "largest_difference": max(map(abs, differences)),
        "mean_difference": _mean(differences),
    }


def _sae_probes(model: Any, reader: Reader, coders: Sequence[Coder], scratch: Path) -> Mapping[str, Any]:
    """The very rows and folds of sae-probes, last token, penalties by validation, six values of k."""
    official = SaeProbes(model, HOOK, scratch / "sae_probes", BINARY)
    pass_seconds, _ = _timed(official.pass_over_texts)
    dense_seconds, dense = _timed(official.baseline)
    runs = [
        _timed(lambda c=c, n=n: official.probe(OfficialSAE(c, HOOK), BINARY_KS, f"sae{n}"))
        for n, c in enumerate(coders)
    ]
    names = [f"sae_probes:{part}" for part in BINARY]
    sets = {name: PackagedTexts().read(part, Path()) for name, part in zip(names, BINARY, strict=True)}
    size = len(sets[names[0]].texts)
    settings = SparseProbingSettings(
        sets=tuple(names),
        ks=BINARY_KS,
        train_rows=size - 100,
        test_rows=99,
        tokens=1024,
        split="official",
    )
    ours = _benchmark(sets, settings, coders, reader)
    differences: dict[str, list[float]] = {"test_auc": [], "test_acc": [], "test_f1": []}
    for (_, result), kept in zip(runs, ours.pop("scores"), strict=True):
        for name, part in zip(names, BINARY, strict=True):
            for k in BINARY_KS:
                for theirs, score in zip(differences, ("auc", "accuracy", "f1"), strict=True):
                    differences[theirs].append(kept[str(k)][name][score] - result[part, k][theirs])
    own_dense = ours.pop("dense_scores")
    dense_off = [own_dense[f"sae_probes:{part}"]["auc"] - dense[part]["test_auc"] for part in BINARY]
    each = [taken for taken, _ in runs]
    return {
        "theirs": {"pass": pass_seconds, "dense": dense_seconds, "each": each},
        "ours": ours,
        "pass_ratio": pass_seconds / ours["pass"],
        "each_ratio": _mean(each) / _mean(ours["each"]),
        "compared": len(differences["test_auc"]),
        "within_0.01": {name: sum(abs(d) <= 0.01 for d in off) for name, off in differences.items()},
        "largest_difference": {name: max(map(abs, off)) for name, off in differences.items()},
        "mean_difference": {name: _mean(off) for name, off in differences.items()},
        "dense_auc_differences": dense_off,
    }


def _benchmark(sets: Mapping[str, TextSet], settings: Any, coders: Sequence[Coder], reader: Reader) -> dict[str, Any]:
    """CPU seconds of the benchmark's own parts."""
    parts: dict[str, tuple[float, Any]] = {}

    def kept(name: str, work: Callable[[], Any]) -> Any:
        parts[name] = _timed(work)
        return parts[name][1]

    task = Task(
        Site("middle", "smollm2", HOOK, HOOK),
        {"topk": coders},
        torch.zeros(0, WIDTH),
        torch.zeros(0, WIDTH),
        (),
        settings,
        lambda fraction, note: None,
        texts=sets,
        reader=reader,
        kept=kept,
    )
    begun = time.process_time()
    with deterministic(threads=1):
        list(SparseProbing().measure(task))
    whole = time.process_time() - begun
    found = {"pass": reader.seconds, "dense": parts["dense"][0], "whole": whole}
    each = [parts[f"topk, seed {coder.seed}"] for coder in coders]
    extra = {"scores": [score for _, score in each], "dense_scores": parts["dense"][1]}
    return found | {"each": [taken for taken, _ in each]} | (extra if settings.split == "official" else {})


def _solver() -> Mapping[str, Any]:
    """Twelve tasks of 200 rows: penalty chosen of ten and the final probe, beside the loop of sae-probes."""
    from sae_probes.utils_training import find_best_reg

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(12, 200, 50, generator=generator).relu() * (torch.rand(12, 200, 50, generator=generator) < 0.3)
    labels = (x[..., :5].sum(-1) + 0.5 * torch.randn(12, 200, generator=generator) > 0.6).long()
    kept = torch.ones(12, 1, 200, dtype=torch.bool)
    kept[..., 160:] = False
    found = {}
    for k in BINARY_KS:
        ours, _ = _timed(lambda k=k: choose(x[..., :k], labels, kept))
        rows = [(x[n, :, :k].numpy(), labels[n].numpy()) for n in range(12)]
        theirs, _ = _timed(lambda r=rows: [find_best_reg(a, b, a, b) for a, b in r])
        found[str(k)] = {"ours": ours, "theirs": theirs, "ratio": theirs / ours}
    return found


def _numbered(texts: Sequence[str]) -> list[tuple[int, str]]:
    return list(enumerate(texts))


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
