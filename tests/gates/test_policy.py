"""Policies: parsed strictly, refused with the place and the nearest key, found by name or path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from husai_core import strict_json
from husai_core.errors import UsageError
from husai_gates import policies, policy
from husai_gates.requirement import requirement


def test_every_shipped_policy_loads_and_gives_a_real_reason_for_every_rule() -> None:
    assert "toy" in policies.shipped()
    for name in policies.shipped():
        raw, place = policies.find(name)
        loaded = policy.load(raw, place)
        assert loaded.name == name
        assert loaded.digest == strict_json.digest(raw)
        assert all(len(rule.reason) > 40 for rule in loaded.rules)
        assert all(requirement(rule) for rule in loaded.rules)


def test_rules_inherit_confidence_and_units(test_policy: str) -> None:
    rules = {rule.id: rule for rule in policy.load(test_policy.encode(), "p").rules}
    assert rules["explains"].confidence == 0.95
    assert rules["explains"].min_units == 3
    assert rules["instrument"].against == "chance"
    assert str(rules["trained"].against) == "control 'untrained'"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("at_least = 0.9", "at_leest = 0.9", "did you mean 'at_least'"),
        ("min_units", "min_unit", "did you mean 'min_units'"),
        ('kind = "equivalence"', 'kind = "equivalent"', "did you mean 'equivalence'"),
        ("at_least = 0.9", "at_least = nan", "finite"),
        ("at_most = 0.5", "at_most = inf", "finite"),
        ("at_most = 0.5", "at_most = true", "must be of type number"),
        ('id = "alive"', 'id = "explains"', "stands twice"),
        ('reason = "It must be."', "", "'reason' is missing"),
        ("confidence = 0.95", "confidence = 0.3", "exclusiveMinimum"),
        ("min_units = 3", "min_units = 1", "minimum is 2"),
        ("preregistered = true", "preregistered = true\npreregistered = true", "not TOML"),
        ("husai:policy/v1", "husai:policy/v9", "install a newer husai"),
        ("husai:policy/v1", "husai:policy/v01", "must be 'husai:policy/v1'"),
        ('id = "alive"', 'id = "alive\\n"', "must match"),
    ],
)
def test_a_policy_with_a_mistake_is_refused(test_policy: str, old: str, new: str, message: str) -> None:
    assert old in test_policy
    with pytest.raises(UsageError, match=re.escape(message)) as stop:
        policy.load(test_policy.replace(old, new, 1).encode(), "the-place.toml")
    assert stop.value.place.startswith("the-place.toml")
    assert stop.value.exit_code == 64


@pytest.mark.parametrize("raw", [b"\xff", b"a = [" * 5000, b"x" * (2**20 + 1), b"rule = 3", b"[[rule]]\nkind = 3", b""])
def test_bytes_that_are_no_policy_are_refused_without_a_traceback(raw: bytes) -> None:
    with pytest.raises(UsageError):
        policy.load(raw, "p")


def test_a_policy_is_found_by_path_and_a_wrong_name_lists_the_known(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"x = 1")
    assert policies.find(str(path)) == (b"x = 1", str(path))
    assert policies.find(path) == (b"x = 1", str(path))
    with pytest.raises(UsageError, match="did you mean 'toy'"):
        policies.find("tox")
    with pytest.raises(UsageError, match="cannot be read"):
        policies.find(str(tmp_path / "none.toml"))
