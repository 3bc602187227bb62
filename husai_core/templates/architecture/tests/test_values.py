"""What the contract cannot know: which latents are kept, and how large they are."""

import torch

from husai_myplugin import MyPlugin, MyPluginSettings


def test_the_largest_latents_are_kept_and_the_others_are_zero():
    pre = torch.tensor([[3.0, -1.0, 2.0, 1.0], [-5.0, -1.0, -2.0, 0.5]])
    latents = MyPlugin().activation(pre, MyPluginSettings(k=2))
    assert latents.tolist() == [[3.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.5]]
