"""Probe scores: probes with their penalty chosen on validation rows, and how they do on test rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from husai_benchmarks.classification import accuracy, auc, weighted_f1
from husai_benchmarks.probes import choose
from husai_benchmarks.splits import folds

if TYPE_CHECKING:
    from torch import Tensor

Scores = Mapping[str, Mapping[str, float]]  # by task: auc, accuracy, f1, and validation, the AUC on validation rows
Rows = tuple["Tensor", "Tensor", "Tensor", "Tensor"]  # training rows, test rows, and the labels of both


def probed(rows: Mapping[str, Rows], strengths: tuple[float, ...], k: int | None = None) -> Scores:
    """The scores of every task on its first k columns: tasks of the same size are solved together."""
    import torch

    groups: dict[tuple[int, ...], list[str]] = {}
    validated = {name: folds(labels) for name, (_, _, labels, _) in rows.items()}
    for name, (train, test, _, _) in rows.items():
        groups.setdefault((len(train), len(test), len(validated[name])), []).append(name)
    found: dict[str, dict[str, float]] = {}
    for names in groups.values():
        train, test, labels, truth = (torch.stack(parts) for parts in zip(*(rows[n] for n in names), strict=True))
        probes, seen = choose(train[..., :k], labels, torch.stack([validated[n] for n in names]), strengths)
        values = probes.decide(test[..., :k])
        scores = {
            "auc": auc(values, truth),
            "accuracy": accuracy(values, truth),
            "f1": weighted_f1(values, truth),
            "validation": seen,
        }
        for place, name in enumerate(names):
            found[name] = {score: float(numbers[place]) for score, numbers in scores.items()}
    return found
