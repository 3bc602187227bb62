"""Documents read at a site: tokens of any texts, and the activations that the model shows while it reads them."""

from __future__ import annotations

import dataclasses
import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core.benchmark import Read
from husai_core.engine import activations
from husai_core.engine.store import Hooks, Pass, Shape, Stored
from husai_core.errors import Skipped, UsageError
from husai_core.model import Corpus, Network, Progress
from husai_core.site import hooks_of

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.engine.plan import PlannedSite

TOKENS_AT_ONCE = 2048  # with their padding; a matter of memory alone
ROWS_PER_SHARD = 16 * 1024  # what a kill costs at most
SPLIT = "documents"


class DocumentPass:
    """One pass over documents of any lengths, the shortest first, so that next to no padding is computed.

    Padding stands on the right, where no token of a causal model sees it.
    """

    def __init__(
        self, network: Network, documents: Sequence[Sequence[int]], hooks: Sequence[str], last: bool, padding: int = 0
    ) -> None:
        self._network, self._documents, self._hooks, self._last = network, documents, sorted(set(hooks)), last
        self._padding = padding
        layers = activations.layers_needed(self._hooks)
        self._stop = layers if layers is not None and layers <= network.cfg.n_layers else None
        self._order = by_length(documents)
        self._widths = {hook: rows.shape[-1] for hook, rows in self._run(documents[:1]).items()}
        counts = rows_of(documents, last=last)
        self._slices = [  # documents, and the rows of the array that they fill
            (self._order[begin:end], sum(counts[n] for n in self._order[begin:end]))
            for begin, end in _slices([len(documents[n]) for n in self._order])
        ]
        self._rows = sum(counts)
        self._kept: tuple[int, dict[str, Tensor]] | None = None  # a slice may reach into the next shard

    def shapes(self, hooks: Hooks) -> Mapping[str, Shape]:
        return {SPLIT: Shape(self._rows, sum(self._widths[hook] for hook in hooks), ROWS_PER_SHARD)}

    def rows(self, split: str, shard: int, hooks: Sequence[Hooks]) -> Iterator[Mapping[Hooks, Tensor]]:
        import torch

        first, end = shard * ROWS_PER_SHARD, min(self._rows, (shard + 1) * ROWS_PER_SHARD)
        begin = 0
        for number, (_, count) in enumerate(self._slices):
            low, high = max(first - begin, 0), min(end - begin, count)
            begin += count
            if low < high:
                shown = self._slice(number)
                yield {one: torch.cat([shown[hook][low:high] for hook in one], -1) for one in hooks}

    def _slice(self, number: int) -> dict[str, Tensor]:
        if self._kept is None or self._kept[0] != number:
            self._kept = number, self._run([self._documents[n] for n in self._slices[number][0]])
        return self._kept[1]

    def _run(self, documents: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """The activations of every token after the first (or of the last one), by hook."""
        import torch

        lengths = torch.tensor([len(document) for document in documents])
        tokens = torch.full((len(documents), int(lengths.max())), self._padding)
        for row, document in zip(tokens, documents, strict=True):
            row[: len(document)] = torch.tensor(document)
        places = torch.arange(tokens.shape[1])
        read = places == lengths[:, None] - 1 if self._last else (places > 0) & (places < lengths[:, None])
        with torch.no_grad():
            _, shown = self._network.run_with_cache(tokens, names_filter=self._hooks, stop_at_layer=self._stop)
        return {hook: shown[hook][read].flatten(1).float().cpu() for hook in self._hooks}


def _digest(documents: Sequence[Sequence[int]]) -> str:
    hasher = hashlib.sha256()
    for document in documents:
        hasher.update(array("q", [len(document), *document]).tobytes())
    return "sha256:" + hasher.hexdigest()


def by_length(documents: Sequence[Sequence[int]]) -> list[int]:
    """The numbers of the documents, the shortest first: the order of their rows in an array."""
    return sorted(range(len(documents)), key=lambda number: (len(documents[number]), number))


def rows_of(documents: Sequence[Sequence[int]], *, last: bool) -> list[int]:
    """How many rows each document has: the first token, BOS, is never read."""
    return [1 if last else len(document) - 1 for document in documents]


def _slices(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of documents that fit into one call of the network, given in rising order of length."""
    begin = 0
    for end in range(1, len(lengths) + 1):
        if end == len(lengths) or (end + 1 - begin) * lengths[end] > TOKENS_AT_ONCE:
            yield begin, end
            begin = end


Fill = Callable[[Mapping[Hooks, Any], Callable[[], Pass], Progress], Mapping[Hooks, Mapping[str, Stored]]]
"""Arrays by what they depend on, made where missing."""

Alter = Callable[[Network], Network]
"""Another network, made of the one given, which may be changed."""


@dataclass(frozen=True)
class SiteReader:
    """What a benchmark may ask of the model under one site."""

    site: PlannedSite
    trained: Path
    depends_on: Mapping[str, Any]  # the model's weights and who made it
    read_corpus: Callable[[], Corpus]
    fill: Fill
    alter: Alter | None = None

    def of_other(self, alter: Alter, depends_on: Any) -> SiteReader:
        """The reader of another network, made of this one's."""
        return dataclasses.replace(self, alter=alter, depends_on={**self.depends_on, "altered": depends_on})

    @property
    def predicts_next(self) -> bool:
        """Whether the network predicts, at each position of the corpus, the token after it."""
        return bool(self.site.model.item.predicts_next)

    def network(self) -> Network:
        """The whole network, every layer of it."""
        network: Network = self.site.model.item.load(self.site.model.settings, self.site.model_seed, self.trained)
        return self.alter(network) if self.alter else network

    def corpus(self) -> Corpus:
        """The token rows behind the activations of the site."""
        return self.read_corpus()

    def folder(self) -> Path:
        """Where the network lies as it was prepared, for a program that is handed it; skipped where it does not."""
        if self.alter is not None:
            rule = "the network of this control is made anew each time and lies nowhere"
            raise Skipped(f"site {self.site.name}", rule, "leave this control out")
        return self.trained

    def tokens(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        """Each document as the model reads it: BOS, then at most `limit - 1` tokens."""
        if limit < 2:
            raise UsageError(f"site {self.site.name}", f"documents of {limit} tokens hold BOS alone", "read 2 or more")
        model, settings, seed = self.site.model.item, self.site.model.settings, self.site.model_seed
        found: list[list[int]] = [ids[:limit] for ids in model.encode(settings, seed, self.trained, texts)]
        empty = next((number for number, ids in enumerate(found) if len(ids) < 2), None)
        if empty is not None:
            raise UsageError(f"site {self.site.name}", f"document {empty} has no token", "leave empty documents out")
        return found

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """The text of each of these runs of tokens."""
        model, settings, seed = self.site.model.item, self.site.model.settings, self.site.model_seed
        found: list[str] = model.decode(settings, seed, self.trained, tokens)
        return found

    def read(self, texts: Sequence[str], limit: int, *, last: bool, progress: Progress) -> Read:
        """The activations at the site while the model reads each document, shared by all who ask for the same."""
        import torch

        documents = self.tokens(texts, limit)
        sides = list(dict.fromkeys([hooks_of(self.site.hook_in), hooks_of(self.site.hook_out)]))
        digest = _digest(documents)
        about = {"work": "documents", **self.depends_on, "documents": digest, "last": last}
        arrays = self.fill(
            {hooks: {**about, "hooks": list(hooks)} for hooks in sides},
            lambda: self._begin(documents, limit, last),
            progress,
        )
        rows = [activations.load(arrays[hooks][SPLIT].path) for hooks in (sides[0], sides[-1])]
        counts = rows_of(documents, last=last)
        order = by_length(documents)
        ends = torch.tensor([counts[number] for number in order]).cumsum(0).tolist()
        spans: list[tuple[int, int]] = [(0, 0)] * len(documents)
        for number, end in zip(order, ends, strict=True):
            spans[number] = (end - counts[number], end)
        return Read(rows[0], rows[1], tuple(spans), tuple(tuple(d[-1:] if last else d[1:]) for d in documents))

    def _begin(self, documents: Sequence[Sequence[int]], limit: int, last: bool) -> Pass:
        hooks = [*hooks_of(self.site.hook_in), *hooks_of(self.site.hook_out)]
        model = self.site.model.item
        layers = activations.layers_needed(hooks)
        network = model.load_reader(self.site.model.settings, self.site.model_seed, self.trained, layers, limit)
        return DocumentPass(self.alter(network) if self.alter else network, documents, hooks, last)
