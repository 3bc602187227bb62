"""Every code that the source can give is accounted for, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from husai_core.cli import invoke
from husai_core.errors import ExitCode, UsageError
from husai_gates.codes import ANSWERS, CODES, GROUPS, ONLY_ROWS, account, exit_of, group_of

ROOT = Path(__file__).parents[2]
_CODE = re.compile(rf"\b(?:{'|'.join(GROUPS)})(?:-[A-Z]+)+\b")
_LITERAL = re.compile(r"[\"'\[]([A-Z]{2,}(?:-[A-Z0-9]+)+)[\"':\]]")
_NO_CODES = {"UTF-8", "NOT-PROVEN"}


def sources() -> list[Path]:
    folders = ("husai_core", "gates", "plugins", "schemas/husai_schemas")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return [path for path in found if path.name != "codes.py" and "testing" not in path.parts]


def given() -> set[str]:
    return {code for path in sources() for code in _CODE.findall(path.read_text())}


def test_every_code_of_the_source_is_accounted_for_and_no_other() -> None:
    assert len(given()) > 80
    assert given() | {"WAIVED"} == set(CODES)


def test_every_word_that_looks_like_a_code_is_of_a_known_group() -> None:
    found = {word for path in sources() for word in _LITERAL.findall(path.read_text())}
    assert {group_of(word) for word in found - _NO_CODES} <= set(GROUPS)


@pytest.mark.parametrize("code", CODES)
def test_an_account_says_what_is_meant_and_what_would_change_it(code: str) -> None:
    meaning, remedy = CODES[code]
    assert meaning.endswith(".")
    assert remedy.endswith(".")
    assert meaning != remedy
    text = account(code)
    assert meaning in text
    assert remedy in text


def test_a_finding_has_an_exit_code_and_an_answer_has_none() -> None:
    assert {exit_of(code) is None for code in CODES if group_of(code) in ANSWERS} == {True}
    assert exit_of("EV-DIGEST") is ExitCode.INVALID
    assert exit_of("POL-WEAKENED") is ExitCode.USAGE
    assert exit_of("EV-ABSENT") is ExitCode.NOT_RELEASED


_OF_A_ROW = re.compile(r'"(fail|missing|invalid|inconclusive|error)",\s*"([A-Z-]+)"')
_NO_FINDINGS = {"choice.py", "contrasts.py"}  # codes of points without a score, pairs without a gain


def test_the_codes_of_rows_alone_are_those_that_no_finding_has_and_they_bar_the_release() -> None:
    rows: dict[str, set[str]] = {}
    rest: set[str] = set()
    for path in sources():
        text = path.read_text()
        for status, code in _OF_A_ROW.findall(text):
            rows.setdefault(code, set()).add(status)
        if path.name not in _NO_FINDINGS:
            rest |= set(re.findall(r'"([A-Z-]+)"', _OF_A_ROW.sub("", text)))
    alone = {code for code in rows.keys() - rest if code in CODES and group_of(code) == "EV"}
    assert alone == set(ONLY_ROWS)
    assert {status for code in alone for status in rows[code]} <= {"missing", "inconclusive"}
    assert {exit_of(code) for code in ONLY_ROWS} == {ExitCode.NOT_RELEASED}
    assert account("EV-ZERO-WIDTH").startswith("EV-ZERO-WIDTH (exit 2)")
    assert "continuous=False" in account("EV-ZERO-WIDTH")


def test_a_code_that_does_not_exist_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'EV-DIGEST'"):
        account("EV-DIGETS")


def test_the_command_explains_a_code_without_a_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["explain", "EV-DIGEST"]) == 0
    assert capsys.readouterr().out == account("EV-DIGEST")


def test_a_bundle_without_a_policy_is_told_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["explain", str(tmp_path)]) == ExitCode.USAGE
    assert "add --policy" in capsys.readouterr().err
