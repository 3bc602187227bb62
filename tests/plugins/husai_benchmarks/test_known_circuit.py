"""Known circuit: a planted circuit scores 1, shuffled rows score chance, and a model without one is skipped."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from husai_architectures.relu import Relu
from husai_benchmarks.known_circuit import KnownCircuit, KnownCircuitSettings, husai_benchmarks
from husai_core import Coder, Dims, EvaluationError, Skipped, Task
from husai_core.model import Known
from husai_core.site import Site

P = 11
FREQUENCIES = (1, 2, 3, 4, 5)


def circuit(numbers: torch.Tensor, frequencies=FREQUENCIES) -> torch.Tensor:
    """One plus cosine and sine of every frequency: nothing of it is below zero."""
    angles = 2 * math.pi / P * numbers.unsqueeze(1) * torch.tensor(frequencies)
    return 1 + torch.cat([angles.cos(), angles.sin()], 1)


def identity(seed: int = 0, scale: float = 1.0) -> Coder:
    """Latent i is input i."""
    eye, zero = torch.eye(10), torch.zeros(10)
    params = {"W_enc": scale * eye, "b_enc": zero, "W_dec": eye, "b_dec": zero}
    return Coder(Relu(), Relu.Settings(), Dims(10, 10, 10), seed, params, None)


@pytest.fixture
def task():
    pairs = torch.cartesian_prod(torch.arange(P), torch.arange(P))
    a, b = pairs.unbind(1)
    embedding = circuit(torch.arange(P), (1, 2))
    known = Known({"a": a, "b": b, "sum": (a + b) % P}, {"embedding": embedding})
    rows, heard = circuit((a + b) % P), []
    yield Task(
        Site("s", "m", "h", "h"),
        {"planted": [identity(1), identity(2)]},
        rows,
        rows,
        [],
        KnownCircuitSettings(frequencies=2),
        lambda fraction, note: heard.append(fraction),
        lambda: known,
    )
    assert all(0 <= fraction <= 1 for fraction in heard)


def _measured(task: Task):
    return {(m.metric, m.condition, *m.setting.values()): m for m in KnownCircuit().measure(task)}


def test_the_module_offers_it():
    assert [b.name for b in husai_benchmarks()] == ["known_circuit"]


def test_a_planted_circuit_is_found_where_it_is_and_nowhere_else(task):
    found = _measured(task)
    values = {key: m.observations[0].value for key, m in found.items()}
    assert values["fourier_model", "planted", "embedding", "number"] == pytest.approx(1)
    assert values["fourier_model", "planted", "activations", "sum"] == pytest.approx(2 / 5)  # five equal frequencies
    assert values["fourier_model", "planted", "activations", "a"] == pytest.approx(0, abs=1e-9)
    assert values["fourier_latents", "planted", "sum"] == pytest.approx(1)
    assert values["fourier_latents", "planted", "b"] == pytest.approx(0, abs=1e-9)
    assert values["fourier_output", "planted", "sum"] == pytest.approx(2 / 5)
    assert len(values) == 2 * (4 + 3 + 3)
    for measurement in found.values():
        assert [o.seeds for o in measurement.observations] == [(1,), (2,)]
    assert 2 / 5 < values["fourier_model", "planted", "embedding", "number", "shuffled"] < 0.9
    assert 0 < values["fourier_latents", "planted", "sum", "shuffled"] < 0.1


def test_the_output_is_what_the_decoder_writes(task):
    half = identity()
    half.params["W_dec"] = torch.eye(10) * torch.tensor([1.0, 1, 0, 0, 0] * 2)  # frequencies 1 and 2 alone
    found = _measured(replace(task, conditions={"half": [half]}))
    assert found["fourier_output", "half", "sum"].observations[0].value == pytest.approx(1)


def test_a_dictionary_of_another_network_is_measured_on_its_own_rows(task, rows):
    noise = rows(P * P, 10, 3)
    conditions = {**task.conditions, "random": [identity(1)]}
    found = _measured(replace(task, conditions=conditions, own={"random": (noise, noise)}))
    assert ("fourier_model", "random", "embedding", "number") not in found
    assert found["fourier_model", "random", "activations", "sum"].observations[0].value < 0.2
    assert found["fourier_latents", "random", "sum"].observations[0].value < 0.2
    assert found["fourier_latents", "planted", "sum"].observations[0].value == pytest.approx(1)


def test_without_the_numbers_a_dictionary_scores_chance(task):
    """The floor: the same latents, on rows whose labels were drawn from a hat."""
    order = torch.randperm(P * P, generator=torch.Generator().manual_seed(5))
    known = task.known()
    shuffled = Known({name: label[order] for name, label in known.labels.items()}, known.tables)
    found = _measured(replace(task, known=lambda: shuffled))
    for metric in ("fourier_latents", "fourier_output"):
        one, floor = (found[metric, "planted", "sum", *rows].observations[0].value for rows in ((), ("shuffled",)))
        assert one == pytest.approx(floor, abs=0.05)


def test_slices_do_not_matter(task):
    whole = _measured(task)
    sliced = _measured(replace(task, settings=KnownCircuitSettings(frequencies=2, rows_per_slice=7)))
    for key, measurement in whole.items():
        assert sliced[key].observations[0].value == pytest.approx(measurement.observations[0].value)


def test_the_model_is_the_same_for_every_dictionary_and_latents_are_not(task, coder_of):
    found = _measured(replace(task, conditions={**task.conditions, "random": [coder_of(3, dims=(10, 10, 10), k=2)]}))
    model = {m.observations[0].value for k, m in found.items() if k[0] == "fourier_model" and k[-1] == "sum"}
    assert len(model) == 1
    random, planted = (found["fourier_latents", c, "sum"].observations[0].value for c in ("random", "planted"))
    assert random < planted - 0.2


def test_what_cannot_be_measured_is_refused_or_skipped(task):
    with pytest.raises(EvaluationError, match="planted, seed 0: no latent varies"):
        _measured(replace(task, conditions={"planted": [identity(0, scale=0.0)]}))
    with pytest.raises(Skipped, match="the model 'm' gives no table 'embedding'"):
        _measured(replace(task, known=Known))
    exploded = identity()
    exploded.params["W_dec"].fill_(float("inf"))
    with pytest.raises(EvaluationError, match="values that are not finite"):
        _measured(replace(task, conditions={"planted": [exploded]}))
    for name in ("frequencies", "shuffles", "rows_per_slice"):
        with pytest.raises(ValueError, match=name):
            KnownCircuitSettings(**{name: 0})
