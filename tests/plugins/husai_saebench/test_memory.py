"""What is kept of the model alone is what the model gives, and no run with a dictionary in it is ever kept."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig

from husai_saebench.official.memory import Memory

HOOK = "blocks.0.hook_resid_post"


def network():
    shape = {"n_layers": 2, "d_model": 8, "n_ctx": 6, "d_head": 4, "n_heads": 2, "d_vocab": 11, "act_fn": "relu"}
    with torch.random.fork_rng():  # TransformerLens seeds the global generator
        return HookedTransformer(HookedTransformerConfig(**shape, seed=0))


@pytest.fixture
def pair():
    """Two equal models; only the first remembers."""
    remembering, plain = network(), network()
    plain.load_state_dict(remembering.state_dict())
    return remembering, plain, Memory(remembering)


def tokens(start=0):
    return (torch.arange(12).view(2, 6) + start) % 11


def standard_zero_ablate_hook(activations, hook):
    return torch.zeros_like(activations)


def doubled(activations, hook):
    return 2 * activations


def both(pair, run):
    """The result of the model that remembers, twice, and of the one that does not."""
    return run(pair[0]), run(pair[0]), run(pair[1])


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_predictions_are_kept_and_are_those_of_the_model(pair):
    first, second, plain = both(pair, lambda m: m(tokens(), return_type="both", loss_per_token=True))
    assert equal(first, plain)
    assert equal(second, plain)
    assert pair[2].recalled == 1


def test_other_tokens_and_other_options_are_not_mistaken_for_the_same(pair):
    pair[0](tokens(), return_type="logits")
    for other in (
        lambda m: (m(tokens(1), return_type="logits"),),
        lambda m: (m(tokens().view(3, 4), return_type="logits"),),
        lambda m: (m(tokens(), return_type="loss").view(1),),
    ):
        assert equal(other(pair[0]), other(pair[1]))
    assert pair[2].recalled == 0


def test_zeros_at_the_hook_are_kept_and_a_reconstruction_never_is(pair):
    def zeroed(model):
        return (model.run_with_hooks(tokens(), fwd_hooks=[(HOOK, standard_zero_ablate_hook)], return_type="logits"),)

    def spliced(model):
        return (model.run_with_hooks(tokens(), fwd_hooks=[(HOOK, partial(doubled))], return_type="logits"),)

    for run in (spliced, zeroed, spliced):
        first, second, plain = both(pair, run)
        assert equal(first, plain)
        assert equal(second, plain)
    assert pair[2].recalled == 1
    assert not equal(zeroed(pair[0]), spliced(pair[0]))


def test_a_run_with_hooks_is_not_taken_for_a_clean_one_afterwards(pair):
    pair[0].run_with_hooks(tokens(), fwd_hooks=[(HOOK, partial(doubled))], return_type="logits")
    assert equal((pair[0](tokens(), return_type="logits"),), (pair[1](tokens(), return_type="logits"),))


def test_activations_are_kept(pair):
    def run(model):
        return (model.run_with_cache(tokens(), names_filter=[HOOK], stop_at_layer=1)[1][HOOK],)

    first, second, plain = both(pair, run)
    assert equal(first, plain)
    assert equal(second, plain)
    assert pair[2].recalled == 1


def test_without_room_everything_is_computed_anew_and_is_the_same():
    model = network()
    expected = model(tokens(), return_type="logits")
    memory = Memory(model, room=0)
    assert all(torch.equal(model(tokens(), return_type="logits"), expected) for _ in range(2))
    assert memory.recalled == 0
