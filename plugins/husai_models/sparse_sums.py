"""Sparse sums: rows that are sums of few random directions, ready at once and in need of nothing but torch.

For a first study and for a plugin's own CI, where a run must take seconds. It says nothing about any language model;
`synthetic` draws hierarchy, correlation and superposition, and takes its time for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core import Check, Corpus, Model, hookimpl
from husai_core.model import WEIGHTS_FILE, Network

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.model import Progress

INPUT = "input"
TEST_SHARE = 0.25


@dataclass(frozen=True)
class SparseSumsSettings:
    """On every row `active` of the `features` fire, with magnitudes from 1 to 2; `bias` is the norm of an offset."""

    features: int = 32
    width: int = 16
    active: int = 3
    rows: int = 2048
    bias: float = 1.0

    def __post_init__(self) -> None:
        for name, bound in {"features": 2, "width": 1, "active": 1, "rows": 8}.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be at least {bound}, not {getattr(self, name)}")
        if self.active > self.features:
            raise ValueError(f"active {self.active} must be at most features {self.features}")
        if not 0 <= self.bias < float("inf"):
            raise ValueError(f"bias must be finite and not negative, not {self.bias}")


class Sums:
    """What was drawn; it answers what the engine asks of a network, where token n is row n."""

    class Depth:
        n_layers = 0

    def __init__(self, parts: Mapping[str, Tensor]) -> None:
        self.cfg = self.Depth()
        self.hook_dict: Mapping[str, Any] = {INPUT: None}
        self.features = parts["features"]  # (features, width), unit directions
        self.bias = parts["bias"]  # (width,)
        self.codes = parts["codes"]  # (rows, features)
        self.rows = parts["rows"]  # (rows, width)

    def run_with_cache(
        self, tokens: Tensor, *, names_filter: list[str], stop_at_layer: int | None
    ) -> tuple[None, Mapping[str, Tensor]]:
        return None, {INPUT: self.rows[tokens]}


class SparseSums(Model):
    name = "sparse_sums"
    summary = "Rows that are sums of few random directions: ready in milliseconds, for a first study or a plugin's CI."
    requires = ("torch", "safetensors")
    Settings = SparseSumsSettings
    default_hook = INPUT

    def prepare(self, settings: SparseSumsSettings, seed: int, folder: Path, progress: Progress) -> None:
        import torch
        from safetensors.torch import save_file

        generator = torch.Generator().manual_seed(seed)
        directions = torch.randn(settings.features + 1, settings.width, generator=generator)
        directions /= directions.norm(dim=-1, keepdim=True)
        order = torch.rand(settings.rows, settings.features, generator=generator).argsort(-1)
        magnitudes = 1 + torch.rand(settings.rows, settings.features, generator=generator)
        codes = (order < settings.active) * magnitudes
        features, bias = directions[:-1].clone(), settings.bias * directions[-1]
        save_file(
            {"features": features, "bias": bias, "codes": codes, "rows": codes @ features + bias},
            folder / WEIGHTS_FILE,
        )
        progress(1.0, "drawn")

    def load(self, settings: SparseSumsSettings, seed: int, folder: Path, layers: int | None = None) -> Network:
        return _read(folder)

    def tokenise(self, settings: SparseSumsSettings, seed: int, folder: Path) -> Corpus:
        """Rows are independent draws, so the last ones can be the test rows."""
        import torch

        numbers = torch.arange(settings.rows)
        cut = settings.rows - int(TEST_SHARE * settings.rows)
        return Corpus(numbers.unsqueeze(1), (0,), numbers[:cut], numbers[cut:])

    def examine(self, network: Sums, corpus: Corpus, settings: SparseSumsSettings, seed: int) -> Sequence[Check]:
        """Rows are the sums they should be, of as many directions as the settings say."""
        apart = (network.codes @ network.features + network.bias - network.rows).abs().max()
        firing = (network.codes > 0).sum(-1)
        return [
            Check("largest_error_of_a_sum", float(apart), at_most=1e-4),
            Check("fewest_active", float(firing.min()), at_least=settings.active),
            Check("most_active", float(firing.max()), at_most=settings.active),
        ]

    def labels(
        self, settings: SparseSumsSettings, seed: int, folder: Path, corpus: Corpus, rows: Tensor
    ) -> Mapping[str, Tensor]:
        """The true activations (rows, 1, features)."""
        return {"features": _read(folder).codes[corpus.tokens[rows, 0]].unsqueeze(1)}

    def tables(self, settings: SparseSumsSettings, seed: int, folder: Path) -> Mapping[str, Tensor]:
        """The true directions (features, width), and what is added to every row (width)."""
        drawn = _read(folder)
        return {"features": drawn.features, "bias": drawn.bias}


def _read(folder: Path) -> Sums:
    from safetensors.torch import load_file

    return Sums(load_file(folder / WEIGHTS_FILE))


@hookimpl
def husai_models() -> Sequence[Model]:
    return [SparseSums()]
