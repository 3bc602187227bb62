"""What the contract cannot know: which value it has where the answer is obvious."""

import torch

from husai_core import Reconstruction
from husai_myplugin import MyPlugin


def test_half_of_the_rows_are_reconstructed_well():
    target = torch.tensor([[3.0, 4.0], [3.0, 4.0]])
    output = torch.tensor([[3.0, 3.0], [0.0, 4.0]])  # squared errors of 1 and 9; the limit is 2.5
    batch = Reconstruction(target, torch.zeros(2, 3), output)
    metric = MyPlugin()
    assert metric.finish(metric.update(None, batch)) == 0.5


def test_slices_count_as_the_whole_does():
    target, output = torch.eye(4), torch.eye(4)
    output[3] = 0
    metric, state = MyPlugin(), None
    for rows in (slice(0, 1), slice(1, 4)):
        state = metric.update(state, Reconstruction(target[rows], torch.zeros(4, 3)[rows], output[rows]))
    assert metric.finish(state) == 0.75
