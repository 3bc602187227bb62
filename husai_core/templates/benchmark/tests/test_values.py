"""What the contract cannot know: which value it has where the answer is obvious."""

from types import SimpleNamespace

import pytest
import torch

from husai_myplugin import MyPlugin, MyPluginSettings


class Copy:
    """A coder that loses nothing and mends nothing."""

    def encode(self, x):
        return x

    def reconstruct(self, x, latents):
        return latents

    def target(self, x, y):
        return y


@pytest.mark.parametrize(("noise", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_what_only_copies_recovers_all_but_the_noise(noise, expected):
    rows = torch.randn(4000, 8, generator=torch.Generator().manual_seed(1))
    task = SimpleNamespace(settings=MyPluginSettings(noise=noise), own_rows=lambda condition: (rows, rows))
    assert MyPlugin().value(Copy(), task, "sums.copy") == pytest.approx(expected, abs=0.05)


def test_a_negative_amount_of_noise_is_refused():
    with pytest.raises(ValueError, match="noise"):
        MyPluginSettings(noise=-1.0)
