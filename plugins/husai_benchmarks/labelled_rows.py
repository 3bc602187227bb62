"""Labelled rows: the yes-or-no tasks behind labelled text sets, and the documents that have to be read for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from husai_benchmarks.splits import Split, leak_free, official, official_leakage
from husai_core import EvaluationError, TextSet

Way = Literal["leak-free", "official"]
WAYS = ("leak-free", "official")


@dataclass(frozen=True)
class LabelledRows:
    """One task: documents by their number in a list of texts, and whether each is of the class."""

    name: str  # of the set; with more than two classes, and of the class that is told from all others
    split: Split
    leakage: float  # of this split
    official_leakage: float  # of the split that sae-probes would make, at its sizes


@dataclass(frozen=True)
class Documents:
    """What is read once for all tasks."""

    texts: tuple[str, ...]
    sets: Mapping[str, tuple[LabelledRows, ...]]  # the numbers of their splits count through `texts`


def documents(sets: Mapping[str, TextSet], way: Way, train: int, test: int, seed: int) -> Documents:
    """The tasks of these sets, split with at most `train` and `test` rows each, half of them of the class."""
    texts: dict[str, int] = {}
    found = {}
    for name, rows in sorted(sets.items()):
        kept = _not_blank(rows)
        pool = kept if way == "official" else kept.without_repeats()
        tasks = []
        for task, label in _tasks(kept):
            place = f"benchmark sparse_probing, {task}"
            one = [int(held == label) for held in pool.labels]
            if way == "official":
                split = official(one, train, test, seed, place)
            else:
                split = leak_free(pool.texts, one, train, test, seed, place)
            leak = official_leakage(kept.texts, [int(held == label) for held in kept.labels], seed, place)
            numbered = Split(
                _numbered(split.train, pool.texts, texts),
                split.train_labels,
                _numbered(split.test, pool.texts, texts),
                split.test_labels,
            )
            tasks.append(LabelledRows(task, numbered, split.leakage(pool.texts), leak))
        found[name] = tuple(tasks)
    return Documents(tuple(texts), found)


def _tasks(rows: TextSet) -> list[tuple[str, int]]:
    """The name of each task and the label it asks for: the second of two classes, else every class in turn."""
    present = sorted(set(rows.labels))
    if len(present) < 2:
        rule = "its documents are not labelled" if not present else "all of its documents are of one class"
        raise EvaluationError(f"benchmark sparse_probing, {rows.name}", rule, "name a set with two classes or more")
    if len(present) == 2:
        return [(rows.name, present[1])]
    return [(f"{rows.name} {rows.classes[label] if rows.classes else label}", label) for label in present]


def _not_blank(rows: TextSet) -> TextSet:
    """Blank documents have no token to read."""
    return rows.only([number for number, text in enumerate(rows.texts) if text.strip()])


def _numbered(numbers: Sequence[int], texts: Sequence[str], known: dict[str, int]) -> tuple[int, ...]:
    return tuple(known.setdefault(texts[number], len(known)) for number in numbers)
