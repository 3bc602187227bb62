"""Documents drawn from text sets: equally long, in a random order that is theirs alone, and not trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from husai_core import Corpus, EvaluationError, Task, TextSet, UsageError
from husai_core.errors import did_you_mean
from husai_core.texts import same_text

if TYPE_CHECKING:
    from torch import Tensor

OWN = "test rows"  # what the site's own held-out rows are called where a text set would be named
WHOLE = 2**20  # tokens of a document that are looked at for what was trained on


@dataclass(frozen=True)
class Drawn:
    """Documents of one set. Each is read as far as any other of this set, or of another set."""

    name: str
    numbers: tuple[int, ...]  # the place of each document in its set
    tokens: Tensor  # (documents, limit), BOS included
    texts: tuple[str, ...]  # none where they are rows of the site's own corpus
    too_short: float  # shares of the documents that were looked at
    trained_on: float

    @property
    def parts(self) -> list[str]:
        """What the documents are called in observations."""
        return [f"{self.name}, {number}" for number in self.numbers]

    def rows(self, task: Task, condition: str) -> tuple[Tensor, Tensor]:
        """What the model of a condition shows of them, read and to be written: (documents, rows, width) each."""
        import torch

        corpus, limit = task.model.corpus(), self.tokens.shape[1]
        first = first_position(corpus)
        if not self.texts:
            chosen, places = list(self.numbers), [corpus.positions.index(place) for place in range(first, limit)]
            shape = (len(corpus.test), len(corpus.positions), -1)
            x, y = (rows.reshape(shape)[chosen][:, places] for rows in task.own_rows(condition))
            return x, y
        read = task.read(self.texts, limit, condition=condition)
        spans = [(begin + first - 1, end) for begin, end in read.spans]
        x, y = (torch.stack([rows[begin:end] for begin, end in spans]) for rows in (read.rows_in, read.rows_out))
        return x, y


class TrainingRuns:
    """Every run of `length` tokens that stands in a row which the dictionary was trained on."""

    def __init__(self, corpus: Corpus, length: int) -> None:
        import torch

        rows = corpus.tokens[corpus.train]
        if len(rows) > 1 and rows.shape[1] > 1 and bool((rows[:, 0] == rows[0, 0]).all()):
            rows = rows[:, 1:]  # BOS is in every row, and in none of the documents
        self.length = min(length, rows.shape[1])
        self._known = torch.unique(self._hashes(rows))

    def share(self, document: Sequence[int]) -> bool:
        """Whether one of these runs stands in the document, which is given without its BOS."""
        import torch

        if len(document) < self.length:
            return False
        hashes = self._hashes(torch.tensor([document])).flatten()
        places = torch.searchsorted(self._known, hashes).clamp(max=len(self._known) - 1)
        return bool((self._known[places] == hashes).any())

    def _hashes(self, rows: Tensor) -> Tensor:
        """A number of 64 bits for each run of each row; it adds up modulo 2^64, at one multiplier per place."""
        import torch

        generator = torch.Generator().manual_seed(0)
        found = torch.zeros(len(rows), rows.shape[1] - self.length + 1, dtype=torch.int64)
        for place, multiplier in enumerate(torch.randint(2**62, (self.length,), generator=generator) * 2 + 1):
            found += rows[:, place : place + found.shape[1]].long() * multiplier
        return found


@dataclass(frozen=True)
class Wish:
    """How many documents, of how many tokens, and how long a run shared with the training rows rules one out."""

    documents: int
    limit: int
    shared_run: int


def text_set(name: str) -> tuple[str, str | None]:
    """The name of the text set in `source:part#class`, and the class, if one is given."""
    whole, hash_, class_ = name.partition("#")
    return whole, class_ if hash_ else None


def draw(task: Task, name: str, wish: Wish, runs: TrainingRuns) -> Drawn:
    """Documents of the set of that name; of the site's own test rows where the name is empty."""
    return _own(task, wish, runs) if not name else _texts(task, name, wish, runs)


def first_position(corpus: Corpus) -> int:
    """Earlier positions are not read in any set: the dictionary was not trained on them."""
    return max(1, min(corpus.positions))


def _texts(task: Task, name: str, wish: Wish, runs: TrainingRuns) -> Drawn:
    import torch

    whole, class_ = text_set(name)
    texts = task.texts[whole]
    numbers = _of_class(texts, class_, name)
    digests = {number: hashlib.sha256(same_text(texts.texts[number]).encode()).digest() for number in numbers}
    first = {digests[number]: number for number in reversed(numbers)}  # of those that repeat, the first
    order = [first[digest] for digest in sorted(first)]

    def encoded() -> Iterator[tuple[int, list[int]]]:
        for begin in range(0, len(order), 2 * wish.documents):
            chosen = order[begin : begin + 2 * wish.documents]
            yield from zip(chosen, task.model.tokens([texts.texts[n] for n in chosen], WHOLE), strict=True)

    kept, shares = _pick(encoded(), name, wish, runs)
    tokens = torch.tensor([ids[: wish.limit] for _, ids in kept])
    chosen = tuple(number for number, _ in kept)
    return Drawn(name, chosen, tokens, tuple(texts.texts[number] for number in chosen), *shares)


def _own(task: Task, wish: Wish, runs: TrainingRuns) -> Drawn:
    """Rows of the site's corpus in place of documents, as far as the limit."""
    corpus = task.model.corpus()
    first = first_position(corpus)
    wanted = list(range(first, wish.limit))
    if not set(wanted) <= set(corpus.positions):
        rule = f"the site reads positions {first} to {max(corpus.positions)} of a row, not all up to {wish.limit - 1}"
        raise UsageError(f"site {task.site.name}", rule, "lower the setting 'limit', or name a text set as 'home'")
    tokens = corpus.tokens[corpus.test]
    digests = [hashlib.sha256(str(row).encode()).digest() for row in tokens.tolist()]
    order = sorted(range(len(tokens)), key=lambda number: (digests[number], number))
    kept, shares = _pick(((n, tokens[n].tolist()) for n in order), OWN, wish, runs)
    numbers = [number for number, _ in kept]
    return Drawn(OWN, tuple(numbers), tokens[numbers, : wish.limit], (), *shares)


def _of_class(texts: TextSet, class_: str | None, name: str) -> list[int]:
    if class_ is None:
        return list(range(len(texts.texts)))
    if class_ not in texts.classes:
        raise UsageError(f"texts {name}", f"no class '{class_}'", did_you_mean(class_, texts.classes))
    wanted = texts.classes.index(class_)
    return [number for number, label in enumerate(texts.labels) if label == wanted]


def _pick(
    documents: Iterator[tuple[int, list[int]]] | Any, name: str, wish: Wish, runs: TrainingRuns
) -> tuple[list[tuple[int, list[int]]], tuple[float, float]]:
    """The first that are long enough and were not trained on, and which shares of those looked at were not."""
    kept: list[tuple[int, list[int]]] = []
    looked_at = too_short = trained_on = 0
    for number, ids in documents:
        looked_at += 1
        if len(ids) < wish.limit:
            too_short += 1
        elif runs.share(ids[1:]):
            trained_on += 1
        else:
            kept.append((number, ids))
        if len(kept) == wish.documents:
            return kept, (too_short / looked_at, trained_on / looked_at)
    rule = (
        f"of {looked_at} documents {too_short} have fewer than {wish.limit} tokens and {trained_on} share a run of "
        f"{runs.length} with the training rows; {wish.documents} are wanted, {len(kept)} are left"
    )
    raise EvaluationError(f"texts {name}", rule, "ask for fewer 'documents', a lower 'limit', or name another set")
