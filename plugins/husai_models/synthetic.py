"""Synthetic activations: sparse sums of known directions, so that what a dictionary should find is not in doubt.

SAELens draws them (`sae_lens.synthetic`): directions, how often each feature fires, hierarchy and correlation. They are
drawn once and kept with what fired on every row, so that nothing depends on drawing them again. In memory are all rows
(rows x width), and the true activations of the test rows where a benchmark asks for them (test rows x features).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core import Check, Corpus, EvaluationError, Model, hookimpl
from husai_core.model import WEIGHTS_FILE, Network, Progress
from husai_models.toy_transformer import generator_for

if TYPE_CHECKING:
    from torch import Tensor

INPUT = "input"
BLOCK = 4096  # rows drawn at once
NO_PARENT = -1


@dataclass(frozen=True)
class SyntheticSettings:
    """`features` directions in `width` dimensions: more features than dimensions is superposition.

    Features fire with probabilities from `most` down to `least` by Zipf's law; their magnitude is normal about 1, cut
    at 0. `roots` trees of `depth` levels with `children` each make a hierarchy: a child fires only beside its parent,
    and still as often as the law says; `exclusive` is the share of parents of whose children at most one fires.
    `correlation` scales the random factors, `correlation_rank` of them, of a Gaussian copula. `orthogonal_steps` steps
    of gradient descent push the directions apart. `bias` is the norm of what is added to every row.
    """

    features: int = 64
    width: int = 32
    rows: int = 20000
    test_share: float = 0.2
    most: float = 0.1
    least: float = 0.02
    zipf: float = 0.5
    magnitude_spread: float = 0.2
    roots: int = 0
    children: int = 2
    depth: int = 1
    exclusive: float = 0.0
    correlation: float = 0.0
    correlation_rank: int = 4
    orthogonal_steps: int = 0
    bias: float = 1.0  # without one, a row on which nothing fires is zero and has no direction

    def __post_init__(self) -> None:
        least = {"features": 2, "width": 1, "rows": 2, "roots": 0, "children": 2, "depth": 1, "correlation_rank": 1}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be at least {bound}, not {getattr(self, name)}")
        for name in ("magnitude_spread", "correlation", "orthogonal_steps", "bias"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and not negative, not {getattr(self, name)}")
        if not 0 < self.zipf < math.inf:
            raise ValueError(f"zipf must be finite and above 0, not {self.zipf}")
        if not 0 < self.least < self.most <= 1:
            raise ValueError(f"0 < least < most <= 1 must hold, not {self.least} and {self.most}")
        if not 0 <= self.exclusive <= 1:
            raise ValueError(f"exclusive must be between 0 and 1, not {self.exclusive}")
        if self.correlation**2 * self.correlation_rank >= 1:
            raise ValueError(
                f"correlation ** 2 x correlation_rank must be below 1: lower correlation {self.correlation}"
            )
        if self.roots > self.features:
            raise ValueError(f"roots must be at most features ({self.features}), not {self.roots}")
        if not 1 <= self.test_rows < self.rows:
            raise ValueError(f"test_share {self.test_share} must leave rows on both sides")

    @property
    def test_rows(self) -> int:
        return int(self.test_share * self.rows)


class Drawn:
    """What was drawn; it answers what the engine asks of a network, where token n is row n."""

    class Depth:
        n_layers = 0

    def __init__(self, parts: Mapping[str, Tensor]) -> None:
        self.cfg = self.Depth()
        self.hook_dict: Mapping[str, Any] = {INPUT: None}
        self.rows = parts["rows"]  # (rows, width)
        self.features = parts["features"]  # (features, width), unit directions
        self.bias = parts["bias"]
        self.parents = parts["parents"]  # (features,), NO_PARENT for a root
        self._fired_at, self._fired = parts["fired_at"], parts["fired"]  # row and feature (fired, 2); magnitude

    def run_with_cache(
        self, tokens: Tensor, *, names_filter: list[str], stop_at_layer: int | None
    ) -> tuple[None, Mapping[str, Tensor]]:
        return None, {INPUT: self.rows[tokens]}

    def truth(self, numbers: Tensor) -> Tensor:
        """The true activations (len(numbers), features) of rows by their numbers."""
        import torch

        place = torch.full((len(self.rows),), -1).scatter(0, numbers, torch.arange(len(numbers)))
        row, feature = place[self._fired_at[:, 0]], self._fired_at[:, 1]
        asked = row >= 0
        found = self._fired.new_zeros(len(numbers), len(self.features))
        found[row[asked], feature[asked]] = self._fired[asked]
        return found


class Synthetic(Model):
    name = "synthetic"
    summary = "Sparse sums of known directions, by SAELens: superposition, hierarchy and correlation by setting."
    requires = ("torch", "safetensors", "sae_lens")
    Settings = SyntheticSettings
    default_hook = INPUT

    def prepare(self, settings: SyntheticSettings, seed: int, folder: Path, progress: Progress) -> None:
        from safetensors.torch import save_file

        save_file(_draw(settings, seed, progress), folder / WEIGHTS_FILE)

    def load(self, settings: SyntheticSettings, seed: int, folder: Path, layers: int | None = None) -> Network:
        return _read(folder)

    def tokenise(self, settings: SyntheticSettings, seed: int, folder: Path) -> Corpus:
        """Rows are independent draws, so the last ones can be the test rows."""
        import torch

        numbers = torch.arange(settings.rows)
        train, test = numbers.split([settings.rows - settings.test_rows, settings.test_rows])
        return Corpus(numbers.unsqueeze(1), (0,), train, test)

    def examine(self, network: Drawn, corpus: Corpus, settings: SyntheticSettings, seed: int) -> Sequence[Check]:
        """Rows are the sums they should be, no child fires alone, and nothing must be found that is never shown."""
        orphans, apart, seen = 0, 0.0, network.features.new_zeros(len(network.features))
        child = network.parents != NO_PARENT
        for numbers in corpus.train.split(BLOCK):
            truth = network.truth(numbers)
            sums = truth @ network.features + network.bias
            apart = max(apart, float((sums - network.rows[numbers]).abs().max()))
            fires = truth > 0
            orphans += int((fires[:, child] & ~fires[:, network.parents[child]]).sum())
            seen += fires.sum(0)
        return [
            Check("largest_error_of_a_sum", apart, at_most=1e-4),
            Check("children_without_parent", float(orphans), at_most=0.0),
            Check("features_never_shown", float((seen == 0).sum()), at_most=0.0),
        ]

    def labels(
        self, settings: SyntheticSettings, seed: int, folder: Path, corpus: Corpus, rows: Tensor
    ) -> Mapping[str, Tensor]:
        """The true activations (rows, 1, features)."""
        return {"features": _read(folder).truth(corpus.tokens[rows, 0]).unsqueeze(1)}

    def tables(self, settings: SyntheticSettings, seed: int, folder: Path) -> Mapping[str, Tensor]:
        """The true directions (features, width), and what is added to every row (width)."""
        drawn = _read(folder)
        return {"features": drawn.features, "bias": drawn.bias}


def _read(folder: Path) -> Drawn:
    from safetensors.torch import load_file

    return Drawn(load_file(folder / WEIGHTS_FILE))


def _draw(settings: SyntheticSettings, seed: int, progress: Progress) -> dict[str, Tensor]:
    """Everything by name; SAELens draws from the global generator, which is put back."""
    import torch

    model = _generator(settings, generator_for(seed, "synthetic model").initial_seed())
    rows, at, magnitudes = [], [], []
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(generator_for(seed, "synthetic rows").initial_seed())
        for start in range(0, settings.rows, BLOCK):
            progress(start / settings.rows, f"{start} of {settings.rows} rows")
            drawn, truth = model.sample_with_features(min(BLOCK, settings.rows - start))
            fired = truth.nonzero()
            rows.append(drawn)
            magnitudes.append(truth[fired[:, 0], fired[:, 1]])
            at.append(fired + torch.tensor([start, 0]))
    directions = model.feature_dict
    return {
        "rows": torch.cat(rows),
        "features": directions.feature_vectors.detach().clone(),
        "bias": directions.bias.detach().clone(),
        "parents": _parents(settings, model.hierarchy),
        "fired_at": torch.cat(at),
        "fired": torch.cat(magnitudes),
    }


def _generator(settings: SyntheticSettings, seed: int) -> Any:
    """The SAELens model of these settings, a pure function of them and the seed."""
    from sae_lens.synthetic import (
        FeatureDictionary,
        HierarchyConfig,
        LowRankCorrelationConfig,
        SyntheticModel,
        SyntheticModelConfig,
        ZipfianFiringProbabilityConfig,
        orthogonal_initializer,
    )

    hierarchy = HierarchyConfig(
        total_root_nodes=settings.roots or 1,
        branching_factor=settings.children,
        max_depth=settings.depth,
        mutually_exclusive_portion=settings.exclusive,
        compensate_probabilities=True,
    )
    correlation = LowRankCorrelationConfig(settings.correlation_rank, settings.correlation)
    config = SyntheticModelConfig(
        settings.features,
        settings.width,
        firing_probability=ZipfianFiringProbabilityConfig(settings.zipf, settings.most, settings.least),
        hierarchy=hierarchy if settings.roots else None,
        correlation=correlation if settings.correlation else None,
        std_firing_magnitudes=settings.magnitude_spread,
        bias=settings.bias,
        seed=seed,
    )
    apart = orthogonal_initializer(settings.orthogonal_steps) if settings.orthogonal_steps else None
    directions = FeatureDictionary(settings.features, settings.width, settings.bias, apart, seed=seed)
    model = SyntheticModel(config, feature_dict=directions)
    certain = (model.activation_generator.firing_probabilities >= 1).nonzero().flatten().tolist()
    if settings.roots and certain:
        rule = f"to fire as often as asked, feature {certain[0]} would have to fire on every row that its parent allows"
        raise EvaluationError("model synthetic", rule, "lower least, children or exclusive, or raise most")
    return model


def _parents(settings: SyntheticSettings, hierarchy: Any) -> Tensor:
    """The parent of every feature."""
    import torch

    found = torch.full((settings.features,), NO_PARENT)
    waiting = list(hierarchy.roots) if hierarchy else []
    while waiting:
        node = waiting.pop()
        waiting.extend(node.children)
        for child in node.children:
            found[child.feature_index] = node.feature_index
    return found


@hookimpl
def husai_models() -> Sequence[Model]:
    return [Synthetic()]
