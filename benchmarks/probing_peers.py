"""The official probing code, each brought to one call: SAEBench's sparse_probing and sae-probes, without a hub.

Needs, beside HUSAI: `pip install scikit-learn pandas zstandard tabulate` and
`pip install --no-deps sae-bench==0.6.0 sae-probes==0.4.2 sae-lens==6.54.12`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from husai_core import Coder, TextSet

os.environ["JAXTYPING_DISABLE"] = "1"  # SAEBench's own annotations fail its own check
sys.modules.setdefault("xgboost", types.ModuleType("xgboost"))  # sae-probes imports it for a baseline not run here

PUBLISHED_NAME = "fancyzhx/ag_news"  # four classes; the texts under that name are those that we give it
SEED = 42


@dataclass
class OfficialSAE:
    """A coder as both packages ask for one: the arithmetic of encoding is the same on both sides."""

    coder: Coder
    hook: str

    def __post_init__(self) -> None:
        self.dtype, self.device = torch.float32, "cpu"
        layer = int(self.hook.split(".")[1])
        self.cfg = types.SimpleNamespace(hook_layer=layer, hook_name=self.hook)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return self.coder.encode(x.flatten(0, -2)).view(*x.shape[:-1], -1)


@dataclass(frozen=True)
class Draw:
    """The rows of one probe: the documents of both sides as (class, place), and which are of the class."""

    train: Sequence[tuple[str, int]]
    train_labels: torch.Tensor
    test: Sequence[tuple[str, int]]
    test_labels: torch.Tensor


class SAEBench:
    """`run_eval_single_sae` on texts of our own, with every draw of rows written down."""

    def __init__(self, texts: TextSet, model: Any, scratch: Path, ks: Sequence[int], sizes: tuple[int, int]) -> None:
        from sae_bench.evals.sparse_probing import main, probe_training
        from sae_bench.evals.sparse_probing.eval_config import SparseProbingEvalConfig
        from sae_bench.sae_bench_utils import dataset_utils

        self._main, self._model, self._scratch = main, model, scratch
        self.config = SparseProbingEvalConfig(
            dataset_names=[PUBLISHED_NAME],
            probe_train_set_size=sizes[0],
            probe_test_set_size=sizes[1],
            random_seed=SEED,
            llm_batch_size=16,
            llm_dtype="float32",
            k_values=list(ks),
        )
        half = len(texts.texts) // 2
        rows = [{"text": text, "label": label} for text, label in zip(texts.texts, texts.labels, strict=True)]
        dataset_utils.load_dataset = lambda name, **_: {"train": rows[:half], "test": rows[half:]}
        self.documents = dataset_utils.get_multi_label_train_test_data(PUBLISHED_NAME, *sizes, SEED)
        self.draws: list[Draw] = []
        self._drawn: list[tuple[list[tuple[str, int]], torch.Tensor]] = []
        original = probe_training.prepare_probe_data

        def noted(activations: dict[str, torch.Tensor], name: str, perform_scr: bool = False) -> Any:
            state = torch.get_rng_state()
            keys = list(activations)
            places = {
                key: torch.tensor([[float(number), float(place)] for place in range(len(rows))])
                for number, (key, rows) in enumerate(activations.items())
            }
            drawn, labels = original(places, name, perform_scr)
            self._drawn.append(([(keys[int(number)], int(place)) for number, place in drawn], labels))
            torch.set_rng_state(state)
            return original(activations, name, perform_scr)

        probe_training.prepare_probe_data = noted

    def run(self, sae: OfficialSAE) -> dict[tuple[int, str], tuple[float, Draw]]:
        """Accuracies by k and class, with the rows behind each."""
        self._drawn.clear()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            _, found = self._main.run_eval_single_sae(self.config, sae, self._model, "cpu", str(self._scratch))
        accuracies = found[f"{PUBLISHED_NAME}_results"]
        ks, classes = self.config.k_values, list(self.documents[0])
        probes = self._drawn[-2 * len(ks) * len(classes) :]  # the last ones are those on the k best latents
        pairs = [Draw(*train, *test) for train, test in zip(probes[::2], probes[1::2], strict=True)]
        names = [(k, name) for k in ks for name in classes]
        return {
            (k, name): (accuracies[f"sae_top_{k}_test_accuracy"][name], draw)
            for (k, name), draw in zip(names, pairs, strict=True)
        }


class SaeProbes:
    """`run_sae_evals` and the dense baseline of sae-probes, on activations that its own code stores first."""

    def __init__(self, model: Any, hook: str, scratch: Path, parts: Sequence[str]) -> None:
        self._model, self._hook, self._scratch, self._parts = model, hook, scratch, list(parts)

    def pass_over_texts(self) -> None:
        from sae_probes.generate_model_activations import ensure_dataset_activations

        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            ensure_dataset_activations("local", self._parts, [self._hook], self._scratch, "cpu", model=self._model)

    def probe(self, sae: OfficialSAE, ks: Sequence[int], name: str) -> dict[tuple[str, int], Mapping[str, float]]:
        from sae_probes.run_sae_evals import run_sae_evals

        out = self._scratch / name
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            run_sae_evals(
                sae, "local", self._hook, "l2", "normal", list(ks), False, out, self._scratch, self._parts, "cpu"
            )
        rows = [row for path in out.rglob("*.json") for row in json.loads(path.read_text())]
        return {(row["dataset"], row["k"]): row for row in rows}

    def baseline(self) -> dict[str, Mapping[str, float]]:
        from sae_probes.run_baselines import run_baseline_dataset_layer

        out = self._scratch / "baseline"
        for part in self._parts:
            run_baseline_dataset_layer(self._hook, part, "logreg", "local", self._scratch, out)
        rows = [row for path in out.rglob("*.json") for row in json.loads(path.read_text())]
        return {row["dataset"]: row for row in rows}


def with_tokenizer(network: Any, folder: Path) -> Any:
    """The network with its tokenizer, which puts BOS before every text, as TransformerLens means it to."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    begin = tokenizer.bos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, tokenizer.bos_token_id)]
    )
    tokenizer.padding_side = "right"
    network.tokenizer = tokenizer
    return network
