"""`husai audit --policy`: how a bundle was made, held to what a policy asks of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from husai_core.cli import invoke

TOY = Path(__file__).parents[2] / "evidence" / "toy"


def test_a_bundle_that_was_made_as_the_policy_asks_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["audit", str(TOY), "--policy", "toy"]) == 0
    assert "SOUND" in capsys.readouterr().out


def test_a_policy_that_was_not_fixed_before_the_run_is_a_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = tmp_path / "toy.toml"
    moved.write_text((TOY / "policy" / "toy.toml").read_text().replace("at_least = 0.95", "at_least = 0.5"))
    assert invoke(["audit", str(TOY), "--policy", str(moved)]) == 64
    assert "POL-PREREG-MISMATCH" in capsys.readouterr().out


def test_code_that_was_not_committed_is_a_finding_unless_the_policy_takes_any(
    draft, seal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draft.provenance["code"] = {"commit": "0" * 40, "dirty": True, "diff": "sha256:" + "1" * 64}
    for path, raw in seal(draft.content()).items():
        (tmp_path / "bundle" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bundle" / path).write_bytes(raw)
    assert invoke(["audit", str(tmp_path / "bundle")]) == 0
    assert invoke(["audit", str(tmp_path / "bundle"), "--policy", "smoke"]) == 0
    policy = tmp_path / "p.toml"
    policy.write_text(draft.policy)
    capsys.readouterr()
    assert invoke(["audit", str(tmp_path / "bundle"), "--policy", str(policy)]) == 2
    assert "PROV-DIRTY" in capsys.readouterr().out


def test_a_policy_that_is_not_there_is_a_usage_error() -> None:
    assert invoke(["audit", str(TOY), "--policy", "toyy"]) == 64
