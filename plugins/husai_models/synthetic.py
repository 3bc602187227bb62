"""Synthetic activations: sparse sums of known directions, so that what a dictionary should find is not in doubt.

Feature i of n fires with probability proportional to (i + 1) ** -zipf, scaled so that `active` of them fire on a row on
average. Roots of one group share a latent Gaussian
(a one-factor copula), which makes them fire together and leaves how often each fires as it is. A child fires only
on rows where its parent does; it still fires as often as the law above says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core import Check, Corpus, Model, Network, hookimpl
from husai_core.model import WEIGHTS_FILE, Progress
from husai_models.toy_transformer import generator_for

if TYPE_CHECKING:
    from torch import Tensor

INPUT = "input"
BLOCK = 4096  # rows drawn at once, each block from a stream of its own
MOST = 0.5  # of the rows, on which the commonest feature may fire


@dataclass(frozen=True)
class SyntheticSettings:
    """`features` directions in `width` dimensions: more features than dimensions is superposition.

    `active` features fire per row on average; `magnitude_spread` is the standard deviation of their log magnitude,
    whose mean magnitude is 1. `children` per root make a hierarchy; `correlation` (0 to 1, below 1) joins `group_size`
    neighbouring roots; `noise` is the standard deviation of Gaussian noise per dimension.
    """

    features: int = 64
    width: int = 32
    rows: int = 20000
    test_share: float = 0.2
    active: float = 3.0
    zipf: float = 0.5
    magnitude_spread: float = 0.25
    children: int = 0
    correlation: float = 0.0
    group_size: int = 4
    noise: float = 0.02

    def __post_init__(self) -> None:
        for name, least in (("features", 1), ("width", 1), ("rows", 2), ("children", 0), ("group_size", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("zipf", "magnitude_spread", "noise"):
            if not (getattr(self, name) >= 0 and math.isfinite(getattr(self, name))):
                raise ValueError(f"{name} must be finite and not negative, not {getattr(self, name)}")
        if not 0 <= self.correlation < 1:
            raise ValueError(f"correlation must be at least 0 and below 1, not {self.correlation}")
        if not 1 <= self.test_rows < self.rows:
            raise ValueError(f"test_share {self.test_share} must leave rows on both sides")
        if not (self.active > 0 and self.often()[0] <= MOST):
            raise ValueError(
                f"active {self.active} makes feature 0 fire on {self.often()[0]:.2f} of rows, above {MOST}"
            )

    @property
    def test_rows(self) -> int:
        return int(self.test_share * self.rows)

    @property
    def roots(self) -> int:
        """Features without a parent: the commonest ones."""
        return -(-self.features // (self.children + 1))

    def often(self) -> list[float]:
        """The share of rows on which each feature fires."""
        law = [(i + 1) ** -self.zipf for i in range(self.features)]
        total = sum(law)
        return [self.active * one / total for one in law]


class Rows:
    """What the engine asks of a network, where token n is row n."""

    class Depth:
        n_layers = 0

    def __init__(self, rows: Tensor) -> None:
        self.cfg = self.Depth()
        self.rows = rows
        self.hook_dict: Mapping[str, Any] = {INPUT: None}

    def run_with_cache(
        self, tokens: Tensor, *, names_filter: list[str], stop_at_layer: int | None
    ) -> tuple[None, Mapping[str, Tensor]]:
        return None, {INPUT: self.rows[tokens]}


class Synthetic(Model):
    name = "synthetic"
    summary = "Sparse sums of known directions: superposition, hierarchy, correlation and noise by setting."
    requires = ("torch", "safetensors")
    Settings = SyntheticSettings
    default_hook = INPUT

    def prepare(self, settings: SyntheticSettings, seed: int, folder: Path, progress: Progress) -> None:
        """The true directions are the model."""
        from safetensors.torch import save_file

        save_file({"features": directions(settings, seed)}, folder / WEIGHTS_FILE)

    def load(self, settings: SyntheticSettings, seed: int, folder: Path, layers: int | None = None) -> Network:
        import torch

        features = self.tables(settings, seed, folder)["features"]
        return Rows(
            torch.cat([block(settings, seed, n) @ features + noise(settings, seed, n) for n in _blocks(settings)])
        )

    def tokenise(self, settings: SyntheticSettings, seed: int, folder: Path) -> Corpus:
        """Rows are independent draws, so the last ones can be the test rows."""
        import torch

        train, test = torch.arange(settings.rows).split([settings.rows - settings.test_rows, settings.test_rows])
        return Corpus(torch.arange(settings.rows).unsqueeze(1), (0,), train, test)

    def examine(self, network: Rows, corpus: Corpus, settings: SyntheticSettings, seed: int) -> Sequence[Check]:
        """Every feature fires about as often as planned, no child without its parent, and every value is finite."""
        import torch

        fires = torch.cat([block(settings, seed, n) for n in _blocks(settings)]) > 0
        planned = torch.tensor(settings.often(), dtype=torch.float64)
        errors = (planned * (1 - planned) / len(fires)).sqrt()
        off = (fires.double().mean(0) - planned) / errors
        alone = sum(float((fires[:, i] & ~fires[:, p]).double().sum()) for i, p in parents(settings).items())
        return [
            Check("firing_error_in_standard_errors", float(off.abs().max()), at_most=6.0),
            Check("children_without_parent", alone, at_most=0.0),
            Check("finite_rows", float(network.rows.isfinite().double().mean()), at_least=1.0),
        ]

    def labels(self, settings: SyntheticSettings, seed: int, corpus: Corpus, rows: Tensor) -> Mapping[str, Tensor]:
        """The true activations (rows, 1, features)."""
        import torch

        numbers = corpus.tokens[rows, 0]
        found = [block(settings, seed, n)[numbers[numbers // BLOCK == n] % BLOCK] for n in _blocks(settings)]
        order = torch.cat([(numbers // BLOCK == n).nonzero().flatten() for n in _blocks(settings)])
        return {"features": torch.cat(found)[order.argsort()].unsqueeze(1)}

    def tables(self, settings: SyntheticSettings, seed: int, folder: Path) -> Mapping[str, Tensor]:
        """The true directions (features, width)."""
        from safetensors.torch import load_file

        return load_file(folder / WEIGHTS_FILE)


def directions(settings: SyntheticSettings, seed: int) -> Tensor:
    """Independent random unit directions (features, width)."""
    import torch

    drawn = torch.randn(settings.features, settings.width, generator=generator_for(seed, "features"))
    return drawn / drawn.norm(dim=-1, keepdim=True)


def parents(settings: SyntheticSettings) -> dict[int, int]:
    """The parent of every child."""
    return {i: (i - settings.roots) % settings.roots for i in range(settings.roots, settings.features)}


def block(settings: SyntheticSettings, seed: int, number: int) -> Tensor:
    """The true activations (rows of the block, features): zero where a feature does not fire."""
    import torch

    count, n, roots = _count(settings, number), settings.features, settings.roots
    generator = generator_for(seed, f"rows {number}")
    groups = -(-roots // settings.group_size)
    shared = torch.randn(count, groups, generator=generator).repeat_interleave(settings.group_size, 1)[:, :roots]
    own = torch.randn(count, n, generator=generator)
    own[:, :roots] = math.sqrt(settings.correlation) * shared + math.sqrt(1 - settings.correlation) * own[:, :roots]
    often = torch.tensor(settings.often(), dtype=torch.float64)
    family = parents(settings)
    given = often.clone()  # the probability given that the parent fires
    for child, parent in family.items():
        given[child] = often[child] / often[parent]
    fires = torch.special.ndtr(own.double()) < given
    if family:
        fires[:, list(family)] &= fires[:, list(family.values())]
    spread = settings.magnitude_spread
    magnitudes = (spread * torch.randn(count, n, generator=generator) - spread**2 / 2).exp()
    return magnitudes * fires


def noise(settings: SyntheticSettings, seed: int, number: int) -> Tensor:
    """Gaussian noise (rows of the block, width)."""
    import torch

    generator = generator_for(seed, f"noise {number}")
    return settings.noise * torch.randn(_count(settings, number), settings.width, generator=generator)


def _blocks(settings: SyntheticSettings) -> range:
    return range(-(-settings.rows // BLOCK))


def _count(settings: SyntheticSettings, number: int) -> int:
    return min(BLOCK, settings.rows - number * BLOCK)


@hookimpl
def husai_models() -> Sequence[Model]:
    return [Synthetic()]
