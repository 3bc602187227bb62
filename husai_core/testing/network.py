"""A small network of torch, of two layers, for contracts that need one to look into or to spoil."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

TOKENS, WIDTH = 32, 12
HOOK = "blocks.0.hook_resid_post"


def small_network(layers: int | None = None) -> Any:
    """Embeddings and two layers with weights that are the same on every call; `layers` leaves out those above."""
    import torch

    generator = torch.Generator().manual_seed(21)

    def weights(*shape: int) -> Any:
        return torch.nn.Parameter(torch.randn(*shape, generator=generator))

    class Configuration:
        n_layers = 2

    class Network(torch.nn.Module):  # type: ignore[misc]
        cfg = Configuration()

        def __init__(self) -> None:
            super().__init__()
            self.embed = weights(TOKENS, WIDTH)
            drawn = [weights(WIDTH, WIDTH) for _ in range(2)]
            self.blocks = torch.nn.ParameterList(drawn[:layers])
            self.hook_dict = dict.fromkeys(f"blocks.{layer}.hook_resid_post" for layer in range(len(self.blocks)))

        def run_with_cache(
            self, tokens: Tensor, *, names_filter: Sequence[str], stop_at_layer: int | None
        ) -> tuple[None, Mapping[str, Tensor]]:
            shown, x = {}, self.embed[tokens]
            for layer, block in enumerate(self.blocks):
                x = x + (x @ block).tanh()
                shown[f"blocks.{layer}.hook_resid_post"] = x
            return None, {hook: shown[hook] for hook in names_filter}

    return Network()
