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
