"""The stage: a site with a known-good and a known-bad subject, rows, labelled documents and a model that reads them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core.benchmark import Read, Reader
from husai_core.errors import Skipped
from husai_core.model import Corpus, Depth, Known, Network, Progress
from husai_core.sae import Coder
from husai_core.site import Site
from husai_core.testing.plain import (
    LATENTS,
    ROWS,
    bad_coders,
    codes,
    good_coders,
    true_directions,
)
from husai_core.texts import TextPair, TextSet

if TYPE_CHECKING:
    from torch import Tensor

HOOK = "blocks.0.hook_resid_post"
BOS = 0
OF_A_CLASS = (1, 2)  # the word that a document of that class has more often
COMMON = range(3, LATENTS)
DOCUMENTS, WORDS = 220, 40  # of each class in a set; in each document

Texts = Callable[[str], TextSet]


@dataclass(frozen=True)
class Stage:
    """What a benchmark is shown. `good` is better than `bad` by construction, with the same seeds."""

    good: tuple[Coder, ...]
    bad: tuple[Coder, ...]
    rows_in: Tensor  # (rows, d_in)
    rows_out: Tensor  # (rows, d_out)
    known: Known = field(default_factory=Known)
    texts: Texts = field(default_factory=lambda: documents)
    reader: Reader | None = None
    hook_out: Any = HOOK

    @property
    def conditions(self) -> Mapping[str, tuple[Coder, ...]]:
        return {"good": self.good, "bad": self.bad}

    @property
    def site(self) -> Site:
        return Site("stage", "stage", HOOK, self.hook_out)


def stage() -> Stage:
    """Rows that are sums of few true directions, which the good subject has and the bad one has not."""
    true = codes(ROWS, 1)
    rows = true @ true_directions()
    known = Known({"features": true}, {"features": true_directions().clone()})
    return Stage(good_coders(), bad_coders(), rows, rows, known, documents, WordReader())


def documents(name: str) -> TextSet:
    """A set of that name: two classes by turns, told apart by a word each; neighbours are pairs of a contrast."""
    return _documents(name)


@cache
def _documents(name: str) -> TextSet:
    drawn = random.Random(hashlib.sha256(name.encode()).digest())
    texts, labels, pairs = [], [], []
    for number in range(2 * DOCUMENTS):
        label = number % 2
        words = [OF_A_CLASS[label] if drawn.random() < 0.12 else drawn.choice(COMMON) for _ in range(WORDS)]
        words[-1] = OF_A_CLASS[label] if drawn.random() < 0.7 else drawn.choice(COMMON)
        texts.append(" ".join(f"w{word}" for word in words))
        labels.append(label)
        if label:
            pairs.append(TextPair(number - 1, number, f"w{words[0]}"))
    return TextSet(name, tuple(texts), tuple(labels), ("no", "yes"), tuple(pairs))


def random_labels(draw: int) -> Texts:
    """The same documents, as many of each class, but which one is of which says nothing about its words."""

    def of(name: str) -> TextSet:
        whole = documents(name)
        labels = list(whole.labels)
        random.Random(f"{draw} {name}").shuffle(labels)
        return TextSet(name, whole.texts, tuple(labels), whole.classes, whole.pairs)

    return of


def tokens_of(text: str) -> list[int]:
    """The first of all tokens, then one per word."""
    return list(_tokens_of(text))


@lru_cache(maxsize=4096)
def _tokens_of(text: str) -> tuple[int, ...]:
    return (BOS, *(int(w[1:]) % LATENTS if w[1:].isdecimal() else len(w) % LATENTS for w in text.split()))


class WordReader:
    """A model that shows, at each word, the direction of that word and something of the one before."""

    predicts_next = False

    def __init__(self, spoil: Callable[[Tensor], Tensor] = lambda rows: rows) -> None:
        self.spoil = spoil

    def read(self, texts: Sequence[str], limit: int, *, last: bool = False, progress: Progress | None = None) -> Read:
        import torch

        runs = self.tokens(texts, limit)
        places: list[int] = []
        spans, kept, begin = [], [], 0  # a word shows the one before too, and so nothing of another run
        for run, end in zip(runs, accumulate(map(len, runs)), strict=True):
            read = run[-1:] if last else run[1:]
            places += range(end - len(read), end)
            spans.append((begin, begin + len(read)))
            kept.append(read)
            begin += len(read)
        shown = _shown(torch.tensor([token for run in runs for token in run]))
        rows = self.spoil(shown[torch.tensor(places)])
        return Read(rows, rows, spans, kept)

    def tokens(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        return [tokens_of(text)[:limit] for text in texts]

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        return [" ".join(f"w{token}" for token in run) for run in tokens]

    def network(self) -> Network:
        return _Words()

    def corpus(self) -> Corpus:
        import torch

        tokens = torch.randint(1, LATENTS, (ROWS, 8), generator=torch.Generator().manual_seed(2))
        tokens[:, 0] = BOS
        return Corpus(tokens, tuple(range(1, 8)), torch.arange(ROWS // 2), torch.arange(ROWS // 2, ROWS))

    def folder(self) -> Path:
        raise Skipped("the stage", "no network was prepared there", "give a stage with one")


class _OneLayer:
    n_layers = 1


class _Words:
    """Its network: no layers, and no predictions."""

    def __init__(self) -> None:
        self.cfg: Depth = _OneLayer()
        self.hook_dict: Mapping[str, Any] = {HOOK: None}

    def run_with_cache(
        self, tokens: Tensor, *, names_filter: list[str], stop_at_layer: int | None
    ) -> tuple[None, Mapping[str, Tensor]]:
        return None, {hook: _shown(tokens) for hook in names_filter}


def _shown(tokens: Tensor) -> Tensor:
    directions = true_directions()[tokens]
    before = directions.roll(1, -2)
    before[..., 0, :] = 0
    return 1.5 * directions + 0.3 * before
