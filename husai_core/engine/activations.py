"""Activations at a site: one model pass over the corpus, kept as memory-mapped arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from husai_core import strict_json
from husai_core.errors import UsageError, did_you_mean
from husai_core.evidence import DataSource
from husai_core.model import Corpus, Progress

if TYPE_CHECKING:
    from torch import Tensor
    from transformer_lens import HookedTransformer

ROWS_PER_PASS = 1024
SPLITS = ("train", "test")


def refuse_unknown_hooks(network: HookedTransformer, hooks: tuple[str, ...], place: str) -> None:
    """An error with the near miss when a hook point does not exist in the network."""
    for hook in hooks:
        if hook not in network.hook_dict:
            near = [name for name in network.hook_dict if name.startswith("blocks.")]
            raise UsageError(place, f"the model has no hook point '{hook}'", did_you_mean(hook, near))


def capture(
    network: HookedTransformer, corpus: Corpus, hooks: tuple[str, ...], folder: Path, progress: Progress
) -> None:
    """Write `<split>.<number of the hook>.npy`, rows by position in reading order; upper layers are not run."""
    import numpy
    import torch

    for split in SPLITS:
        rows = getattr(corpus, split)
        parts: dict[str, list[Tensor]] = {hook: [] for hook in hooks}
        for start in range(0, len(rows), ROWS_PER_PASS):
            tokens = corpus.tokens[rows[start : start + ROWS_PER_PASS]]
            with torch.no_grad():
                _, seen = network.run_with_cache(
                    tokens, names_filter=list(hooks), stop_at_layer=_layers_needed(hooks, network.cfg.n_layers)
                )
            for hook in hooks:
                chosen = seen[hook][:, list(corpus.positions)]
                parts[hook].append(chosen.reshape(-1, chosen.shape[-1]).float())
            progress(start / len(rows), f"{split} rows {start}/{len(rows)}")
        for number, hook in enumerate(hooks):
            numpy.save(folder / f"{split}.{number}.npy", torch.cat(parts[hook]).numpy(), allow_pickle=False)


def _layers_needed(hooks: tuple[str, ...], layers: int) -> int | None:
    numbers = [int(m.group(1)) if (m := re.match(r"blocks\.(\d+)\.", hook)) else layers for hook in hooks]
    return max(numbers) + 1 if max(numbers) < layers else None


def load(folder: Path, split: str, number: int) -> Tensor:
    """The rows of one split at one hook, memory-mapped; writes to them stay in memory."""
    import numpy
    import torch

    return torch.from_numpy(numpy.load(folder / f"{split}.{number}.npy", mmap_mode="c", allow_pickle=False))


def sources(site: str, folder: Path) -> dict[str, DataSource]:
    """The digest and row count of every stored array, by file stem."""
    import numpy

    found: dict[str, DataSource] = {}
    for path in sorted(folder.glob("*.npy")):
        rows = int(numpy.load(path, mmap_mode="r", allow_pickle=False).shape[0])
        found[path.stem] = DataSource(f"{site}.{path.stem}", strict_json.digest(path.read_bytes()), rows)
    return found


def data_of(split: str, found: Mapping[str, DataSource]) -> list[DataSource]:
    """The sources of one split, in hook order."""
    return [source for stem, source in sorted(found.items()) if stem.partition(".")[0] == split]
