"""The same numbers as SAEBench's core where its own are right, and scikit-learn's where they are not."""

from __future__ import annotations

import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from husai_benchmarks.reconstruction import ReconstructionBenchmark, ReconstructionSettings
from husai_benchmarks.splice import Splice, SpliceSettings, husai_metrics
from husai_core import Coder, Corpus, Task
from husai_core.site import Site
from husai_metrics.cosine import Cosine
from husai_metrics.explained_variance import ExplainedVariance
from husai_metrics.l0 import L0
from husai_metrics.l1 import L1

core = pytest.importorskip("sae_bench.evals.core.main", reason="pip install 'husai[bench]'")
pytestmark = pytest.mark.peers

HOOK, BEGIN, LENGTH, WIDTH = "blocks.1.hook_resid_post", 0, 9, 8
POSITIONS = tuple(range(1, LENGTH))


class Store:
    """SAEBench's source of tokens: the rows it is given, from the first on."""

    def __init__(self, tokens: torch.Tensor) -> None:
        self.tokens, self.context_size, self.taken = tokens, tokens.shape[1], 0

    def get_batch_tokens(self, rows: int) -> torch.Tensor:
        self.taken += rows
        return self.tokens[self.taken - rows : self.taken]


def as_sae_bench_has_it(coder: Coder) -> Any:
    cfg = SimpleNamespace(hook_name=HOOK, hook_layer=1, hook_head_index=None, d_sae=coder.dims.d_sae)
    return SimpleNamespace(encode=coder.encode, decode=coder.decode, device="cpu", cfg=cfg)


@pytest.fixture(scope="module")
def network() -> Any:
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    shape = HookedTransformerConfig(
        n_layers=3, d_model=WIDTH, n_heads=2, d_head=4, d_mlp=16, n_ctx=LENGTH, d_vocab=11, act_fn="relu",
        normalization_type="LN", device="cpu", init_mode="gpt2", initializer_range=0.5,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        made = HookedTransformer(shape).eval()
        made.unembed.W_U.mul_(3)
        made.blocks[1].mlp.b_out += 20  # the mean of real activations is far from 0, where SAEBench's variance fails
    return made


@pytest.fixture
def task(network, coder_of) -> Task:
    generator, tokens = torch.Generator().manual_seed(0), torch.full((24, 1), BEGIN)
    with torch.no_grad():
        while tokens.shape[1] < LENGTH:  # text that the network wrote itself and so predicts
            chances = network(tokens)[:, -1, BEGIN + 1 :].softmax(-1)
            tokens = torch.cat([tokens, BEGIN + 1 + chances.multinomial(1, generator=generator)], 1)
        rows = network.run_with_cache(tokens, names_filter=[HOOK])[1][HOOK][:, 1:].flatten(0, 1)
    coder = coder_of()
    coder.params["b_dec"].copy_(rows.mean(0))
    reader: Any = SimpleNamespace(
        predicts_next=True,
        network=lambda: network,
        corpus=lambda: Corpus(tokens, POSITIONS, torch.arange(0), torch.arange(24)),
    )
    metrics = [*husai_metrics(), Cosine(), ExplainedVariance(), L0(), L1()]
    chosen = SpliceSettings(10_000)
    return Task(
        Site("s", "m", HOOK, HOOK), {"a": [coder]}, rows, rows, metrics, chosen, lambda f, n: None, reader=reader
    )


def test_losses_and_divergences_are_those_of_sae_bench(task, network):
    ours = {(m.metric, m.setting.get("against")): m.observations[0].value for m in Splice().measure(task)}
    tokens = task.model.corpus().tokens
    theirs = core.get_downstream_reconstruction_metrics(
        as_sae_bench_has_it(task.conditions["a"][0]),
        network,
        Store(tokens),
        compute_kl=True,
        compute_ce_loss=True,
        n_batches=3,
        eval_batch_size_prompts=8,
        ignore_tokens={BEGIN},
        exclude_special_tokens_from_reconstruction=True,
    )
    assert ours["ce_loss", None] == pytest.approx(theirs["ce_loss_with_sae"], rel=1e-5)
    increase = theirs["ce_loss_with_sae"] - theirs["ce_loss_without_sae"]
    assert ours["ce_loss_increase", None] == pytest.approx(increase, abs=1e-5)
    assert ours["kl_divergence", None] == pytest.approx(theirs["kl_div_with_sae"], rel=1e-4)
    assert ours["kl_score", "zero_everywhere"] == pytest.approx(theirs["kl_div_score"], abs=1e-4)
    assert ours["ce_loss_score", "zero_everywhere"] == pytest.approx(theirs["ce_loss_score"], rel=1e-4, abs=1e-4)


def test_sparsity_and_cosine_agree_and_its_explained_variance_is_not_that_of_scikit_learn(task, network):
    from sklearn.metrics import r2_score

    (coder,), rows = task.conditions["a"], task.test_in
    measured = ReconstructionBenchmark().measure(replace(task, settings=ReconstructionSettings()))
    ours = {m.metric: m.observations[0].value for m in measured}
    theirs, _ = core.get_sparsity_and_variance_metrics(
        as_sae_bench_has_it(coder),
        network,
        Store(task.model.corpus().tokens),
        n_batches=1,
        compute_l2_norms=True,
        compute_sparsity_metrics=True,
        compute_variance_metrics=True,
        compute_featurewise_density_statistics=False,
        eval_batch_size_prompts=24,
        model_kwargs={},
        ignore_tokens={BEGIN},
    )
    for name, their_name in (("l0", "l0"), ("l1", "l1"), ("cosine", "cossim")):
        assert ours[name] == pytest.approx(theirs[their_name], rel=1e-5), name
    output = coder.reconstruct(rows, coder.encode(rows))
    true = r2_score(rows, output, multioutput="variance_weighted")
    assert ours["explained_variance"] == pytest.approx(true, abs=1e-5)
    assert abs(theirs["explained_variance"] - true) > 0.1
