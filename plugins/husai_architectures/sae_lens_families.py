"""sae_lens: every architecture that the installed SAELens registers for training, run by SAELens's own classes.

Start, encoder, decoder and loss are theirs; data, optimiser, schedule and dead latents are those of HUSAI's trainer,
which clips no gradient. A threshold that follows the training is used from the end of training on, by the class that
SAELens would save; before that latents depend on the batch they come in, as SAELens trains them.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from husai_architectures import sae_lens_calls as calls
from husai_architectures.sae_lens_calls import FOLLOWED, RELEASED
from husai_architectures.sae_lens_modules import fresh
from husai_architectures.sae_lens_settings import settings_class
from husai_core import Architecture, Batch, Dims, Traits, hookimpl
from husai_core.errors import EvaluationError

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params


class SaeLens(Architecture):
    name = "sae_lens"
    summary = "Any family that the installed SAELens trains, by its own code: settings.family says which."
    requires = ("torch", "sae_lens")
    traits = Traits(nonnegative=False)  # nothing is promised for all families: abstopk has negative latents
    fixed = frozenset({FOLLOWED, RELEASED})

    @property
    def Settings(self) -> type:  # type: ignore[override]
        """Made when asked for: SAELens takes seconds to import."""
        return settings_class()

    @property
    def version(self) -> str:  # type: ignore[override]
        """SAELens's version is part of it: another one may compute something else."""
        try:
            return f"1+sae-lens.{importlib.metadata.version('sae-lens')}"
        except importlib.metadata.PackageNotFoundError:
            return "1"

    def initialise(self, dims: Dims, settings: Any, generator: Generator, mean: Tensor) -> Params:
        import torch

        if dims.d_in != dims.d_out:
            raise ValueError(f"SAELens trains what reconstructs its input, not {dims.d_in} to {dims.d_out}")
        seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
        sae = fresh(settings, dims.d_in, dims.d_sae, mean.dtype, seed)
        if unknown := sorted({name for name, _ in sae.named_buffers()} - {FOLLOWED}):
            raise ValueError(f"SAELens's {settings.family} keeps '{unknown[0]}' as it trains, which is not known here")
        params = {name: value.detach().clone() for name, value in sae.state_dict().items()}
        if FOLLOWED in params:
            params[RELEASED] = torch.zeros_like(params[FOLLOWED])
        return {name: value.to(mean.device) for name, value in params.items()}

    def encode(self, params: Params, x: Tensor, settings: Any) -> Tensor:
        return calls.together([calls.encoded(one, x, settings) for _, one in calls.each(params)], params)

    def decode(self, params: Params, latents: Tensor, settings: Any) -> Tensor:
        rows = [
            calls.run(calls.trained(one, settings), one, "decode", latents[at])[0] for at, one in calls.each(params)
        ]
        return calls.together(rows, params)

    def loss(self, params: Params, batch: Batch, settings: Any) -> Mapping[str, Tensor]:
        import torch
        from sae_lens.saes.sae import TrainStepInput

        if batch.x is not batch.y and not torch.equal(batch.x, batch.y):
            rule = f"'{settings.family}' of SAELens reconstructs what it reads, and the site's target is something else"
            raise EvaluationError("architecture sae_lens", rule, "use topk_transcoder, or one hook for both")
        losses = []
        for at, one in calls.each(params):
            sae = calls.trained(one, settings)
            dead = None if batch.dead is None else batch.dead.expand(*params["W_dec"].shape[:-1])[at]
            step = TrainStepInput(batch.x, calls.coefficients(sae, batch.step), dead, batch.step, is_logging_step=False)
            output, after = calls.run(sae, one, "training_forward_pass", step)
            if FOLLOWED in params and torch.is_grad_enabled():  # a mere look at the loss moves nothing
                params[FOLLOWED][at].copy_(after[FOLLOWED])
            losses.append(output.loss)
        return {"loss": calls.together(losses, params)}

    def project(self, params: Params, settings: Any) -> None:
        """No negative threshold for JumpReLU: what SAELens does as a step begins is done as one ends."""
        if "threshold" in params:
            params["threshold"].data.clamp_(min=0)

    def calibrate(self, params: Params, rows: Tensor, settings: Any) -> None:
        if FOLLOWED in params:
            params[RELEASED].copy_(params[FOLLOWED])

    def to_sae_lens(self, params: Params, settings: Any) -> tuple[Mapping[str, Any], Params]:
        config, tensors = calls.released(params, settings)
        ours = {name: value for name, value in vars(settings).items() if value is not None}
        return {**config, "training_settings": ours}, tensors

    def from_sae_lens(self, config: Mapping[str, Any], tensors: Params) -> tuple[Mapping[str, Any], Params]:
        import torch

        ours = config["training_settings"]
        params = dict(tensors)
        if config["architecture"] != ours["family"]:  # saved as JumpReLU, all of whose thresholds are the one
            threshold = params.pop("threshold").max().to(torch.double)
            params |= {FOLLOWED: threshold, RELEASED: threshold.clone()}
        return ours, params


@hookimpl
def husai_architectures() -> Sequence[Architecture]:
    return [SaeLens()]
