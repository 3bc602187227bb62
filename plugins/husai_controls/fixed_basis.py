"""Fixed bases: given directions as a dictionary; of an orthonormal one, each direction and its opposite is a latent.

Latents cannot be negative, so a coordinate needs two of them: relu(z) writes the direction and relu(-z) its opposite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from husai_core import EvaluationError

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core import Coder
    from husai_core.sae import Params

BIASES = ("b_enc", "b_gate", "b_mag")  # added to the pre-activations, or to a copy of them
ZERO = ("r_mag", "threshold")  # no rescaling, and no jump until one is calibrated
KNOWN = ("W_enc", "W_dec", "b_dec", *BIASES, *ZERO)


def pairs(base: Coder) -> int:
    """How many directions have room for both of their signs."""
    count = min(base.dims.d_in, base.dims.d_sae // 2)
    if not count:
        rule = f"d_sae {base.dims.d_sae} has no room for a direction and its opposite"
        raise EvaluationError("a control with a fixed basis", rule, "choose a d_sae of at least 2")
    return count


def signed_basis(base: Coder, directions: Tensor, mean: Tensor) -> Params:
    """Latents 2i and 2i + 1 are the two signs of direction i (n, d) of the centred activations."""
    import torch

    return fixed_basis(base, torch.stack([directions, -directions], 1).flatten(0, 1), mean)


def fixed_basis(
    base: Coder, directions: Tensor, centre: Tensor, above: float = 0.0, written: Tensor | None = None
) -> Params:
    """Latent i reads and writes direction i (n, d) of the activations around a centre, where it is above a threshold.

    What is written without any latent is the centre, unless it is said to be something else.

    Latents without a direction read nothing, so that they never fire, and write repeated directions: a dictionary
    has no zero rows. An architecture without a threshold of its own pays for one with magnitude, as a bias does.
    """
    import torch

    if unknown := sorted(base.params.keys() - set(KNOWN)):
        rule = f"nobody knows what {unknown[0]} of '{base.architecture.name}' must be under a fixed basis"
        raise EvaluationError("a control with a fixed basis", rule, "leave this control out for this architecture")
    like, d_sae = base.params["W_dec"], base.dims.d_sae
    directions = directions.to(like)
    reading = directions.new_zeros(d_sae, directions.shape[-1])
    reading[: len(directions)] = directions
    writing = directions[torch.arange(d_sae, device=like.device) % len(directions)]
    centre = centre.to(like)
    written = centre if written is None else written.to(like)
    subtracted = written if getattr(base.settings, "apply_b_dec_to_input", False) else 0.0
    offset = reading @ (subtracted - centre)
    params = {"W_enc": reading.T.contiguous(), "W_dec": writing, "b_dec": written.clone()}
    params |= {name: offset.clone() for name in BIASES}
    params |= {name: value.new_zeros(value.shape) for name, value in base.params.items() if name in ZERO}
    if "threshold" in base.params:
        params["threshold"] += above
    else:
        params["b_gate" if "b_gate" in base.params else "b_enc"] -= above
    return {name: params[name].reshape(value.shape) for name, value in base.params.items()}
