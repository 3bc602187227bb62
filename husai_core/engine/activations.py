"""Activations at hook points: what a network shows of its corpus, in shards, as far up as the highest hook."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from husai_core.data_source import DataSource
from husai_core.engine.store import Hooks, Shape, Stored
from husai_core.errors import UsageError, did_you_mean
from husai_core.model import Corpus, Network

if TYPE_CHECKING:
    from torch import Tensor

SPLITS = ("train", "test")
ROWS_AT_ONCE = 1024  # rows of tokens in one call of the network, where they are short
TOKENS_AT_ONCE = 4096  # tokens in one call of the network; its memory grows with them
TOKENS_PER_SHARD = 16 * 1024  # what a kill costs at most


def refuse_unknown_hooks(network: Network, hooks: Iterable[str], place: str) -> None:
    """An error with the near miss when a hook point does not exist in the network."""
    for hook in hooks:
        if hook not in network.hook_dict:
            near = [name for name in network.hook_dict if name.startswith("blocks.")] or list(network.hook_dict)
            raise UsageError(place, f"the model has no hook point '{hook}'", did_you_mean(hook, near))


def layers_needed(hooks: Iterable[str]) -> int | None:
    """How many layers must run for these hooks; None where one of them may lie above the last."""
    numbers = []
    for hook in hooks:
        if hook in ("hook_embed", "hook_pos_embed"):
            numbers.append(0)
        elif match := re.match(r"blocks\.(\d+)\.", hook):
            numbers.append(int(match.group(1)) + 1)
        else:
            return None
    return max(numbers)


class NetworkPass:
    """One pass of a network over a corpus. Slices and shards depend on the corpus alone, so that bytes repeat."""

    def __init__(self, network: Network, corpus: Corpus, hooks: Iterable[str]) -> None:
        self._network, self._corpus = network, corpus
        self._hooks = sorted(set(hooks))
        layers = layers_needed(self._hooks)
        self._stop = layers if layers is not None and layers <= network.cfg.n_layers else None
        length = corpus.tokens.shape[1]
        self._slice = max(1, min(ROWS_AT_ONCE, TOKENS_AT_ONCE // length))
        self._slices_per_shard = max(1, TOKENS_PER_SHARD // (self._slice * length))
        shown = self._run(corpus.tokens[:1])
        self._widths = {hook: shown[hook].shape[-1] for hook in self._hooks}

    def shapes(self, hooks: Hooks) -> Mapping[str, Shape]:
        per_row, width = len(self._corpus.positions), sum(self._widths[hook] for hook in hooks)
        return {
            split: Shape(len(rows) * per_row, width, self._slice * self._slices_per_shard * per_row)
            for split, rows in self._split_rows().items()
        }

    def rows(self, split: str, shard: int, hooks: Sequence[Hooks]) -> Iterator[Mapping[Hooks, Tensor]]:
        import torch

        chosen = self._split_rows()[split]
        size = self._slice * self._slices_per_shard
        for numbers in chosen[shard * size : (shard + 1) * size].split(self._slice):
            shown = self._run(self._corpus.tokens[numbers])
            yield {one: torch.cat([shown[hook] for hook in one], -1) for one in hooks}

    def _split_rows(self) -> dict[str, Tensor]:
        return {split: getattr(self._corpus, split) for split in SPLITS}

    def _run(self, tokens: Tensor) -> dict[str, Tensor]:
        """The activations at the chosen positions (rows of the array, width), by hook."""
        import torch

        with torch.no_grad():
            _, shown = self._network.run_with_cache(tokens, names_filter=self._hooks, stop_at_layer=self._stop)
        positions = list(self._corpus.positions)
        return {hook: shown[hook][:, positions].flatten(0, 1).flatten(1).float().cpu() for hook in self._hooks}


def load(path: Path) -> Tensor:
    """The rows of one stored array, memory-mapped; writes to them stay in memory."""
    import numpy
    import torch

    return torch.from_numpy(numpy.load(path, mmap_mode="c", allow_pickle=False))


def rows_of(arrays: Sequence[Mapping[str, Stored]], split: str, *, target: bool = False) -> Tensor:
    """The rows of one split: what is read, or what is to be written."""
    return load(arrays[-1 if target else 0][split].path)


def sources(site: str, arrays: Sequence[Mapping[str, Stored]]) -> dict[str, DataSource]:
    """The digest and row count of every array of a site, by split and number of its side (in, out)."""
    return {
        f"{split}.{number}": DataSource(f"{site}.{split}.{number}", stored.digest, stored.rows)
        for split in sorted(SPLITS)
        for number, stored in enumerate(array[split] for array in arrays)
    }


def data_of(split: str, found: Mapping[str, DataSource]) -> list[DataSource]:
    """The sources of one split, in hook order."""
    return [source for stem, source in sorted(found.items()) if stem.partition(".")[0] == split]
