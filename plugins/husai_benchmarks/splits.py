"""Splits: which documents a probe is trained on, which validate it, and which test it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from husai_core import EvaluationError
from husai_core.texts import same_text

if TYPE_CHECKING:
    from torch import Tensor

FOLDS = 6
ONE_FOLD_FROM = 128  # training rows: so many that one part of them validates well enough
OFFICIAL_TRAIN = 1024  # rows, where a set has them; at least 100 are left to test
OFFICIAL_TEST = 100


@dataclass(frozen=True)
class Split:
    """Numbers of documents on both sides, each in a random order, and whether each is of the class."""

    train: tuple[int, ...]
    train_labels: tuple[int, ...]
    test: tuple[int, ...]
    test_labels: tuple[int, ...]

    def leakage(self, texts: Sequence[str]) -> float:
        """Share of the test documents that stand, but for case and spacing, among the training documents too."""
        known = {same_text(texts[number]) for number in self.train}
        return sum(same_text(texts[number]) in known for number in self.test) / len(self.test)


def leak_free(texts: Sequence[str], labels: Sequence[int], train: int, test: int, seed: int, place: str) -> Split:
    """As many documents of both classes, no more than asked for; `texts` must not repeat.

    The order is by a digest of seed and text: it is random, and the same however the documents were ordered before.
    Where a class is too small, both sides shrink in proportion.
    """
    digests = [hashlib.sha256(f"{seed}\n{same_text(text)}".encode()).digest() for text in texts]
    order = sorted(range(len(texts)), key=digests.__getitem__)
    sides: dict[str, list[int]] = {"train": [], "test": []}
    found = [[number for number in order if labels[number] == kind] for kind in (0, 1)]
    smallest = min(map(len, found))
    first, rest = train // 2, test // 2
    if smallest < first + rest:
        first = max(2, smallest * first // (first + rest))
        rest = smallest - first
    if rest < 1:
        rule = f"its smaller class has {smallest} different documents"
        raise EvaluationError(place, rule, "leave the set out, or name one with more of each class")
    for numbers in found:
        sides["train"] += numbers[:first]
        sides["test"] += numbers[first : first + rest]
    # Another order than the one drawn by: of a larger class only the first were taken, and they would come first here.
    mixed = [hashlib.sha256(digest).digest() for digest in digests]
    one, other = (sorted(numbers, key=mixed.__getitem__) for numbers in sides.values())
    return Split(tuple(one), tuple(labels[n] for n in one), tuple(other), tuple(labels[n] for n in other))


def official(labels: Sequence[int], train: int, test: int, seed: int, place: str) -> Split:
    """The very rows that sae-probes draws for these sizes and this seed: repeated ones are not looked for."""
    import numpy as np

    rng = np.random.RandomState(seed)
    rows = np.asarray(labels)
    kinds = [np.flatnonzero(rows == kind) for kind in (1, 0)]
    sides = []
    for size in (train, test):
        counts = [math.ceil(size / 2), size - math.ceil(size / 2)]
        if any(count > len(kind) for count, kind in zip(counts, kinds, strict=True)) or not all(counts):
            rule = f"its classes have {[len(kind) for kind in kinds]} rows left where {counts} are to be drawn"
            raise EvaluationError(place, rule, "ask for fewer rows, or take the leak-free split")
        drawn = [rng.choice(kind, size=count, replace=False) for kind, count in zip(kinds, counts, strict=True)]
        kinds = [np.setdiff1d(kind, taken) for kind, taken in zip(kinds, drawn, strict=True)]
        sides.append(np.concatenate(drawn))
    one, other = (tuple(int(n) for n in rng.permutation(side)) for side in sides)
    return Split(one, tuple(labels[n] for n in one), other, tuple(labels[n] for n in other))


def official_leakage(texts: Sequence[str], labels: Sequence[int], seed: int, place: str) -> float:
    """What leaks when all rows of a set are split as sae-probes splits them, at its sizes."""
    even = 2 * min(sum(labels), len(labels) - sum(labels))
    train = min(even - OFFICIAL_TEST, OFFICIAL_TRAIN) if even >= 2 * OFFICIAL_TEST else even // 2
    return official(labels, train, even - train - 1, seed, place).leakage(texts)


def folds(labels: Tensor) -> Tensor:
    """For rows in random order (n), which are trained on in each fold (folds, n), as sae-probes validates its probes.

    Up to 12 rows: every pair of different classes is left out once. Up to 127: six parts, each with its share of both
    classes. More: the last fifth is left out, at most 100 rows.
    """
    import torch

    count = len(labels)
    kinds = [torch.nonzero(labels == kind).flatten() for kind in (0, 1)]
    if count <= 2 * FOLDS:
        left_out = [list(pair) for pair in product(*(kind.tolist() for kind in kinds))]
    elif count < ONE_FOLD_FROM:
        left_out = [torch.cat([kind[fold::FOLDS] for kind in kinds]).tolist() for fold in range(FOLDS)]
    else:
        left_out = [list(range(count - min(count // 5, 100), count))]
    kept = torch.ones(len(left_out), count, dtype=torch.bool)
    for row, numbers in zip(kept, left_out, strict=True):
        row[numbers] = False
    both = [len(labels[~row].unique()) == 2 and len(labels[row].unique()) == 2 for row in kept]
    if not any(both):
        raise ValueError("no fold has both classes on both sides; the rows are not in random order")
    return kept[torch.tensor(both)]
