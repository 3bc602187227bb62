"""Random model: the same training on the activations of the same network with its weights drawn anew."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_core import EvaluationError, hookimpl
from husai_core.control import AnyControl, ModelControl

if TYPE_CHECKING:
    from torch import Generator

    from husai_core.model import Network

EMBEDDINGS = ("embed", "pos_embed")  # the modules of TransformerLens that turn tokens and positions into vectors


@dataclass(frozen=True)
class RandomModelSettings:
    """Which draw of the weights, and whether the embeddings are drawn anew or kept as they were learned."""

    seed: int = 0
    embeddings: bool = True


class RandomModel(ModelControl):
    """Every parameter tensor is drawn from a Gaussian with the mean and the standard deviation of its own values.

    Weights drawn i.i.d. from a Gaussian are what Heap et al. (2501.17727) train on; matching the moments keeps
    every layer's weights on their scale. A tensor of one value, such as the gain of a layer norm that was never
    trained, has no spread and stays as it is; so do buffers. Activations need not keep their scale: what a trained
    network adds up coherently, a random one does not, most of all where no norm stands between. A recipe with a
    penalty in place of a k, which weighs errors against magnitudes, then lands at another sparsity; read l0 beside
    everything else.
    """

    name = "random_model"
    summary = "The base's recipe on the activations of the same network with every weight drawn anew."
    expectation = (
        "what a metric shows here comes from the tokens, the architecture and the recipe, not from what the model "
        "learned: on the random network's own rows explained_variance, cosine and dead_fraction may be as good as "
        "the base's or better (2501.17727), and then they say nothing about the model; so may pwmcc and mcc, which "
        "are above chance as far as tokens and architecture alone give the rows structure; mse and l1 have the scale "
        "of those rows and compare with nobody's; l0 of an architecture with k is the base's, and with the others "
        "another one where that scale differs; cosine_to_initial is below 1 as for any training; features that the "
        "model learned are not recovered."
    )
    Settings = RandomModelSettings

    def alter(self, network: Network, settings: RandomModelSettings) -> Network:
        import torch

        found: dict[str, Any] = dict(network.named_parameters()) if isinstance(network, torch.nn.Module) else {}
        drawn = {name: value for name, value in found.items() if settings.embeddings or not _is_embedding(name)}
        if not drawn:
            what = "no weights" if not found else "no weights but its embeddings"
            raise EvaluationError(
                f"control {self.name}", f"the model has {what} to draw anew", "leave this control out at this site"
            )
        with torch.no_grad():
            for name, value in drawn.items():
                _draw(value, _generator(settings.seed, name))
        return network


def _is_embedding(name: str) -> bool:
    return name.partition(".")[0] in EMBEDDINGS


def _draw(value: Any, generator: Generator) -> None:
    """Fill a tensor in place; moments in float64, so that a large one loses no digits."""
    import torch

    exact = value.double()
    mean, spread = exact.mean(), exact.std(correction=0)
    value.copy_(torch.randn(value.shape, generator=generator, dtype=torch.float32).double() * spread + mean)


def _generator(seed: int, name: str) -> Generator:
    """A stream for each parameter, so that it is drawn alike whichever others there are."""
    import torch

    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:6], "big"))


@hookimpl
def husai_controls() -> Sequence[AnyControl]:
    return [RandomModel()]
