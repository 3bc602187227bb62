"""A zoo: things that are each wrong in exactly one way, under the check that must catch them and no other may."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import pytest

from husai_core.testing.contract import Check, Contract

Kind = TypeVar("Kind", bound=type)


class Zoo:
    """Classes by the check that must catch each of them."""

    def __init__(self) -> None:
        self._kinds: list[tuple[str, type]] = []

    def caught_by(self, check: str) -> Callable[[Kind], Kind]:
        """Put a class into the zoo, under the check that must catch it."""

        def keep(kind: Kind) -> Kind:
            self._kinds.append((check, kind))
            return kind

        return keep

    def each(self) -> pytest.MarkDecorator:
        """The mark of a test that is given a check and a class, for each class that is here by now."""
        names = [f"{kind.__name__}-{check}" for check, kind in self._kinds]
        return pytest.mark.parametrize(("check", "kind"), self._kinds, ids=names)

    def assert_complete(self, checks: Iterable[Check]) -> None:
        """Every check can fail: something here is caught by it."""
        assert {check for check, _ in self._kinds} == {check.name for check in checks}


def failing(contract: Contract) -> dict[str, str]:
    """What each check that fails says."""
    return {outcome.check.name: outcome.text for outcome in contract.outcomes() if outcome.against}


def assert_caught(seen: Mapping[str, str], check: str) -> None:
    """That check fails and no other, and it says the rule, what was seen and the ways out."""
    assert list(seen) == [check], "\n".join(seen.values())
    for part in ("rule: ", "seen: ", "either fix it, or declare it: ", f"known_failures={{'{check}': 'the reason'}}"):
        assert part in seen[check]
