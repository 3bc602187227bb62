"""A condition: all seeds of one architecture and settings at one site, as a bundle shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from husai_core.subject import ControlOf, Role, Subject


@dataclass(frozen=True)
class Condition:
    """The subjects of a condition, by seed. What they share is read off the first; audit holds them to it."""

    name: str
    subjects: tuple[Subject, ...]

    @property
    def role(self) -> Role:
        return self.subjects[0].role

    @property
    def site(self) -> str:
        return self.subjects[0].site

    @property
    def site_digest(self) -> str:
        return self.subjects[0].site_digest

    @property
    def control(self) -> ControlOf | None:
        return self.subjects[0].control

    @property
    def one_unit(self) -> bool:
        """Whether every seed has the very same control, so that a second seed adds nothing."""
        return self.control is not None and self.control.deterministic

    @property
    def seeds(self) -> frozenset[int]:
        return frozenset(subject.seed for subject in self.subjects)

    @property
    def base(self) -> str:
        """The condition that this one belongs to: what it controls, or itself."""
        return self.control.of if self.control else self.name


def conditions_of(subjects: Mapping[str, Subject]) -> dict[str, Condition]:
    """The conditions of these subjects, by name."""
    groups: dict[str, list[Subject]] = {}
    for subject in subjects.values():
        groups.setdefault(subject.condition, []).append(subject)
    return {
        name: Condition(name, tuple(sorted(group, key=lambda s: (s.seed, s.name))))
        for name, group in sorted(groups.items())
    }
