"""Fixed bases: exact where there is room, scikit-learn's where there is less, and one and the same for every seed."""

from __future__ import annotations

import itertools

import pytest
import torch

from husai_architectures.batch_topk import BatchTopK
from husai_architectures.gated import Gated
from husai_architectures.jumprelu import JumpRelu
from husai_architectures.relu import Relu
from husai_architectures.skip_transcoder import SkipTranscoder
from husai_architectures.topk import TopK
from husai_controls.identity import Identity
from husai_controls.moments import moments
from husai_controls.pca import Pca
from husai_core import Coder, EvaluationError
from husai_metrics.pwmcc import PWMCC

WIDTH = 12
BASES = pytest.mark.parametrize("control", [Identity(), Pca()], ids=lambda control: control.name)


@pytest.fixture
def activations(rows):
    """Correlated rows far from zero."""
    return rows(500, WIDTH) @ rows(WIDTH, WIDTH, 1) + 5 * rows(1, WIDTH, 2)


def fitted(control, base, x) -> Coder:
    params = control.fit(base, x, control.Settings(), torch.Generator().manual_seed(base.seed))
    return Coder(base.architecture, base.settings, base.dims, base.seed, params, base.initial)


def explained(coder: Coder, x: torch.Tensor) -> float:
    residual = coder.reconstruct(x, coder.encode(x)) - x
    return 1 - float(residual.square().sum() / (x - x.mean(0)).square().sum())


@BASES
@pytest.mark.parametrize("family", [TopK, BatchTopK, Relu, JumpRelu, Gated])
@pytest.mark.parametrize("subtracts", [True, False])
def test_with_room_for_everything_nothing_is_lost(control, family, subtracts, coder_of, activations):
    settings = {"k": WIDTH} if issubclass(family, TopK) else {}
    base = coder_of(dims=(WIDTH, 2 * WIDTH + 5, WIDTH), family=family, apply_b_dec_to_input=subtracts, **settings)
    made = fitted(control, base, activations)
    latents = made.encode(activations)
    assert {k: v.shape for k, v in made.params.items()} == {k: v.shape for k, v in base.params.items()}
    assert explained(made, activations) == pytest.approx(1, abs=1e-5)
    assert int((latents != 0).sum(-1).max()) <= WIDTH
    assert not (latents[:, 2 * WIDTH :] != 0).any(), "latents without a direction are dead"
    torch.testing.assert_close(made.params["W_dec"].norm(dim=-1), torch.ones(2 * WIDTH + 5))


@pytest.mark.parametrize("components", [1, 3, 7])
def test_pca_explains_what_scikit_learn_explains(components, coder_of, activations):
    from sklearn.decomposition import PCA

    base = coder_of(dims=(WIDTH, 2 * components + 1, WIDTH), family=Relu)
    expected = PCA(components, svd_solver="full").fit(activations.double().numpy())
    made = fitted(Pca(), base, activations)
    assert explained(made, activations) == pytest.approx(expected.explained_variance_ratio_.sum(), abs=1e-5)
    cosines = made.params["W_dec"][0 : 2 * components : 2].double() @ torch.from_numpy(expected.components_).T
    torch.testing.assert_close(cosines.abs(), torch.eye(components, dtype=torch.double), atol=1e-4, rtol=0)


def test_pca_under_a_small_k_explains_less(coder_of, activations):
    scores = [
        explained(fitted(Pca(), coder_of(dims=(WIDTH, 2 * WIDTH, WIDTH), k=k), activations), activations)
        for k in (1, 4, WIDTH)
    ]
    assert scores == sorted(scores)
    assert scores[0] < 0.9 < scores[-1]


def test_a_narrow_identity_keeps_the_coordinates_that_vary_most(coder_of, activations):
    variances = activations.double().var(0, correction=0).sort(descending=True)
    made = fitted(Identity(), coder_of(dims=(WIDTH, 6, WIDTH), family=Relu), activations)
    assert made.params["W_dec"].abs().argmax(-1)[::2].tolist() == variances.indices[:3].tolist()
    share = float(variances.values[:3].sum() / variances.values.sum())
    assert explained(made, activations) == pytest.approx(share, abs=1e-5)


def of_sae_lens(family, mean, **settings) -> Coder:
    pytest.importorskip("sae_lens")
    from husai_core import Dims
    from husai_core.plugins import PluginTable

    architecture = PluginTable().get("architectures", "sae_lens", "a test").item
    chosen, dims = architecture.Settings(family=family, **settings), Dims(WIDTH, 2 * WIDTH + 5, WIDTH)
    start = architecture.initialise(dims, chosen, torch.Generator().manual_seed(1), mean)
    return Coder(architecture, chosen, dims, 1, start, start)


@pytest.mark.peers
@BASES
@pytest.mark.parametrize(
    ("family", "settings"), [("standard", {}), ("topk", {"k": WIDTH}), ("jumprelu", {}), ("gated", {})]
)
def test_families_of_sae_lens_take_a_fixed_basis_too(control, family, settings, activations):
    made = fitted(control, of_sae_lens(family, activations.mean(0), **settings), activations)
    assert explained(made, activations) == pytest.approx(1, abs=1e-5)


@pytest.mark.peers
@BASES
def test_a_threshold_that_only_training_finds_is_refused(control, activations):
    with pytest.raises(EvaluationError, match="leave this control out"):
        fitted(control, of_sae_lens("batchtopk", activations.mean(0), k=4), activations)


@BASES
def test_every_seed_has_the_same_one(control, coder_of, activations):
    one, other = (fitted(control, coder_of(seed, dims=(WIDTH, 30, WIDTH)), activations) for seed in (1, 2))
    assert control.deterministic
    assert all(torch.equal(one.params[k], other.params[k]) for k in one.params)
    assert PWMCC().compare(one.dictionary(), other.dictionary()) == pytest.approx(1, abs=1e-6)


@BASES
def test_rows_and_base_are_left_as_they_were(control, coder_of, activations):
    base, before = coder_of(dims=(WIDTH, 30, WIDTH)), activations.clone()
    params = {k: v.clone() for k, v in base.params.items()}
    for tensor in fitted(control, base, activations).params.values():
        tensor.fill_(7)
    assert torch.equal(activations, before)
    assert all(torch.equal(base.params[k], v) for k, v in params.items())


@BASES
def test_a_parameter_that_nobody_knows_is_refused(control, coder_of, activations):
    base = coder_of(dims=(WIDTH, 30, WIDTH), family=SkipTranscoder)
    with pytest.raises(EvaluationError, match=r"W_skip of 'skip_transcoder'.*leave this control out"):
        fitted(control, base, activations)


@BASES
def test_a_dictionary_without_room_for_two_signs_is_refused(control, coder_of, activations):
    with pytest.raises(EvaluationError, match="no room"):
        fitted(control, coder_of(dims=(WIDTH, 1, WIDTH), k=1), activations)


def test_moments_keep_their_digits_beside_a_large_mean_and_across_slices(rows, monkeypatch):
    from husai_controls import moments as module

    x, y = rows(700, 5).double() + 1e6, rows(700, 3, 1).double()
    both = torch.cat([x, y], -1)
    expected = torch.cov(both.T, correction=0)
    for size in (64, 4096):
        monkeypatch.setattr(module, "SLICE_ROWS", size)
        mean, covariance = moments(x, y)
        torch.testing.assert_close(mean, both.mean(0))
        torch.testing.assert_close(covariance, expected, rtol=1e-7, atol=1e-9)
    assert all(covariance[i, j] == covariance[j, i] for i, j in itertools.combinations(range(8), 2))
