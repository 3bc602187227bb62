"""The corpus of bad bundles: every way to spoil a good bundle that is known, and what a gate must say of it.

Two lines hold a bundle and a policy to all of them:

    from husai_core.testing import corpus
    test_corpus = corpus.against("evidence/toy", "toy")
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from pathlib import Path

from husai_core.bundle import Snapshot
from husai_core.testing.corpus import (
    amendments,
    archives,
    attestations,
    claims,
    comparisons,
    files,
    identity,
    imports,
    plans,
    reading,
    records,
    releases,
    units,
    values,
    waivers,
)
from husai_core.testing.corpus.case import Case
from husai_core.testing.corpus.judging import Outcome, Question, judge, judge_path
from husai_core.testing.corpus.specimen import Good, NotApplicable, Specimen, seal

_FAMILIES = (
    reading, files, values, units, identity, plans, comparisons, records, imports, archives,
    attestations, releases, waivers, amendments, claims,
)  # fmt: skip

CASES: tuple[Case, ...] = tuple(case for module in _FAMILIES for case in module.FAMILY.cases)
QUESTIONS: tuple[Callable[[Good], Question], ...] = tuple(m.FAMILY.question for m in _FAMILIES if m.FAMILY.question)
"""What is asked with more than a bundle: a key, a last release, waivers, another policy, a text. Unspoilt, all hold."""

__all__ = [
    "CASES",
    "QUESTIONS",
    "Case",
    "Good",
    "NotApplicable",
    "Outcome",
    "Question",
    "Specimen",
    "against",
    "judge",
    "judge_path",
    "seal",
]


def against(
    bundle: str | Path | Callable[[], Good], policy: str | Path = "", *, only: Collection[str] | None = None
) -> Callable[..., None]:
    """A pytest test that spoils a released bundle in every way that applies; the others are skipped and say why.

    The bundle is a folder or a zip with the policy that it is judged by, or a function that gives both; `only` names
    the cases to be run, where all would take too long.
    """
    import pytest

    @functools.cache
    def good() -> Good:
        return bundle() if callable(bundle) else Good.at(Path(bundle), policy)

    chosen = [case for case in CASES if only is None or case.id in only]

    @pytest.mark.parametrize("case", [pytest.param(None, id="unspoilt"), *(pytest.param(c, id=c.id) for c in chosen)])
    def test_corpus(case: Case | None) -> None:
        if case is None:
            unspoilt = judge(Snapshot("bundle", good().files), good().policy)
            assert unspoilt.exit_code == 0, f"only a released bundle can be spoilt\n{unspoilt.text}"
            _ask_unspoilt(good())
            return
        try:
            case.check(good())
        except NotApplicable as reason:
            pytest.skip(str(reason))

    return test_corpus


def _ask_unspoilt(good: Good) -> None:
    """What is brought along does no harm while it is good."""
    for question in QUESTIONS:
        try:
            asked = question(good)
        except NotApplicable:
            continue
        found = asked.ask()
        assert found.exit_code == 0, f"{question}: a false alarm\n{found.text}"
