"""SAELens calls: its modules, empty of weights, run with the parameters of one coder at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from husai_architectures.sae_lens_modules import callable_by_name, empty, empty_inference

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.sae import Params

FOLLOWED = "topk_threshold"  # SAELens's running threshold, the one thing it keeps beside what it learns
RELEASED = "released_threshold"  # that at the end of training; 0 before


def each(params: Params) -> Iterator[tuple[tuple[int, ...], Params]]:
    """The place and the parameters of every coder along the leading axes."""
    for at in itertools.product(*map(range, params["W_dec"].shape[:-2])):
        yield at, {name: value[at] for name, value in params.items()}


def together(values: list[Tensor], params: Params) -> Tensor:
    """One value per coder, with the parameters' leading shape."""
    import torch

    return torch.stack(values).reshape((*params["W_dec"].shape[:-2], *values[0].shape))


def trained(one: Params, settings: Any) -> Any:
    """SAELens's training module of these sizes, without weights."""
    d_sae, d_in = one["W_dec"].shape
    return empty(settings, d_in, d_sae, one["W_dec"].dtype)


def run(sae: Any, one: Params, method: str, *arguments: Any) -> tuple[Any, Params]:
    """What a method of the module gives with these parameters, and the parameters as it left them."""
    from torch.func import functional_call

    held = {f"sae.{name}": value for name, value in one.items() if name != RELEASED}
    result = functional_call(callable_by_name(sae), held, (method, *arguments))
    return result, {name.removeprefix("sae."): value for name, value in held.items()}


def encoded(one: Params, x: Tensor, settings: Any) -> Tensor:
    """Latents (B, d_sae), by the class that SAELens would save once a threshold is released."""
    if RELEASED in one and one[RELEASED] > 0:
        sae, weights = empty_inference(trained(one, settings)), released(one, settings)[1]
    else:
        sae, weights = trained(one, settings), one
    latents: Tensor = run(sae, weights, "encode", x)[0]
    return latents.to_dense() if latents.is_sparse else latents


def released(one: Params, settings: Any) -> tuple[Mapping[str, Any], Params]:
    """The keys and tensors that SAELens saves for inference."""
    sae = trained(one, settings)
    tensors = {name: value.detach().clone() for name, value in one.items() if name != RELEASED}
    if RELEASED in one:
        tensors[FOLLOWED] = one[RELEASED].detach().clone()
    run(sae, {name: value.detach() for name, value in one.items()}, "process_state_dict_for_saving_inference", tensors)
    given_by_the_file = ("d_in", "d_sae", "dtype", "device", "metadata")
    config = sae.cfg.get_inference_sae_cfg_dict()
    return {name: value for name, value in config.items() if name not in given_by_the_file}, tensors


def coefficients(sae: Any, step: int) -> dict[str, float]:
    """The weights of its loss terms at a step, warmed up from 0 as SAELens's trainer does."""
    now = {}
    for name, asked in sae.get_coefficients().items():
        value, warm_up = asked if isinstance(asked, tuple) else (asked, 0)
        now[name] = value * min(1.0, step / warm_up) if warm_up > 0 else value
    return now
