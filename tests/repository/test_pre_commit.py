"""The hooks for pre-commit, each run as pre-commit would: its entry, on the files that it is for."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from husai_core.cli import invoke
from husai_core.written import WRITTEN

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / ".pre-commit-hooks.yaml").read_text()
HOOKS = {
    hook: dict(re.findall(r"^  (\w+): (.+)$", body, re.MULTILINE))
    for hook, body in re.findall(r"^- id: (\S+)\n((?:  .*\n)+)", TEXT, re.MULTILINE)
}
EXAMPLES = ROOT / "schemas" / "husai_schemas"
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()


def run(hook: str, *files: Path) -> int:
    program, *arguments = shlex.split(HOOKS[hook]["entry"])
    assert program == "husai"
    return invoke([*arguments, *map(str, files)])


def test_there_is_a_hook_for_what_people_write_and_one_for_what_runs_write() -> None:
    assert list(HOOKS) == ["husai-documents", "husai-evidence"]
    assert all(hook["language"] == "python" for hook in HOOKS.values())


@pytest.mark.parametrize(
    ("hook", "chosen"),
    [
        ("husai-documents", ["gates/policies/toy.toml", "studies/toy.toml", "studies/replication/earlier.toml"]),
        ("husai-documents", ["claims.toml", "waivers.toml", "a/waivers.toml", "evidence/toy/study.toml"]),
        ("husai-evidence", ["evidence/toy/manifest.json", "evidence/replication/copy/subjects/a.json"]),
        ("husai-evidence", ["evidence/toy/evidence/reconstruction.addition.json", "runs/evidence/a/decision.json"]),
    ],
)
def test_the_hooks_take_documents(hook: str, chosen: list[str]) -> None:
    assert all(re.search(HOOKS[hook]["files"], file) for file in chosen)


@pytest.mark.parametrize(
    "file",
    [
        *("pyproject.toml", "package.json", "manifest.json", "web/manifest.json", "studies/readme.md"),
        *("evidence/a/weights/b/cfg.json", "evidence/a/external/b/results.json"),
    ],
)
def test_the_hooks_leave_other_files_alone(file: str) -> None:
    assert not any(re.search(hook["files"], file) for hook in HOOKS.values())


@pytest.mark.skipif(not TRACKED, reason="this is no checkout of git")
@pytest.mark.parametrize("hook", HOOKS)
def test_the_documents_of_this_repository_pass(hook: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = [ROOT / name for name in TRACKED if re.search(HOOKS[hook]["files"], name)]
    some = [file for file in files if "subjects" not in file.parts][:20]  # of hundreds of subjects, none tells more
    assert len(some) > 10
    assert run(hook, *some) == 0, capsys.readouterr().err


@pytest.mark.parametrize("kind", ["policy", "study", "waivers", "claims", "evidence", "manifest", "decision"])
def test_a_good_document_passes_and_each_bad_one_fails(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = ([*(EXAMPLES / kind / "examples" / which).iterdir()] for which in ("valid", "invalid"))
    hook = "husai-documents" if good[0].suffix == ".toml" else "husai-evidence"
    assert run(hook, *good) == 0
    for file in bad:
        copy = tmp_path / file.name
        shutil.copy(file, copy)
        capsys.readouterr()
        assert run(hook, *good, copy) == (64 if kind in WRITTEN else 3)
        assert capsys.readouterr().err.startswith(str(copy))


def test_a_file_that_cannot_be_read_hides_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.toml").write_text("= nothing")
    (tmp_path / "b.toml").write_text('schema = "husai:policy/v1"\n')
    assert run("husai-documents", tmp_path / "a.toml", tmp_path / "b.toml") == 64
    first, *others = capsys.readouterr().err.splitlines()
    assert first.startswith(str(tmp_path / "a.toml"))
    assert all(str(tmp_path / "b.toml") in line for line in others)
    assert others
    assert run("husai-documents", tmp_path / "gone.toml", tmp_path / "b.toml") == 64
    assert len(capsys.readouterr().err.splitlines()) > 1


def test_a_misspelt_schema_key_is_no_way_around(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('shema = "husai:policy/v1"\n')
    assert run("husai-documents", tmp_path / "policy.toml") == 64
