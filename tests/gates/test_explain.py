"""Explanations say why, and what would change it."""

from __future__ import annotations

from typing import Any

import pytest

from husai_core.errors import UsageError
from husai_gates.explain import explain


def test_one_rule_is_explained_with_its_numbers(good: Any, decide: Any) -> None:
    text = explain(decide(good), "trained")
    assert "Did training help?" in text
    assert "better than control 'untrained' by more than 0.05" in text
    assert "addition.topk against addition.topk.untrained: pass" in text


def test_everything_that_does_not_hold_is_explained(draft: Any, decide: Any) -> None:
    draft.measurement("explained_variance")["observations"][2]["value"] = 0.84
    draft.drop_seed(5)
    text = explain(decide(draft.files()))
    assert "choosing among seeds is not allowed" in text
    assert "EV-SEEDS-MISSING in study.toml" in text


def test_a_rule_that_does_not_exist_is_answered_with_the_nearest(good: Any, decide: Any) -> None:
    with pytest.raises(UsageError, match="did you mean 'trained'"):
        explain(decide(good), "traned")


# What makes a row invalid is a finding of the audit, and is explained there.
_RAISED = r'CannotJudge\(\s*"(?!invalid)\w+", "([A-Z-]+)"'


def test_every_code_a_row_can_have_says_what_would_change_it() -> None:
    import re
    from pathlib import Path

    import husai_gates
    from husai_gates import explain as module

    assert husai_gates.__file__
    folder = Path(husai_gates.__file__).parent
    sources = [*folder.glob("*.py"), *folder.glob("rules/*.py")]
    raised = {code for path in sources for code in re.findall(_RAISED, path.read_text())}
    assert {"EV-UNITS", "CMP-UNITS", "POL-DIRECTION"} <= raised
    assert raised <= set(module._WOULD_CHANGE)
