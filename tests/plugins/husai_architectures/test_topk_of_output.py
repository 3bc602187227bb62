"""TopK of output is TopK of the site's last columns, and the transcoder it is matched with reads the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from husai_architectures.skip_transcoder import SkipTranscoder
from husai_architectures.topk import TopK
from husai_architectures.topk_of_output import TopKOfOutput
from husai_architectures.topk_transcoder import TopKTranscoder
from husai_core import Batch, Coder, Dims

SITE = (14, 24, 8)  # six columns of input, then eight of output


def plain(coder: Coder, family: type[TopK], width: int, **settings: object) -> Coder:
    """The same parameters at a site that reads `width` columns."""
    architecture = family()
    chosen = architecture.Settings(k=4, **settings)
    return replace(coder, architecture=architecture, settings=chosen, dims=Dims(width, 24, 8))


def same(coder: Coder, other: Coder, x: torch.Tensor, its_x: torch.Tensor, y: torch.Tensor) -> None:
    assert torch.equal(coder.encode(x), other.encode(its_x))
    assert torch.equal(coder.reconstruct(x, coder.encode(x)), other.reconstruct(its_x, other.encode(its_x)))
    dead = torch.arange(24) % 5 == 0
    losses = [c.architecture.loss(c.params, Batch(r, y, dead), c.settings) for c, r in ((coder, x), (other, its_x))]
    assert losses[0].keys() == losses[1].keys() == {"mse", "aux"}
    for name in losses[0]:
        assert torch.equal(losses[0][name], losses[1][name])


def test_it_is_topk_of_the_last_columns(coder_of, rows):
    x, coder = rows(30, 14), coder_of(family=TopKOfOutput, dims=SITE)
    assert torch.equal(coder.initial["W_enc"].T, coder.initial["W_dec"])
    same(coder, plain(coder, TopK, 8), x, x[:, 6:].contiguous(), x[:, 6:])


@pytest.mark.parametrize("family", [TopKTranscoder, SkipTranscoder])
def test_beside_the_output_a_transcoder_reads_what_stands_before_it(coder_of, rows, family):
    x, coder = rows(30, 14), coder_of(family=family, dims=SITE, beside_output=True)
    same(coder, plain(coder, family, 6), x, x[:, :6].contiguous(), x[:, 6:])
    whole = coder_of(family=family, dims=SITE)
    assert whole.params["W_enc"].shape == (14, 24)


@pytest.mark.parametrize(("family", "settings"), [(TopKOfOutput, {}), (TopKTranscoder, {"beside_output": True})])
def test_a_site_that_does_not_read_what_it_writes_is_refused(coder_of, family, settings):
    with pytest.raises(ValueError, match="list of hooks to read, the last of them the one it writes"):
        coder_of(family=family, dims=(8, 24, 8), **settings)
