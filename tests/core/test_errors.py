"""What a person is told after a failed look-up: a near miss that is near, and no more names than can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from husai_core.cli import invoke
from husai_core.errors import did_you_mean

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("wrong", "known", "says"),
    [
        ("loveliness", ["probe_wins", "l0"], "known: l0, probe_wins"),
        ("zerro", ["zero", "one"], "did you mean 'zero'? known: one, zero"),
        ("L0", ["l0", "l1"], "did you mean 'l0'? known: l0, l1"),
        ("x", [], "none exist"),
        (
            "n3",
            [f"n{i}" for i in range(12)],
            f"did you mean 'n3'? known: {', '.join(sorted(f'n{i}' for i in range(12)))}",
        ),
    ],
)
def test_what_is_said(wrong: str, known: list[str], says: str) -> None:
    assert did_you_mean(wrong, known) == says


def test_of_many_names_the_nearest_dozen_is_listed_and_the_rest_is_counted() -> None:
    said = did_you_mean("metric_77x", [f"metric_{i}" for i in range(100)] + ["other"])
    assert said.startswith("did you mean 'metric_77'? known: metric_77, ")
    assert said.endswith(" and 89 more")
    assert "other" not in said
    assert said.count("metric_") == 13


def test_a_policy_that_a_study_names_and_nobody_has_is_said_with_the_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study.toml"
    study.write_text((ROOT / "studies" / "toy.toml").read_text().replace('policy = "toy"', 'policy = "toi"'))
    assert invoke(["run", str(study), "--plan"]) == 64
    error = capsys.readouterr().err
    assert error.startswith(
        f"husai: {study} $.policy: 'toi': there is no shipped policy of this name (did you mean 'toy'?"
    )


@pytest.mark.parametrize("value", ["abc", "1.5"])
def test_a_word_in_place_of_a_whole_number_is_not_called_a_range(
    value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["run", "study.toml", "--threads", value]) == 64
    assert f"'{value}' is not a valid integer. (" in capsys.readouterr().err


def test_the_help_lists_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    from husai_core.errors import ExitCode

    assert invoke(["--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert all(f"{int(code)} " in said.partition("Exit codes: ")[2] for code in ExitCode)
    assert "HUSAI_TRACEBACK=1" in said
