"""Strictness: every way to ask for less is found, no way to ask for more is taken for one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from husai_core.cli import invoke
from husai_gates import policies
from husai_gates.policy import load
from husai_gates.strictness import weakened

OLD = Path(__file__).with_name("strict.toml").read_text()
LAST = OLD[OLD.rindex("[[rule]]") :]

WEAKER = {
    "a rule gone": (LAST, "", "$.rule.no-regression"),
    "a floor lowered": ("\nat_least = 0.9", "\nat_least = 0.89", "$.rule.explains.at_least"),
    "a floor gone": ("\nat_least = 0.9", "", "$.rule.explains.at_least"),
    "the worst unit let go": ("worst_at_least = 0.8", "worst_at_least = 0.7", "$.rule.explains.worst_at_least"),
    "a ceiling raised": ("at_most = 0.1", "at_most = 0.11", "$.rule.alive.at_most"),
    "less confidence": ("confidence = 0.95", "confidence = 0.9", "$.rule.explains.confidence"),
    "less confidence in one rule": ("at_most = 0.1", "at_most = 0.1\nconfidence = 0.6", "$.rule.alive.confidence"),
    "fewer seeds": ("min_units = 5", "min_units = 2", "$.rule.explains.min_units"),
    "a smaller gain": ("margin = 0.05\nfamily", "margin = 0.04\nfamily", "$.rule.better.margin"),
    "a larger loss": ('"baseline" }\nmargin = 0.05', '"baseline" }\nmargin = 0.06', "$.rule.not-worse.margin"),
    "a larger regression": ("margin = 0.05\nmax_age", "margin = 0.5\nmax_age", "$.rule.no-regression.margin"),
    "an easier rival": ('control = "untrained"', 'control = "random_decoder"', "$.rule.better.against"),
    "another metric": ('metric = "pwmcc"', 'metric = "mcc"', "$.rule.better.metric"),
    "another kind": (
        'kind = "threshold"\nbenchmark = "reconstruction"\nmetric = "dead_fraction"\n',
        'kind = "range"\nbenchmark = "reconstruction"\nmetric = "dead_fraction"\nat_least = 0.0\n',
        "$.rule.alive.kind",
    ),
    "one site of several": ('id = "alive"', 'id = "alive"\nsite = "layer9"', "$.rule.alive.site"),
    "other subjects": ('id = "alive"', 'id = "alive"\nsubject = { role = "baseline" }', "$.rule.alive.subject"),
    "seeds alone": ('units = "seeds_and_parts"', 'units = "seeds"', "$.rule.alive.units"),
    "no longer fixed before the run": ("preregistered = true", "preregistered = false", "$.preregistered"),
    "waivable": ('id = "alive"', 'id = "alive"\nwaivable = true', "$.rule.alive.waivable"),
    "waived for longer": ("waiver_days = 10", "waiver_days = 11", "$.waiver_days"),
    "a larger family error": ("error = 0.025", "error = 0.05", "$.family.claims.error"),
    "less need be alike": ('comparable = ["data", "budget"]', 'comparable = ["budget"]', "$.rule.not-worse.comparable"),
    "more tolerance": ("steps = 0.1", "steps = 0.2", "$.rule.not-worse.tolerance.steps"),
    "an older release": ("max_age_days = 90", "max_age_days = 900", "$.rule.no-regression.max_age_days"),
    "a release of any age": ("max_age_days = 90\n", "", "$.rule.no-regression.max_age_days"),
}  # fmt: skip

STRICTER = {
    "a floor raised": ("\nat_least = 0.9", "\nat_least = 0.95"),
    "a ceiling lowered": ("at_most = 0.1", "at_most = 0.05"),
    "more confidence": ("confidence = 0.95", "confidence = 0.99"),
    "more seeds": ("min_units = 5", "min_units = 8"),
    "other words": ("It should.", "It should, because it must."),
    "a new rule": (LAST, LAST + LAST.replace("no-regression", "another")),
    "more need be alike": ('["data", "budget"]', '["data", "budget", "site"]'),
    "less tolerance": ("steps = 0.1", "steps = 0.05"),
    "a younger release": ("max_age_days = 90", "max_age_days = 30"),
    "waived for less": ("waiver_days = 10", "waiver_days = 5"),
}


def changed(old: str, new: str) -> str:
    assert old in OLD, f"{old!r} is no longer in the policy"
    return OLD.replace(old, new, 1)


def paths(text: str) -> set[str]:
    return {finding.path for finding in weakened(load(OLD.encode(), "old"), load(text.encode(), "new"))}


@pytest.mark.parametrize("case", WEAKER)
def test_what_asks_for_less_is_found(case: str) -> None:
    old, new, path = WEAKER[case]
    if case == "a larger family error":
        path = "$.family.claims"
    assert path in paths(changed(old, new))


@pytest.mark.parametrize("case", STRICTER)
def test_what_asks_for_as_much_is_not(case: str) -> None:
    assert paths(changed(*STRICTER[case])) == set()


def test_leaving_a_family_is_found() -> None:
    alone = OLD.replace('\nfamily = "claims"', "").replace(OLD[OLD.index("[[family]]") : OLD.index("[[rule]]")], "")
    assert {"$.rule.better.family", "$.rule.not-worse.family"} <= paths(alone)


@pytest.mark.parametrize("name", policies.shipped())
def test_a_shipped_policy_is_as_strict_as_itself(name: str) -> None:
    raw, place = policies.find(name)
    assert list(weakened(load(raw, place), load(raw, place))) == []


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "policies" / "it.toml"
    path.parent.mkdir()
    path.write_text(OLD)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "policy"]):
        subprocess.run([*git, *command], check=True)
    return path


def test_lint_compares_with_a_revision(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["policy", "lint", str(repository), "--against", "HEAD"]) == 0
    assert "as strict as at HEAD: 5 rules" in capsys.readouterr().out
    repository.write_text(changed("\nat_least = 0.9", "\nat_least = 0.5"))
    assert invoke(["policy", "lint", str(repository), "--against", "HEAD"]) == 64
    said = capsys.readouterr().out
    assert "$.rule.explains.at_least: POL-WEAKENED: was 0.9, is 0.5" in said


def test_a_policy_that_moved_must_say_where_it_was(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = repository.with_name("moved.toml")
    moved.write_text(OLD)
    assert invoke(["policy", "lint", str(moved), "--against", "HEAD"]) == 64
    assert "--was" in capsys.readouterr().err
    assert invoke(["policy", "lint", str(moved), "--against", "HEAD", "--was", "policies/it.toml"]) == 0
    for revision in ("nowhere", "-n"):
        assert invoke(["policy", "lint", str(moved), f"--against={revision}"]) == 64
