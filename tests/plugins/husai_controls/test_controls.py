"""Controls leave their base untouched and score what they say they score."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from husai_controls.random_decoder import RandomDecoder
from husai_controls.random_decoder import husai_controls as random_hook
from husai_controls.untrained import Untrained
from husai_controls.untrained import husai_controls as untrained_hook
from husai_metrics.decoder_movement import CosineToInitial
from husai_metrics.pwmcc import PWMCC

CONTROLS = pytest.mark.parametrize("control", [Untrained(), RandomDecoder()])


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_modules_offer_them():
    assert [c.name for c in (*untrained_hook(), *random_hook())] == ["untrained", "random_decoder"]


@CONTROLS
def test_the_base_is_untouched_and_shares_no_storage(control, coder_of):
    base = coder_of()
    before = {k: v.clone() for k, v in (*base.params.items(),)}
    start = {k: v.clone() for k, v in base.initial.items()}
    made = control.make(base, control.Settings(), generator(1))
    for tensor in made.values():
        tensor.fill_(7)
    assert all(torch.equal(before[k], base.params[k]) for k in before)
    assert all(torch.equal(start[k], base.initial[k]) for k in start)


@CONTROLS
def test_same_seed_same_control_and_same_shapes(control, coder_of):
    base = coder_of()
    first, again = (control.make(base, control.Settings(), generator(5)) for _ in range(2))
    assert first.keys() == base.params.keys()
    for name in first:
        assert first[name].shape == base.params[name].shape
        assert torch.equal(first[name], again[name])


def test_untrained_has_not_moved(coder_of):
    base = coder_of()
    made = Untrained().make(base, Untrained.Settings(), generator(0))
    assert CosineToInitial().of(replace(base, params=made)) == pytest.approx(1, abs=1e-6)
    assert CosineToInitial().of(base) < 0.99


def test_random_decoder_replaces_the_directions_only(coder_of, rows):
    base = coder_of(dims=(8, 400, 8))
    made = RandomDecoder().make(base, RandomDecoder.Settings(), generator(2))
    assert all(torch.equal(made[k], base.params[k]) for k in ("W_enc", "b_enc", "b_dec"))
    torch.testing.assert_close(made["W_dec"].norm(dim=-1), torch.ones(400))
    assert abs(CosineToInitial().of(replace(base, params=made))) < 0.1
    x = rows(20, 8)
    assert torch.equal(replace(base, params=made).encode(x), base.encode(x))


def test_random_decoders_meet_at_chance(coder_of):
    base, metric = coder_of(dims=(32, 256, 32)), PWMCC()
    first, second = (RandomDecoder().make(base, None, generator(s))["W_dec"] for s in (1, 2))
    assert metric.compare(first, second) == pytest.approx(metric.chance(256, 32), abs=0.01)


def test_a_coder_without_a_known_start_has_random_directions_and_no_untrained_self(coder_of):
    pretrained = replace(coder_of(), initial=None)
    assert Untrained.needs_initial
    assert not RandomDecoder.needs_initial
    assert RandomDecoder().make(pretrained, RandomDecoder.Settings(), generator(1)).keys() == pretrained.params.keys()
    with pytest.raises(ValueError, match="no initial weights"):
        Untrained().make(pretrained, Untrained.Settings(), generator(1))
