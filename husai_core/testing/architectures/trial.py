"""The trial: one architecture under one choice of settings, with the rows and parameters that its checks look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from husai_core.sae import Architecture, Batch, Dims
from husai_core.settings import parse_settings
from husai_core.study import Recipe
from husai_core.testing.generators import fixed_global_generator

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.sae import Params

SEEDS = (0, 1, 2)
ROWS = 512  # half to train on, half held out
RECIPE = Recipe(steps=60, batch_size=64, learning_rate=1e-2, data_order_seed=0, dead_after_steps=20)
FIRING_FEATURES = 3  # of each row
NOISE = 0.05  # how far `moved` parameters stand from fresh ones


class Trial:
    """Every call hands the architecture copies and a fixed global generator: a fault shows in its own check only."""

    def __init__(self, architecture: Architecture, table: Mapping[str, Any], dims: Dims) -> None:
        self.architecture, self.table, self.dims = architecture, table, dims

    @cached_property
    def settings(self) -> Any:
        return parse_settings(self.architecture.Settings, self.table, "settings")

    @cached_property
    def rows(self) -> tuple[Tensor, Tensor]:
        """Sums of few random directions around an offset, and what a transcoder would make of them."""
        import torch

        generator = torch.Generator().manual_seed(7)
        features = 2 * self.dims.d_in
        firing = torch.rand(ROWS, features, generator=generator).argsort(-1) < FIRING_FEATURES
        codes = firing * (1 + torch.rand(ROWS, features, generator=generator))
        read, written = (_directions(features, width, generator) for width in (self.dims.d_in, self.dims.d_out))
        scale = self.dims.d_in**0.5 / 2
        x, y = (scale * (codes @ directions) + 0.5 for directions in (read, written))
        return x, (x.clone() if self.dims.d_in == self.dims.d_out else y)

    @property
    def train_rows(self) -> tuple[Tensor, Tensor]:
        x, y = self.rows
        return x[: ROWS // 2], y[: ROWS // 2]

    def batch(self, count: int = 48, dead: Tensor | None = None, step: int = 5, steps: int = 10) -> Batch:
        """Held-out rows as a training batch."""
        x, y = self.rows
        return Batch(x[-count:].clone(), y[-count:].clone(), dead, step, steps)

    @cached_property
    def initial(self) -> dict[int, Params]:
        """Fresh parameters by seed."""
        return {seed: self.initialise(seed) for seed in SEEDS}

    @cached_property
    def moved(self) -> dict[int, Params]:
        """Fresh parameters pushed off their start, as a few steps of training would."""
        import torch

        generator, result = torch.Generator().manual_seed(11), {}
        for seed, start in self.initial.items():
            params = {name: value.clone() for name, value in start.items()}
            for name, value in sorted(params.items()):
                if name not in self.architecture.fixed:
                    value += NOISE * torch.randn(value.shape, generator=generator).to(value.dtype)
            with fixed_global_generator():
                self.architecture.project(params, self.settings)
            result[seed] = params
        return result

    @cached_property
    def trained(self) -> dict[int, Params]:
        """Parameters by seed after the real trainer and `calibrate`."""
        from husai_core.engine.trainer import train

        starts = {seed: copied(params) for seed, params in self.initial.items()}
        x, y = self.train_rows
        with fixed_global_generator():
            return train(self.architecture, self.settings, starts, x.clone(), y.clone(), RECIPE, lambda *_: None)

    def states(self) -> Iterator[tuple[str, Params]]:
        """Parameters of one coder at each stage of its life; trained ones only where training works at all."""
        yield "fresh parameters", self.initial[0]
        yield "moved parameters", self.moved[0]
        try:
            yield "trained parameters", self.trained[0]
        except Exception:
            return  # the check `trains` says why

    def initialise(self, seed: int, dtype: Any = None, mean: Tensor | None = None) -> Params:
        import torch

        mean = self.rows[1].mean(0).to(dtype or torch.float32) if mean is None else mean
        with fixed_global_generator():
            generator = torch.Generator().manual_seed(seed)
            return self.architecture.initialise(self.dims, self.settings, generator, mean)

    def encode(self, params: Params, x: Tensor) -> Tensor:
        return self._quietly(self.architecture.encode, copied(params), x.clone())

    def decode(self, params: Params, latents: Tensor) -> Tensor:
        return self._quietly(self.architecture.decode, copied(params), latents.clone())

    def reconstruct(self, params: Params, x: Tensor, latents: Tensor | None = None) -> Tensor:
        latents = self.encode(params, x) if latents is None else latents
        return self._quietly(self.architecture.reconstruct, copied(params), x.clone(), latents.clone())

    def target(self, params: Params, x: Tensor, y: Tensor) -> Tensor:
        return self._quietly(self.architecture.target, copied(params), x.clone(), y.clone())

    def loss(self, params: Params, batch: Batch) -> Mapping[str, Tensor]:
        with fixed_global_generator():
            terms = self.architecture.loss(copied(params), copied_batch(batch), self.settings)
        return {name: value.detach() for name, value in terms.items()}

    def gradients(self, params: Params, batch: Batch) -> dict[str, Tensor | None]:
        """Gradients of the summed terms, as the trainer takes them; None where none arrives."""
        params = copied(params)
        for name, value in params.items():
            value.requires_grad_(name not in self.architecture.fixed)
        with fixed_global_generator():
            terms = self.architecture.loss(params, copied_batch(batch), self.settings)
            total = sum(value.sum() for value in terms.values())
        if total.requires_grad:
            total.backward()
        return {name: value.grad for name, value in params.items()}

    def project(self, params: Params) -> Params:
        params = copied(params)
        self._quietly(self.architecture.project, params)
        return params

    def calibrate(self, params: Params) -> Params:
        params = copied(params)
        self._quietly(self.architecture.calibrate, params, self.train_rows[0].clone())
        return params

    def error(self, params: Params) -> float:
        """Squared error on held-out rows, relative to predicting their mean."""
        x, y = (rows[ROWS // 2 :] for rows in self.rows)
        wanted = self.target(params, x, y)
        missed = (wanted - self.reconstruct(params, x)).square().sum()
        return float(missed / (wanted - wanted.mean(0)).square().sum())

    def _quietly(self, method: Callable[..., Any], *arguments: Any) -> Any:
        import torch

        with fixed_global_generator(), torch.no_grad():
            return method(*arguments, self.settings)


def _directions(count: int, width: int, generator: Any) -> Tensor:
    import torch

    drawn = torch.randn(count, width, generator=generator)
    return drawn / drawn.norm(dim=-1, keepdim=True)


def copied(params: Params) -> Params:
    return {name: value.detach().clone() for name, value in params.items()}


def copied_batch(batch: Batch) -> Batch:
    dead = None if batch.dead is None else batch.dead.clone()
    return Batch(batch.x.clone(), batch.y.clone(), dead, batch.step, batch.steps)


def stacked(by_seed: Mapping[int, Params]) -> Params:
    """Parameters of all seeds with a leading axis, as they are trained together."""
    import torch

    singles = list(by_seed.values())
    return {name: torch.stack([params[name] for params in singles]) for name in singles[0]}


def double(params: Params) -> Params:
    return {name: value.double() for name, value in params.items()}
