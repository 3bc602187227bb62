"""The benchmarks that HUSAI ships keep the contract, on the stage or on one that they apply to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from husai_benchmarks import labelled_rows, probe_transfer
from husai_benchmarks.splits import Split
from husai_core import Corpus
from husai_core.model import Known, Network
from husai_core.testing import Promises, Stage, benchmark_contract
from husai_core.testing.benchmarks import benchmark_contracts
from husai_core.testing.benchmarks.stage import HOOK, WordReader
from husai_core.testing.installed import installed
from husai_core.testing.plain import ROWS, WIDTH, bad_coders, codes, good_coders, true_directions

POSITIONS = tuple(range(1, 9))
DIVISOR = 16  # of the sums that rows are about
MANY = "a probe on all latents finds the class in random directions, too"


def of_sums() -> Stage:
    """Rows of waves in a, b and a + b, which the good subject writes in true directions that follow them."""
    a, b = torch.arange(ROWS) % DIVISOR, (torch.arange(ROWS) // DIVISOR) % DIVISOR
    angles = 2 * torch.pi * torch.stack([a, b, a + b], 1) / DIVISOR
    waves = torch.cat([angles.cos(), angles.sin()], 1).relu()
    rows = waves @ true_directions()[:6] + 0.05 * codes(ROWS, 1) @ true_directions()
    numbers = 2 * torch.pi * torch.arange(DIVISOR) / DIVISOR
    embedding = torch.stack([numbers.cos(), numbers.sin()], 1) @ true_directions()[:2]
    known = Known({"a": a, "b": b, "sum": (a + b) % DIVISOR}, {"embedding": embedding})
    return Stage(good_coders(), bad_coders(), rows, rows, known)


class Reader(WordReader):
    """A language model under the stage."""

    predicts_next = True

    def __init__(self, whole: Network, tokens: torch.Tensor) -> None:
        super().__init__()
        self.whole, self.rows = whole, tokens

    def network(self) -> Network:
        return self.whole

    def corpus(self) -> Corpus:
        return Corpus(self.rows, POSITIONS, torch.arange(8), torch.arange(8, len(self.rows)))


def predicting() -> Stage:
    """A language model whose stream holds true directions, each of which tells the next token."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    config = HookedTransformerConfig(
        n_layers=1, d_model=WIDTH, n_ctx=12, d_head=6, n_heads=2, d_vocab=64, act_fn="relu", d_mlp=8
    )
    state = torch.get_rng_state()
    whole: Any = HookedTransformer(config)
    torch.set_rng_state(state)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
        whole.W_E.copy_(true_directions() * 2)
        whole.W_U.copy_(true_directions().roll(1, 0).T * 8)
    tokens = (torch.randint(64, (40, 1), generator=generator) + torch.arange(10)) % 64
    with torch.no_grad():
        _, shown = whole.run_with_cache(tokens[8:], names_filter=[HOOK])
    rows = shown[HOOK][:, list(POSITIONS)].flatten(0, 1)
    return Stage(good_coders(), bad_coders(), rows, rows, Known(), reader=Reader(whole, tokens))


def of_a_map() -> Stage:
    """What is written is another set of directions under the same codes; good coders write those."""
    generator = torch.Generator().manual_seed(6)
    written = torch.randn(true_directions().shape, generator=generator)
    written /= written.norm(dim=-1, keepdim=True)
    true = codes(ROWS, 1)
    good = []
    for coder in good_coders():
        order = (coder.params["W_enc"].T @ true_directions().T).argmax(1)
        good.append(replace(coder, params={**coder.params, "W_dec": written[order]}))
    rows = true @ true_directions()
    return Stage(tuple(good), bad_coders(), rows, true @ written, hook_out="blocks.0.hook_mlp_out")


RUNS: dict[str, dict[str, Any]] = {
    "reconstruction": {},
    "consistency": {},
    "latent_density": {},
    "ground_truth": {},
    "earlier_readings": {},
    "known_circuit": {"stage": of_sums, "settings": {"frequencies": 2, "shuffles": 2}},
    "splice": {"stage": predicting},
    "transcoder": {"stage": of_a_map},
    "ce_bench": {"settings": {"texts": "a:x", "rows": 12}},
    "ood": {"settings": {"home": "c:z", "shifts": ["a:x"], "documents": 12, "limit": 20}},
    "probe_transfer": {
        "settings": {"sets": ["a:x", "b:y"], "documents": 16, "limit": 16, "folds": 2, "aggregations": ["plain"]},
        "promises": Promises(indifferent={"transfer_auc": MANY, "probe_transfer_drop": MANY}),
    },
    "sparse_probing": {
        "settings": {
            "sets": ["a:x", "b:y"],
            "ks": [1, 10],
            "train_rows": 60,
            "test_rows": 80,
            "tokens": 64,
            "strengths": [0.01, 1.0],
        },
    },
    "selectivity": {
        "settings": {
            "texts": ["a:x"],
            "documents": 24,
            "tokens": 20,
            "shuffles": 2,
            "features": [3],
            "active_in": 3,
            "penalties": 2,
        },
        "promises": Promises(indifferent={"selective_excess": MANY, "differential_probe_auc": MANY}),
    },
}
ELSEWHERE = {"differential_interpretation": "it asks a language model, and so does its own test, of a scripted one"}
OURS = [p for p in installed().of_kind("benchmarks") if p.distribution.startswith("husai ")]

for plugin in OURS:
    if plugin.name in RUNS:
        globals()[f"test_{plugin.name}"] = benchmark_contract(plugin.item, **RUNS[plugin.name])


def test_all_are_here_and_what_has_no_run_reaches_outside() -> None:
    without = {plugin.name for plugin in OURS} - RUNS.keys() - ELSEWHERE.keys()
    assert all(plugin.item.outside(plugin.item.Settings()) for plugin in OURS if plugin.name in without)
    assert RUNS.keys() | ELSEWHERE.keys() <= {plugin.name for plugin in OURS}


def test_a_probe_that_is_trained_on_its_test_documents_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found in a wrong plugin of a few lines is found in the shipped ones, too, once they leak."""
    honest_split, honest_transfer = labelled_rows.leak_free, probe_transfer._transfer

    def leaky_split(*arguments: Any) -> Split:
        split = honest_split(*arguments)
        return replace(split, train=split.train + split.test, train_labels=split.train_labels + split.test_labels)

    def leaky_transfer(x: torch.Tensor, labels: torch.Tensor, folds: int) -> dict[str, float]:
        tested = x[:, x.shape[1] // 2 :], labels[:, x.shape[1] // 2 :]
        return honest_transfer(*(torch.cat([half, half], 1) for half in tested), folds)

    monkeypatch.setattr(labelled_rows, "leak_free", leaky_split)
    monkeypatch.setattr(probe_transfer, "_transfer", leaky_transfer)
    # With one latent, or a dozen documents, a leak is too weak to be seen.
    for name, more in (("sparse_probing", {"ks": [20]}), ("probe_transfer", {"documents": 80})):
        (contract,) = benchmark_contracts(name, {**RUNS[name]["settings"], **more})
        assert contract.outcome("random_labels_are_chance").status == "fail", name
