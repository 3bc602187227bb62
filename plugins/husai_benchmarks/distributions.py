"""Distributions: documents of two classes from one place, so that a probe made at home can be tried elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from husai_core import TextSet, UsageError
from husai_core.texts import same_text

FEWEST = 4  # documents of a class in each half; fewer would make folds without one


@dataclass(frozen=True)
class Distribution:
    """Documents of two classes, none twice; class 0 is the one that positive selectivity stands for."""

    name: str
    classes: tuple[str, str]
    texts: tuple[str, ...]
    labels: tuple[int, ...]

    def only(self, numbers: Sequence[int]) -> Distribution:
        """These documents, in this order."""
        texts = tuple(self.texts[n] for n in numbers)
        return Distribution(self.name, self.classes, texts, tuple(self.labels[n] for n in numbers))

    def without(self, others: Sequence[str]) -> Distribution:
        """The documents that are none of the others but for case and spacing."""
        known = {same_text(text) for text in others}
        return self.only([n for n, text in enumerate(self.texts) if same_text(text) not in known])

    def at_most(self, per_class: int, seed: int) -> Distribution:
        """So many documents of each class, drawn at random, in their own order."""
        return self.only(sorted(n for drawn in self._drawn(seed) for n in drawn[:per_class]))

    def halves(self, test_share: float, seed: int) -> tuple[Distribution, Distribution]:
        """Documents to learn from and documents to be judged on, the same share of each class."""
        train: list[int] = []
        test: list[int] = []
        for drawn in self._drawn(seed):
            cut = round(len(drawn) * test_share)
            if min(cut, len(drawn) - cut) < FEWEST:
                rule = f"{len(drawn)} documents of a class are too few for {FEWEST} in each half"
                raise UsageError(f"texts {self.name}", rule, "give more documents, or another test_share")
            test += drawn[:cut]
            train += drawn[cut:]
        return self.only(sorted(train)), self.only(sorted(test))

    def _drawn(self, seed: int) -> list[list[int]]:
        """The documents of each class in random order."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        found = []
        for label in (0, 1):
            members = [n for n, own in enumerate(self.labels) if own == label]
            found.append([members[i] for i in torch.randperm(len(members), generator=generator).tolist()])
        return found


def names_of(sets: str | Sequence[str]) -> tuple[str, ...]:
    """The text sets behind one distribution: a labelled one, or one per class."""
    return (sets,) if isinstance(sets, str) else tuple(sets)


def distribution(
    sets: str | Sequence[str], library: Mapping[str, TextSet], classes: Sequence[str] = ()
) -> Distribution:
    """The documents of two classes of one labelled set, or of two sets of which each is a class."""
    names = names_of(sets)
    if len(names) == 1:
        return _of_labelled(library[names[0]], classes)
    if len(names) != 2:
        raise UsageError(f"texts {', '.join(names)}", f"{len(names)} sets, a class each, are not two", "name two")
    parts = [library[name].without_repeats() for name in names]
    both = tuple(parts[0].texts + parts[1].texts)
    labels = (0,) * len(parts[0].texts) + (1,) * len(parts[1].texts)
    joint = TextSet(" and ".join(names), both, labels, names).without_repeats()
    return Distribution(joint.name, (classes[0], classes[1]) if classes else names, joint.texts, joint.labels)


def _of_labelled(found: TextSet, classes: Sequence[str]) -> Distribution:
    place, listing = f"texts {found.name}", f"its classes: {', '.join(found.classes) or 'none'}"
    if not found.labels:
        raise UsageError(place, "it has no labels", "give a labelled set, or two sets, a class each")
    wanted = tuple(classes) or found.classes
    if len(wanted) != 2:
        raise UsageError(place, f"it has {len(wanted)} classes, and two are told apart", f"set `classes`; {listing}")
    if missing := [name for name in wanted if name not in found.classes]:
        raise UsageError(place, f"it has no class '{missing[0]}'", listing)
    numbers = {found.classes.index(name): label for label, name in enumerate(wanted)}
    kept = found.without_repeats()
    kept = kept.only([n for n, label in enumerate(kept.labels) if label in numbers])
    labels = tuple(numbers[label] for label in kept.labels)
    return Distribution(found.name, (wanted[0], wanted[1]), kept.texts, labels)
