"""What the official core gets wrong, computed right on the very tokens that it reads, beside it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any


class Beside:
    """Sums over the tokens that count, in float64, while the official code looks at the same batches."""

    def __init__(self, sae: Any) -> None:
        self.sae = sae
        self.rows = 0
        self.total: Any = 0.0  # (d,) of the activations
        self.squares = 0.0
        self.left = 0.0  # squares of what the reconstruction leaves out
        self.contexts = 0
        self.read = hashlib.sha256()

    def add(self, tokens: Any, activations: Any, ignored: set[int | None]) -> None:
        import torch

        self.read.update(tokens.cpu().numpy().astype("<i8").tobytes())
        self.contexts += len(tokens)
        counts = torch.ones_like(tokens, dtype=torch.bool)
        for token in ignored - {None}:
            counts &= tokens != token
        rows = activations[counts]
        with torch.no_grad():
            left = (rows - self.sae.decode(self.sae.encode(rows))).double()
        rows = rows.double()
        self.rows += len(rows)
        self.total = self.total + rows.sum(0)
        self.squares += float(rows.pow(2).sum())
        self.left += float(left.pow(2).sum())

    def values(self) -> dict[str, float]:
        """Share of variance explained over all rows, mean squared error per dimension, and decoder rows' lengths."""
        variance = self.squares - float(self.total.pow(2).sum()) / self.rows
        lengths = self.sae.W_dec.detach().norm(dim=-1)
        return {
            "explained_variance": 1 - self.left / variance,
            "mse": self.left / self.rows / len(self.total),
            "saebench_decoder_norm_error": float((lengths - 1).abs().max()),
        }

    @property
    def digest(self) -> str:
        return "sha256:" + self.read.hexdigest()


@contextlib.contextmanager
def watching(main: Any, beside: Beside) -> Iterator[None]:
    """While this lasts, what the official variance metrics read is seen here as well."""
    official: Callable[..., Any] = main.get_sparsity_and_variance_metrics

    def watched(sae: Any, model: Any, *rest: Any, **options: Any) -> Any:
        run = model.run_with_cache

        def run_and_look(tokens: Any, *inner: Any, **more: Any) -> Any:
            output, cache = run(tokens, *inner, **more)
            beside.add(tokens, cache[sae.cfg.hook_name], set(options.get("ignore_tokens", ())))
            return output, cache

        model.run_with_cache = run_and_look
        try:
            return official(sae, model, *rest, **options)
        finally:
            del model.run_with_cache

    main.get_sparsity_and_variance_metrics = watched
    try:
        yield
    finally:
        main.get_sparsity_and_variance_metrics = official
