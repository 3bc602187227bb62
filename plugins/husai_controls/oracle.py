"""Oracle: the ground-truth dictionary, where the model knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from husai_controls.fixed_basis import fixed_basis
from husai_core import Coder, EvaluationError, hookimpl
from husai_core.control import AnyControl, KnownControl

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params

FEATURES, BIAS = "features", "bias"  # tables: unit directions (features, d); what is added to every row (d)
ROWS = 4096  # training rows on which the threshold is chosen
LEVELS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99)  # quantiles of what latents read, tried as thresholds


@dataclass(frozen=True)
class OracleSettings:
    """Nothing to choose."""


class Oracle(KnownControl):
    """Every latent reads and writes one true feature: the decoder is true, and the encoder the simplest that fits it.

    One threshold for all latents is the one of `LEVELS` that leaves the least error on training rows, where what is
    written without any latent makes up for the mean of what it leaves out; an architecture that sets a threshold of its
    own does so afterwards. Where features overlap, no single reading separates them.
    """

    name = "oracle"
    summary = "The true features of the model as decoder, each read along its own direction."
    expectation = (
        "every true feature that the width has room for is recovered, those that show most first: mcc and pwmcc with "
        "the true features are 1, and between seeds, because every seed has the same one; with orthogonal features "
        "and as many active latents as features explained_variance and cosine are 1 and mse 0, with overlapping ones "
        "as good as one linear reading can be, and above random_decoder's; l0 of an architecture with k is at most "
        "k; dead_fraction is at least 1 - features / d_sae; cosine_to_initial is near 0."
    )
    deterministic = True
    autoencoders_only = True
    needs_tables = (FEATURES,)
    Settings = OracleSettings

    def reveal(
        self,
        base: Coder,
        tables: Mapping[str, Tensor],
        rows: Tensor,
        settings: OracleSettings,
        generator: Generator,
    ) -> Params:
        features = tables[FEATURES]
        if features.shape[-1] != base.dims.d_in:
            rule = f"true features are {features.shape[-1]} wide, what dictionaries read {base.dims.d_in}"
            raise EvaluationError(f"control {self.name}", rule, "measure at the hook point where the features live")
        some = rows[:ROWS].to(features)
        centre = tables.get(BIAS, features.new_zeros(features.shape[-1]))
        shown = (some - centre) @ features.T
        strongest = shown.relu().square().mean(0).argsort(descending=True, stable=True)[: base.dims.d_sae]
        kept = strongest.sort().values
        made = [_fitted(base, features[kept], centre, above, rows[:ROWS]) for above in _levels(shown[:, kept])]
        return min(made, key=lambda params: _error(replace(base, params=params), rows[:ROWS]))


def _fitted(base: Coder, features: Tensor, centre: Tensor, above: float, rows: Tensor) -> Params:
    """What is written without any latent makes up, on average, for what this threshold leaves out."""
    coder = replace(base, params=fixed_basis(base, features, centre, above))
    missing = (rows - coder.reconstruct(rows, coder.encode(rows))).mean(0)
    return fixed_basis(base, features, centre, above, centre + missing)


def _levels(shown: Tensor) -> list[float]:
    """The thresholds to be tried: quantiles of all that latents read, none below zero."""
    ordered = shown.flatten().relu().sort().values
    return sorted({float(ordered[int(level * (len(ordered) - 1))]) for level in LEVELS} | {0.0})


def _error(coder: Coder, rows: Tensor) -> float:
    return float((coder.reconstruct(rows, coder.encode(rows)) - rows).square().sum())


@hookimpl
def husai_controls() -> Sequence[AnyControl]:
    return [Oracle()]
