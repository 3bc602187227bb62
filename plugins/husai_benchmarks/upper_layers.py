"""Upper layers: a transformer run once up to some hook points, and as often as wanted from there on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CleanRun:
    """What a network shows of a batch of tokens when nothing is replaced."""

    tokens: Tensor  # (rows, length)
    logits: Tensor  # (rows, length, vocabulary)
    begin: Tensor  # what the upper layers are given: the residual stream before them, or the tokens
    shown: Mapping[str, Tensor]  # by hook point (rows, length, ...)

    def rows(self, positions: Sequence[int]) -> Tensor:
        """The activations at these positions as rows of a site: (rows x positions, width), hooks side by side."""
        import torch

        parts = [part[:, list(positions)].flatten(0, 1).flatten(1) for part in self.shown.values()]
        return torch.cat(parts, -1)

    def spliced(self, rows: Tensor, positions: Sequence[int]) -> dict[str, Tensor]:
        """The activations with these rows, laid out as `rows` gives them, put in their place."""
        found, begin = {}, 0
        for hook, clean in self.shown.items():
            width = clean[0, 0].numel()
            part = rows[:, begin : begin + width]
            begin += width
            found[hook] = clean.clone()
            found[hook][:, list(positions)] = part.reshape(len(clean), len(positions), *clean.shape[2:])
        return found


class UpperLayers:
    """A HookedTransformer from the lowest block on that any of these hook points can change."""

    def __init__(self, network: Any, hooks: Sequence[str]) -> None:
        self._network, self._hooks = network, tuple(hooks)
        depth = network.cfg.n_layers
        own = re.fullmatch(r"blocks\.(\d+)\.hook_resid_post", self._hooks[0])
        self._given = own is not None and len(self._hooks) == 1  # the hook point is all that the upper layers read
        if own and self._given:
            self._first: int | None = int(own.group(1)) + 1
        else:
            firsts = [_block(hook, depth) for hook in self._hooks]
            self._first = None if None in firsts else min(first for first in firsts if first is not None)
        if network.cfg.positional_embedding_type == "shortformer":  # each block also reads the positions
            self._first, self._given = None, False

    def clean(self, tokens: Tensor) -> CleanRun:
        """One run of the whole network."""
        kept: dict[str, Tensor] = {}

        def keep(activation: Tensor, hook: Any) -> None:
            kept[hook.name] = activation.clone()

        wanted = dict.fromkeys(self._hooks)
        before = self._before()
        if before is not None:
            wanted[before] = None
        logits = self._network.run_with_hooks(tokens, return_type="logits", fwd_hooks=[(w, keep) for w in wanted])
        begin = tokens if before is None else kept[before]
        return CleanRun(tokens, logits, begin, {hook: kept[hook] for hook in self._hooks})

    def logits(self, clean: CleanRun, replaced: Mapping[str, Tensor]) -> Tensor:
        """The logits where every hook point shows the tensor given for it; the layers below are not run again."""
        if self._given:
            (begin,) = replaced.values()
            alike = bool((begin == begin[:1]).all())  # as where every activation is ablated
            rows = begin[:1] if alike else begin
            found: Tensor = self._network(rows, start_at_layer=self._first, return_type="logits")
            return found.expand(len(begin), -1, -1)

        def put(activation: Tensor, hook: Any) -> Tensor:
            return replaced[hook.name]

        where = {} if self._first is None else {"start_at_layer": self._first}
        hooks = [(hook, put) for hook in self._hooks]
        found = self._network.run_with_hooks(clean.begin, return_type="logits", fwd_hooks=hooks, **where)
        return found

    def _before(self) -> str | None:
        """The hook point of the residual stream that enters the upper layers; None where they begin at the tokens."""
        if self._first is None:
            return None
        depth = self._network.cfg.n_layers
        return f"blocks.{self._first}.hook_resid_pre" if self._first < depth else f"blocks.{depth - 1}.hook_resid_post"


def _block(hook: str, depth: int) -> int | None:
    """The block in which a hook point lies; `depth` above the last, None below the first."""
    if match := re.match(r"blocks\.(\d+)\.", hook):
        return int(match.group(1))
    return depth if hook.startswith(("ln_final.", "unembed.")) else None
