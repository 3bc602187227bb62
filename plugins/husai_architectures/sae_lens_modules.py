"""SAELens modules: those of one family and size, with the weights it starts from or with none."""

from __future__ import annotations

import functools
import warnings
from typing import Any

from husai_architectures.sae_lens_settings import configuration, families


def fresh(settings: Any, d_in: int, d_sae: int, dtype: Any, seed: int) -> Any:
    """SAELens's training module with the weights it starts from; it draws them from the global generator."""
    import torch

    before = torch.get_rng_state()
    try:
        torch.default_generator.manual_seed(seed)
        return _module(settings, d_in, d_sae, dtype, "cpu")
    finally:
        torch.set_rng_state(before)


def _module(settings: Any, d_in: int, d_sae: int, dtype: Any, device: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about widths that it adds itself
        config = configuration(settings, d_in, d_sae, str(dtype).removeprefix("torch."), device)
        return families()[settings.family][0](config)


@functools.lru_cache(maxsize=32)
def empty(settings: Any, d_in: int, d_sae: int, dtype: Any) -> Any:
    """The training module of a family at these sizes, without weights."""
    return _module(settings, d_in, d_sae, dtype, "meta")


@functools.lru_cache(maxsize=32)
def empty_inference(sae: Any) -> Any:
    """The module that SAELens would save a training module as, without weights."""
    from sae_lens import SAE

    return SAE.from_dict(sae.cfg.get_inference_sae_cfg_dict())


@functools.lru_cache(maxsize=64)
def callable_by_name(sae: Any) -> Any:
    """A module whose call is a call of any method of another: what `functional_call` can call."""
    import torch

    class Named(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.sae = sae

        def forward(self, method: str, *arguments: Any) -> Any:
            return getattr(self.sae, method)(*arguments)

    return Named()
