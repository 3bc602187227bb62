"""What is computed beside the official core: right in closed form, whatever the batches and the scale."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from husai_saebench.official.beside import Beside, watching


class Halves:
    """A dictionary that gives half of what it reads."""

    def __init__(self, width: int, rows: torch.Tensor | None = None) -> None:
        self.W_dec = torch.eye(width) if rows is None else rows

    def encode(self, x):
        return x

    def decode(self, x):
        return x / 2


def drawn(count: int, length: int, width: int, scale: float) -> torch.Tensor:
    return scale * torch.randn(count, length, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("scale", [1.0, 20.0, 100.0])
def test_half_of_centred_rows_explains_three_quarters_at_every_scale(scale):
    """The official code reads 0.18 to 1.02 there."""
    activations = drawn(8, 16, 6, scale)
    activations = torch.cat([activations, -activations])  # the mean is nothing
    beside = Beside(Halves(6))
    beside.add(torch.ones(16, 16, dtype=torch.long), activations, {None})
    values = beside.values()
    assert values["explained_variance"] == pytest.approx(0.75, abs=1e-9)
    assert values["mse"] == pytest.approx(float(activations.double().square().mean()) / 4, rel=1e-6)


def test_batches_do_not_matter_and_ignored_tokens_do_not_count():
    activations = drawn(6, 10, 4, 1.0) + 3
    tokens = torch.arange(60).reshape(6, 10) % 7
    activations[tokens == 3] = 1e6  # where BOS stands
    whole, parts = Beside(Halves(4)), Beside(Halves(4))
    whole.add(tokens, activations, {3, None})
    for n in range(6):
        parts.add(tokens[n : n + 1], activations[n : n + 1], {3, None})
    assert whole.values() == pytest.approx(parts.values())
    assert whole.digest == parts.digest
    assert (whole.rows, whole.contexts) == (int((tokens != 3).sum()), 6)
    rows = activations[tokens != 3].double()
    left = (rows / 2).square().sum()
    expected = 1 - left / (rows - rows.mean(0)).square().sum()
    assert whole.values()["explained_variance"] == pytest.approx(float(expected), abs=1e-9)


def test_the_longest_way_from_length_one_is_told():
    beside = Beside(Halves(2, torch.tensor([[1.0, 0.0], [0.0, 0.5]])))
    beside.add(torch.ones(1, 4, dtype=torch.long), drawn(1, 4, 2, 1.0), set())
    assert beside.values()["saebench_decoder_norm_error"] == pytest.approx(0.5)


def test_watching_sees_what_the_official_code_reads_and_leaves_it_as_it_was():
    activations, tokens = drawn(2, 3, 4, 1.0), torch.ones(2, 3, dtype=torch.long)

    class Model:
        def run_with_cache(self, tokens, **options):
            return None, {"hook": activations}

    def metrics(sae, model, *, ignore_tokens):
        return model.run_with_cache(tokens)

    main, model = SimpleNamespace(get_sparsity_and_variance_metrics=metrics), Model()
    sae = Halves(4)
    sae.cfg = SimpleNamespace(hook_name="hook")
    beside = Beside(sae)
    with watching(main, beside):
        main.get_sparsity_and_variance_metrics(sae, model, ignore_tokens=set())
    assert beside.rows == 6
    assert main.get_sparsity_and_variance_metrics is metrics
    assert "run_with_cache" not in vars(model)
