"""Matrix products by oneDNN where torch would leave them to MKL on a processor that MKL does not favour.

On AMD processors MKL takes a path without their widest registers, and oneDNN, which torch also brings, is quicker
(`benchmarks/activations.py` times a model's pass both ways). Both compute in float32. Inside
`quick_products` every large enough product of the process goes to oneDNN, those of backward passes included.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

LARGE = 4_000_000  # multiplications; below, the way through Python costs more than is gained

_aten = torch.ops.aten


@contextmanager
def quick_products() -> Iterator[str]:
    """While this is open, large products on the CPU are oneDNN's where that is quicker; yields whose they are."""
    if not _favours_onednn():
        yield "torch"
        return
    library = torch.library.Library("aten", "IMPL")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says that its own kernels are stood in for, which is meant
            for name, kernel in {"mm": _mm, "addmm": _addmm, "bmm": _bmm, "baddbmm": _baddbmm}.items():
                library.impl(name, kernel, "CPU", allow_override=True)
        yield "oneDNN"
    finally:
        library._destroy()


@functools.cache
def _favours_onednn() -> bool:
    """Whether this is an AMD processor with a torch that uses MKL and has oneDNN beside it."""
    try:
        vendor = "AuthenticAMD" in Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return False
    both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    return vendor and both and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _is_large(a: Tensor, b: Tensor) -> bool:
    """Of one product: a (..., m, k), b (..., k, n)."""
    alike = a.dtype is torch.float32 and b.dtype is torch.float32
    return alike and a.shape[-2] * a.shape[-1] * b.shape[-1] >= LARGE


def _product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a (m, k) times b (k, n) plus bias (n)."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(_dense(a), _dense(b).t(), bias, "none", [], "")
    return found


def _dense(x: Tensor) -> Tensor:
    """The matrix without gaps: for a view with gaps, as of one head of an attention, oneDNN takes 100 times as long."""
    rows, columns = x.shape
    return x if x.stride() in ((columns, 1), (1, rows)) else x.contiguous()


def _row(bias: Tensor, width: int, beta: Any, alpha: Any) -> Tensor | None:
    """The bias as one row that every row gets, where it is that."""
    plain = beta == 1 and alpha == 1 and bias.dtype is torch.float32
    if plain and bias.shape[-1:] == (width,) and bias.numel() == width:
        return bias.reshape(width).contiguous()
    return None


def _mm(a: Tensor, b: Tensor) -> Tensor:
    if _is_large(a, b):
        return _product(a, b)
    found: Tensor = _aten.mm.out(a, b, out=_room(a, a.shape[0], b.shape[1]))
    return found


def _addmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    if _is_large(a, b) and (row := _row(bias, b.shape[1], beta, alpha)) is not None:
        return _product(a, b, row)
    room = _room(a, a.shape[0], b.shape[1])
    found: Tensor = _aten.addmm.out(bias, a, b, beta=beta, alpha=alpha, out=room)
    return found


def _bmm(a: Tensor, b: Tensor) -> Tensor:
    room = _room(a, *a.shape[:2], b.shape[2])
    if not _is_large(a, b):
        found: Tensor = _aten.bmm.out(a, b, out=room)
        return found
    for place in range(len(a)):
        room[place] = _product(a[place], b[place])
    return room


def _baddbmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    room = _room(a, *a.shape[:2], b.shape[2])
    rows = [_row(each, b.shape[2], beta, alpha) for each in bias.expand(len(a), -1, -1)] if bias.dim() == 3 else [None]
    if not _is_large(a, b) or any(row is None for row in rows):
        found: Tensor = _aten.baddbmm.out(bias, a, b, beta=beta, alpha=alpha, out=room)
        return found
    for place, row in enumerate(rows):
        room[place] = _product(a[place], b[place], row)
    return room


def _room(like: Tensor, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device=like.device)
