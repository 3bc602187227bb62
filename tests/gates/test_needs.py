"""`husai policy check`: what would satisfy each rule, and what nothing could."""

from __future__ import annotations

from pathlib import Path

import pytest

from husai_core.cli import invoke
from husai_gates import policies
from husai_gates.needs import impossible
from husai_gates.policy import load

OLD = Path(__file__).with_name("strict.toml").read_text()


@pytest.mark.parametrize("name", policies.shipped())
def test_of_every_shipped_policy_every_rule_could_be_satisfied(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["policy", "check", name]) == 0
    said = capsys.readouterr()
    for rule in load(*policies.find(name)).rules:
        assert f"\n{rule.id}\n" in said.out
        assert rule.question in said.out
    assert said.err == ""


def test_it_names_benchmark_rival_and_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "it.toml"
    path.write_text(OLD)
    assert invoke(["policy", "check", str(path)]) == 0
    said = capsys.readouterr().out
    for words in (
        "[[benchmark]] consistency at every site",
        "[[control]] untrained",
        "an [[sae]] with role 'baseline'",
        "given as --baseline",
        "observations by document",
        "5 seeds or more",
    ):
        assert words in said


CANNOT = {
    "the bad side": ("at_most = 0.1", "at_least = 0.1", "POL-DIRECTION"),
    "no better side": ('metric = "pwmcc"', 'metric = "l0"', "POL-DIRECTION"),
    "above what it can be": ("\nat_least = 0.9", "\nat_least = 1.2", "POL-IMPOSSIBLE"),
    "below what it can be": ("at_most = 0.1", "at_most = -0.1", "POL-IMPOSSIBLE"),
}  # fmt: skip


@pytest.mark.parametrize("case", CANNOT)
def test_what_nothing_could_satisfy_is_said(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, code = CANNOT[case]
    assert old in OLD
    text = OLD.replace(old, new, 1)
    assert {finding.code for finding in impossible(load(text.encode(), "it"))} == {code}
    path = tmp_path / "it.toml"
    path.write_text(text)
    assert invoke(["policy", "check", str(path)]) == 64
    assert code in capsys.readouterr().err


UNKNOWN = {
    "metric": ('metric = "pwmcc"', 'metric = "pwmccc"', "better: nobody here has a metric 'pwmccc'", "'pwmcc'"),
    "benchmark": ('= "consistency"', '= "consistancy"', "a benchmark 'consistancy'", "'consistency'"),
    "control": ('control = "untrained"', 'control = "untraind"', "a control 'untraind'", "'untrained'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_nobody_here_has_is_noted_with_the_nearest_and_refused_if_strict(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, says, nearest = UNKNOWN[kind]
    path = tmp_path / "it.toml"
    path.write_text(OLD.replace(old, new, 1))
    assert invoke(["policy", "check", str(path)]) == 0
    said = capsys.readouterr().err
    assert said.startswith("note: ")
    assert says in said
    assert f"did you mean {nearest}? known: " in said
    assert len(said) < 300
    assert invoke(["policy", "check", "--strict", str(path)]) == 64
    assert f"{path} $.rule[2]: better: " in capsys.readouterr().err


def test_what_was_imported_is_called_as_its_program_called_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "it.toml"
    path.write_text(OLD.replace('benchmark = "consistency"', 'benchmark = "theirs"\nsource = "imported"', 1))
    assert invoke(["policy", "check", "--strict", str(path)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", policies.shipped())
def test_every_shipped_policy_names_what_is_here(name: str) -> None:
    assert invoke(["policy", "check", "--strict", name]) == 0


def test_a_policy_without_a_rule_is_no_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "it.toml"
    path.write_text(OLD[: OLD.index("[[family]]")])
    assert invoke(["policy", "check", str(path)]) == 64
    assert "$.rule: GATE-VACUOUS: the policy has no rules" in capsys.readouterr().err
