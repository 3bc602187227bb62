"""Products by oneDNN are those of torch, forwards and backwards, and nothing is left behind."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from husai_core.kernels import products  # noqa: E402

WIDE = {"x": (512, 128), "w": (128, 1024)}


@pytest.fixture
def _onednn(monkeypatch):
    """As on a processor where they are quicker, whichever this one is."""
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(products, "_favours_onednn", lambda: True)


def _drawn(*shape: int, seed: int = 0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


CASES = {
    "mm": lambda: _drawn(512, 128) @ _drawn(128, 1024, seed=1),
    "mm of transposed": lambda: _drawn(512, 512).T @ _drawn(1024, 512, seed=1).T,
    "mm that is small": lambda: _drawn(8, 8) @ _drawn(8, 8, seed=1),
    "mm in float64": lambda: _drawn(512, 128).double() @ _drawn(128, 1024, seed=1).double(),
    "linear": lambda: torch.nn.functional.linear(
        _drawn(4, 127, 576), _drawn(1536, 576, seed=1), _drawn(1536, seed=2)
    ),
    "addmm of a matrix": lambda: torch.addmm(_drawn(512, 1024), _drawn(512, 128), _drawn(128, 1024, seed=1)),
    "addmm of a column": lambda: torch.addmm(_drawn(1024, 1), _drawn(1024, 128), _drawn(128, 1024, seed=1)),
    "addmm scaled": lambda: torch.addmm(
        _drawn(1024), _drawn(512, 128), _drawn(128, 1024, seed=1), beta=0.5, alpha=2
    ),
    "bmm": lambda: _drawn(3, 512, 128) @ _drawn(3, 128, 1024, seed=1),
    "bmm that is small": lambda: _drawn(3, 8, 8) @ _drawn(3, 8, 8, seed=1),
    "bmm of none": lambda: _drawn(0, 512, 128) @ _drawn(0, 128, 1024, seed=1),
    "baddbmm of rows": lambda: torch.baddbmm(
        _drawn(3, 1, 1024), _drawn(1, 512, 128).expand(3, -1, -1), _drawn(3, 128, 1024, seed=1)
    ),
    "baddbmm of one row": lambda: torch.baddbmm(
        _drawn(1024), _drawn(3, 512, 128), _drawn(3, 128, 1024, seed=1)
    ),
    "baddbmm of matrices": lambda: torch.baddbmm(
        _drawn(3, 512, 1024), _drawn(3, 512, 128), _drawn(3, 128, 1024, seed=1)
    ),
}  # fmt: skip


@pytest.mark.usefixtures("_onednn")
@pytest.mark.parametrize("case", CASES)
def test_a_product_is_that_of_torch(case):
    expected = CASES[case]()
    with products.quick_products() as whose:
        found = CASES[case]()
    assert whose == "oneDNN"
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.usefixtures("_onednn")
def test_large_products_go_to_onednn_and_small_ones_do_not(monkeypatch):
    seen = []
    through = products._product
    monkeypatch.setattr(products, "_product", lambda a, b, bias=None: seen.append(a.shape) or through(a, b, bias))
    with products.quick_products():
        for case in ("mm that is small", "mm in float64", "addmm of a matrix", "bmm that is small"):
            CASES[case]()
        assert seen == []
        for case in ("mm", "linear", "bmm", "baddbmm of rows"):
            CASES[case]()
    assert len(seen) == 1 + 1 + 3 + 3
    CASES["mm"]()
    assert len(seen) == 8, "a product after the context still goes to oneDNN"


@pytest.mark.usefixtures("_onednn")
def test_gradients_are_those_of_torch():
    def gradients():
        x, w = _drawn(3, 512, 128).requires_grad_(), _drawn(3, 128, 1024, seed=1).requires_grad_()
        bias = _drawn(3, 1, 1024, seed=2).requires_grad_()
        torch.baddbmm(bias, x, w).square().mean().backward()
        return x.grad, w.grad, bias.grad

    expected = gradients()
    with products.quick_products():
        found = gradients()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_other_processors_keep_their_own(monkeypatch):
    monkeypatch.setattr(products, "_favours_onednn", lambda: False)
    monkeypatch.setattr(products, "_product", lambda *_: pytest.fail("oneDNN was asked"))
    with products.quick_products() as whose:
        CASES["mm"]()
    assert whose == "torch"
