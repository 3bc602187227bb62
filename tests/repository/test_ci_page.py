"""The page about CI: what it tells people to write is what the action, the hooks and the command take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from husai_core.cli import invoke

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text()
GITHUB, GITLAB, PRE_COMMIT = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ACTION = (ROOT / "action.yml").read_text()
INPUTS, OUTPUTS = (
    set(re.findall(r"^  ([a-z-]+):$", part, re.MULTILINE))
    for part in re.findall(r"^(?:inputs|outputs):\n((?:(?:  .*)?\n)+)", ACTION, re.MULTILINE)
)


def test_the_workflow_names_inputs_and_outputs_of_the_action() -> None:
    given = re.search(r"uses: OWNER/husai@.*\n +with:\n((?: {10}.*\n)+)", GITHUB)
    assert given
    assert {line.split(":")[0].strip() for line in given.group(1).splitlines()} <= INPUTS
    assert set(re.findall(r"steps\.husai\.outputs\.([a-z-]+)", GITHUB)) <= OUTPUTS


def test_every_input_and_output_stands_on_the_page() -> None:
    listed = {
        name for row in re.findall(r"^\| (`.*?) \| ", PAGE, re.MULTILINE) for name in re.findall(r"`([a-z-]+)`", row)
    }
    assert listed == INPUTS | OUTPUTS


def test_the_words_of_the_page_are_those_of_the_action() -> None:
    words = re.search(r"^\| `decision` \| (.*?); empty", PAGE, re.MULTILINE)
    assert words
    said = re.search(r"description: (released.*?)\. Empty", ACTION)
    assert said
    assert re.findall(r"`(\w+)`", words.group(1)) == re.split(r", | or ", said.group(1))


@pytest.mark.parametrize(("bundle", "expected"), [("toy", 0), ("untrained-candidate", 2)])
def test_the_gitlab_job_gates(bundle: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = re.findall(r"- husai (gate .*?) \|\| code=", GITLAB)
    written = line.replace("evidence/release", str(ROOT / "evidence" / bundle)).replace("policies/release.toml", "toy")
    monkeypatch.chdir(tmp_path)
    assert invoke(written.split()) == expected
    assert (tmp_path / "junit.xml").is_file()
    assert (tmp_path / "decision.json").is_file()
    assert "- exit $code" in GITLAB


def test_nothing_is_installed_by_a_name_that_anybody_can_take_or_from_a_tag_that_can_be_moved() -> None:
    assert re.findall(r"pip install .*", GITLAB) == ['pip install --quiet "$HUSAI"']
    assert re.findall(r"HUSAI: (.*)", GITLAB) == ['"husai @ git+https://HOST/OWNER/husai@COMMIT"']
    assert re.findall(r"uses: OWNER/(.*)", GITHUB) == ["husai@COMMIT"]
    assert re.findall(r"rev: (.*)", PRE_COMMIT) == ["COMMIT"]


def test_the_hooks_of_the_page_exist() -> None:
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text()
    assert re.findall(r"- id: (\S+)", PRE_COMMIT) == re.findall(r"^- id: (\S+)", hooks, re.MULTILINE)


@pytest.mark.parametrize("block", [GITHUB, GITLAB, PRE_COMMIT, ACTION, (ROOT / ".pre-commit-hooks.yaml").read_text()])
def test_what_is_shown_and_shipped_is_yaml(block: str) -> None:
    yaml = pytest.importorskip("yaml", reason="reading YAML needs pyyaml")
    assert yaml.safe_load(block)
