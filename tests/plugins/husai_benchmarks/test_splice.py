"""What is spliced in changes the prediction exactly as a run of the whole network with hooks says."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from husai_architectures.route import Route
from husai_architectures.topk_transcoder import TopKTranscoder
from husai_benchmarks.splice import Splice, SpliceSettings, husai_metrics
from husai_benchmarks.upper_layers import UpperLayers
from husai_core import Coder, Corpus, Dims, EvaluationError, Skipped, Task
from husai_core.site import Site, hooks_of

LENGTH, WIDTH, WORDS = 7, 8, 11
POSITIONS = (2, 3, 4, 5, 6)  # of the first two nothing is read
ROWS = 140  # more than one call of the network takes


@dataclass
class Reader:
    """A network and its corpus, as the engine hands them to a benchmark."""

    whole: Any
    rows: Corpus
    predicts_next: bool = True

    def network(self) -> Any:
        return self.whole

    def corpus(self) -> Corpus:
        return self.rows

    def read(self, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError

    def tokens(self, *arguments: Any) -> Any:
        raise NotImplementedError


def network_of(positions: str = "standard") -> Any:
    """A network without training, sure enough of itself that something can be lost."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    shape = HookedTransformerConfig(
        n_layers=3, d_model=WIDTH, n_heads=2, d_head=4, d_mlp=16, n_ctx=LENGTH, d_vocab=WORDS, act_fn="relu",
        normalization_type="LN", device="cpu", init_mode="gpt2", initializer_range=0.5,
        positional_embedding_type=positions,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        network = HookedTransformer(shape).eval()
        network.unembed.W_U.mul_(3)
    return network


@pytest.fixture(scope="module")
def reader() -> Reader:
    """A network and text that it wrote itself and so predicts."""
    network, generator = network_of(), torch.Generator().manual_seed(0)
    tokens = torch.randint(WORDS, (ROWS + 10, 1), generator=generator)
    with torch.no_grad():
        while tokens.shape[1] < LENGTH:
            tokens = torch.cat([tokens, network(tokens)[:, -1].softmax(-1).multinomial(1, generator=generator)], 1)
    return Reader(network, Corpus(tokens, POSITIONS, torch.arange(ROWS, ROWS + 10), torch.arange(ROWS)))


def task_at(reader: Reader, hook_in: Any, hook_out: Any, conditions: dict[str, list[Coder]], **settings: int) -> Task:
    hooks = {*hooks_of(hook_in), *hooks_of(hook_out)}
    tokens = reader.rows.tokens[reader.rows.test]
    with torch.no_grad():
        _, shown = reader.whole.run_with_cache(tokens, names_filter=list(hooks))
    rows = {h: shown[h][:, list(POSITIONS)].flatten(0, 1).flatten(1) for h in hooks}
    test_in, test_out = (torch.cat([rows[h] for h in hooks_of(side)], -1) for side in (hook_in, hook_out))
    site = Site("s", "m", hook_in, hook_out)
    chosen = SpliceSettings(**({"tokens": 10_000} | settings))
    return Task(site, conditions, test_in, test_out, husai_metrics(), chosen, lambda f, n: None, reader=reader)


def by_hand(task: Task, coder: Coder, replace_with: Any = None, everywhere: bool = False) -> tuple[float, float, float]:
    """Loss, divergence and clean loss from runs of the whole network, each with hooks that see the whole activation."""
    network, tokens = task.model.network(), task.model.corpus().tokens[task.model.corpus().test]
    hook_in, hook_out = task.site.hook_in, task.site.hook_out
    seen: dict[str, torch.Tensor] = {}

    def look(activation: torch.Tensor, hook: Any) -> None:
        seen["in"] = activation

    def write(activation: torch.Tensor, hook: Any) -> torch.Tensor:
        if everywhere:
            return torch.zeros_like(activation)
        x = seen["in"].flatten(2) if hook_in != hook_out else activation.flatten(2)
        made = coder.reconstruct(x, coder.encode(x)) if replace_with is None else replace_with(activation.flatten(2))
        out = activation.clone()
        out[:, 2:] = made.reshape(activation.shape)[:, 2:]
        return out

    with torch.no_grad():
        clean = network(tokens).log_softmax(-1)
        hooks = [(hook_out, write)] if hook_in == hook_out else [(hook_in, look), (hook_out, write)]
        found = network.run_with_hooks(tokens, fwd_hooks=hooks).log_softmax(-1)
    targets = tokens[:, 3:, None]
    loss, without = (float(-p[:, 2:-1].gather(2, targets).mean()) for p in (found, clean))
    divergence = float(
        torch.nn.functional.kl_div(found, clean, log_target=True, reduction="none")[:, 2:].sum(-1).mean()
    )
    return loss, divergence, without


def values(task: Task) -> dict[tuple[str, str, str], list[float]]:
    return {
        (m.condition, m.metric, str(m.setting.get("against", ""))): [o.value for o in m.observations]
        for m in Splice().measure(task)
    }


SITES = {
    "residual": ("blocks.1.hook_resid_post", "blocks.1.hook_resid_post"),
    "last residual": ("blocks.2.hook_resid_post", "blocks.2.hook_resid_post"),
    "before": ("blocks.1.hook_resid_pre", "blocks.1.hook_resid_pre"),
    "middle": ("blocks.1.hook_resid_mid", "blocks.1.hook_resid_mid"),
    "mlp": ("blocks.1.hook_mlp_out", "blocks.1.hook_mlp_out"),
    "heads": ("blocks.1.attn.hook_z", "blocks.1.attn.hook_z"),
    "embedding": ("hook_embed", "hook_embed"),
    "normalised": ("ln_final.hook_normalized", "ln_final.hook_normalized"),
    "transcoder": ("blocks.1.ln2.hook_normalized", "blocks.1.hook_mlp_out"),
    "from below": ("blocks.0.hook_resid_pre", "blocks.2.hook_mlp_out"),
}


@pytest.mark.parametrize("name", SITES)
def test_numbers_are_those_of_the_whole_network_with_hooks(reader, coder_of, name):
    hook_in, hook_out = SITES[name]
    family = {"family": TopKTranscoder} if hook_in != hook_out else {}
    coders = [coder_of(seed, **family) for seed in (3, 5)]
    task = task_at(reader, hook_in, hook_out, {"a": coders})
    found = values(task)
    mean = task.test_out.mean(0)
    for place, coder in enumerate(coders):
        loss, divergence, clean = by_hand(task, coder)
        assert found["a", "ce_loss", ""][place] == pytest.approx(loss, abs=1e-5)
        assert found["a", "ce_loss_increase", ""][place] == pytest.approx(loss - clean, abs=1e-5)
        assert found["a", "kl_divergence", ""][place] == pytest.approx(divergence, abs=1e-5)
        for against, made in (
            ("zero", torch.zeros_like),
            ("mean", lambda activation: mean.expand_as(activation)),
            ("zero_everywhere", None),
        ):
            worst, furthest, _ = by_hand(task, coder, made, everywhere=made is None)
            if worst > clean:
                expected = (worst - loss) / (worst - clean)
                assert found["a", "ce_loss_score", against][place] == pytest.approx(expected, rel=1e-4, abs=1e-4)
            assert found["a", "kl_score", against][place] == pytest.approx(
                (furthest - divergence) / furthest, rel=1e-4, abs=1e-4
            )


def exact(width: int, scale: float) -> Coder:
    """Reconstructs `scale` times every row."""
    architecture = TopKTranscoder()
    identity = torch.eye(width)
    params = {
        "W_enc": torch.cat([identity, -identity], 1),
        "b_enc": torch.zeros(2 * width),
        "W_dec": scale * torch.cat([identity, -identity]),
        "b_dec": torch.zeros(width),
    }
    settings = architecture.Settings(k=2 * width)
    return Coder(architecture, settings, Dims(width, 2 * width, width), 0, params, None)


def test_a_perfect_reconstruction_scores_one_and_none_scores_zero(reader):
    hook = "blocks.1.hook_resid_post"
    found = values(task_at(reader, hook, hook, {"perfect": [exact(WIDTH, 1)], "nothing": [exact(WIDTH, 0)]}))
    for metric in ("ce_loss_score", "kl_score"):
        for against in ("zero", "mean", "zero_everywhere"):
            assert found["perfect", metric, against] == pytest.approx([1.0], abs=1e-6)
        assert found["nothing", metric, "zero"] == pytest.approx([0.0], abs=1e-6)
    assert found["perfect", "kl_divergence", ""] == pytest.approx([0.0], abs=1e-6)
    assert found["perfect", "kl_divergence", ""][0] >= 0
    assert found["perfect", "ce_loss_increase", ""] == pytest.approx([0.0], abs=1e-6)


def test_the_lower_layers_and_the_ablations_run_once_for_all_subjects(reader, coder_of, monkeypatch):
    ran = [0, 0, 0]
    for number, block in enumerate(reader.whole.blocks):
        true = block.forward

        def count(*arguments, true=true, number=number, **options):
            ran[number] += 1
            return true(*arguments, **options)

        monkeypatch.setattr(block, "forward", count)
    hook = "blocks.1.hook_resid_post"
    task = task_at(reader, hook, hook, {"a": [coder_of(s) for s in (1, 2)], "b": [coder_of(3)]}, tokens=100)
    ran[:] = [0, 0, 0]
    list(Splice().measure(task))
    assert ran == [1, 1, 1 + 3 + 3]


def test_only_as_many_tokens_are_read_as_asked_for_and_in_any_batches_the_same(reader, coder_of, monkeypatch):
    hook = "blocks.0.hook_mlp_out"
    task = task_at(reader, hook, hook, {"a": [coder_of()]})
    whole = values(task)
    monkeypatch.setattr("husai_benchmarks.splice.TOKENS_AT_ONCE", 30 * LENGTH)
    sliced = values(task)
    for key, found in whole.items():
        assert found == pytest.approx(sliced[key], rel=1e-5, abs=1e-5), key
    names: list[str] = []
    few = replace(
        task, settings=SpliceSettings(50 * LENGTH + 1), kept=lambda name, work: (names.append(name), work())[1]
    )
    assert values(few)["a", "ce_loss", ""] != pytest.approx(whole["a", "ce_loss", ""], abs=1e-6)
    assert names == ["a, rows from 0", "a, rows from 30"]


def test_several_hook_points_are_written_together(reader, coder_of):
    hooks = ("blocks.1.attn.hook_z", "blocks.2.hook_mlp_out")
    coder = coder_of(dims=(2 * WIDTH, 24, 2 * WIDTH))
    task = task_at(reader, hooks, hooks, {"a": [coder]})
    output = coder.reconstruct(task.test_in, coder.encode(task.test_in))
    tokens = reader.rows.tokens[reader.rows.test]

    def write(activation, hook):
        part = output[:, :WIDTH] if hook.name == hooks[0] else output[:, WIDTH:]
        out = activation.clone()
        out[:, 2:] = part.reshape(out[:, 2:].shape)
        return out

    with torch.no_grad():
        logits = reader.whole.run_with_hooks(tokens, fwd_hooks=[(h, write) for h in hooks])
    expected = torch.nn.functional.cross_entropy(logits[:, 2:-1].flatten(0, 1), tokens[:, 3:].flatten())
    assert values(task)["a", "ce_loss", ""] == pytest.approx([float(expected)], abs=1e-5)


def test_blocks_that_read_the_positions_themselves_are_run_from_the_tokens(reader):
    layers = UpperLayers(network_of("shortformer"), ["blocks.1.hook_resid_post"])
    with torch.no_grad():
        clean = layers.clean(reader.rows.tokens[:2])
        assert torch.equal(layers.logits(clean, dict(clean.shown)), clean.logits)


def test_a_score_is_left_out_where_the_ablation_does_no_harm(reader, coder_of, monkeypatch):
    with torch.no_grad():
        shuffled = reader.rows.tokens[:, torch.randperm(LENGTH, generator=torch.Generator().manual_seed(1))]
    unknown = replace(reader, rows=replace(reader.rows, tokens=shuffled))
    hook = "blocks.2.hook_resid_post"
    task = task_at(unknown, hook, hook, {"a": [coder_of()]})
    scores = {against for _, metric, against in values(task) if metric == "ce_loss_score"}
    assert "zero" not in scores  # without anything to read the network is modest, and so less wrong
    assert {against for _, metric, against in values(task) if metric == "kl_score"} == {
        "zero", "mean", "zero_everywhere"
    }  # fmt: skip


def test_a_control_of_another_network_is_spliced_into_that_one(reader, coder_of):
    hook = "blocks.1.hook_resid_post"
    other = replace(reader, whole=network_of("rotary"))
    task, there = (task_at(r, hook, hook, {"a": [coder_of()]}) for r in (reader, other))
    both = replace(
        task,
        conditions={"a": task.conditions["a"], "a.random_model": there.conditions["a"]},
        own={"a.random_model": (there.test_in, there.test_out)},
        own_readers={"a.random_model": other},
    )
    found = values(both)
    for condition, alone in (("a", task), ("a.random_model", there)):
        for (_, metric, against), expected in values(alone).items():
            assert found[condition, metric, against] == expected
    assert found["a", "ce_loss", ""] != found["a.random_model", "ce_loss", ""]


def test_what_predicts_nothing_is_skipped_and_what_cannot_be_spliced_is_left_out(reader, coder_of):
    hook = "blocks.1.hook_resid_post"
    task = task_at(reader, hook, hook, {"a": [coder_of()]})
    with pytest.raises(Skipped, match="the model 'm' predicts no next token"):
        next(Splice().measure(replace(task, reader=replace(reader, predicts_next=False))))
    routed = coder_of(family=Route, dims=(2 * WIDTH, 24, WIDTH))
    assert {condition for condition, *_ in values(replace(task, conditions={**task.conditions, "b": [routed]}))} == {
        "a"
    }
    with pytest.raises(Skipped, match="every dictionary here chooses what it reconstructs"):
        next(Splice().measure(replace(task, conditions={"b": [routed]})))
    last = replace(reader, rows=replace(reader.rows, positions=(LENGTH - 1,)))
    with pytest.raises(Skipped, match="no token stands after it"):
        next(Splice().measure(replace(task, reader=last)))


def test_rows_of_another_order_and_exploded_weights_are_refused(reader, coder_of):
    hook = "blocks.1.hook_resid_post"
    task = task_at(reader, hook, hook, {"a": [coder_of()]})
    with pytest.raises(EvaluationError, match="activations are off from the stored ones"):
        next(Splice().measure(replace(task, test_out=task.test_out.flip(0))))
    task.conditions["a"][0].params["W_dec"].fill_(float("inf"))
    with pytest.raises(EvaluationError, match="its reconstruction is not finite"):
        next(Splice().measure(task))
    none = replace(reader, rows=replace(reader.rows, test=torch.arange(0)))
    with pytest.raises(EvaluationError, match="no test rows"):
        next(Splice().measure(replace(task, reader=none)))
    with pytest.raises(ValueError, match="tokens must be at least 1"):
        SpliceSettings(0)
