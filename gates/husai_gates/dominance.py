"""Dominance: at least as good in everything, and better in something; all of it turned so that more is better."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

T = TypeVar("T", float, Fraction)


def dominates(one: Sequence[T], other: Sequence[T]) -> bool:
    """Whether the first is at least as good as the second everywhere, and better somewhere."""
    return all(mine >= theirs for mine, theirs in zip(one, other, strict=True)) and tuple(one) != tuple(other)
