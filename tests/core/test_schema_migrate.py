"""`husai schema` knows versions, and `husai schema migrate` brings single documents to the newest."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

import husai_schemas
from husai_core import strict_json
from husai_core.cli import invoke

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "schemas" / "husai_schemas" / "subject" / "examples"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A subject of version 1, on its own."""
    return Path(shutil.copy(EXAMPLES / "valid" / "candidate.json", tmp_path / "subject.json"))


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = invoke(["schema", *map(str, arguments)])
    output = capsys.readouterr()
    assert "Traceback" not in output.out + output.err
    return code, output.out, output.err


def test_a_schema_is_shown_by_version(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, version in (([], 2), (["--version", 1], 1), (["--version", 2], 2)):
        code, out, _ = run(capsys, "show", "subject", *arguments)
        assert code == 0
        assert json.loads(out) == husai_schemas.load("subject", version)
    code, _, err = run(capsys, "show", "subject", "--version", 3)
    assert code == 64
    assert "no version 3" in err
    assert "known: 1, 2; install a newer husai" in err
    code, _, err = run(capsys, "show", "site", "--version", 2)
    assert (code, "known: 1" in err) == (64, True)
    assert run(capsys, "show", "subject", "--version", 0)[0] == 64


def test_the_list_says_which_versions_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0
    assert lines.keys() == set(husai_schemas.NAMES)
    assert lines["subject"].endswith("(v1, v2)")
    assert "v1" not in lines["site"]


def test_check_holds_a_file_to_the_version_that_it_names(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "check", old, EXAMPLES / "valid" / "v2-candidate.json")[:2] == (0, "2 valid\n")
    old.write_text(old.read_text().replace("subject/v1", "subject/v2"))
    code, _, err = run(capsys, "check", old)
    assert code == 3
    assert "the key 'agreement' is missing" in err
    old.write_text(old.read_text().replace("subject/v2", "subject/v3"))
    code, _, err = run(capsys, "check", old)
    assert code == 3
    assert "install a newer husai" in err


def test_a_document_is_rewritten_in_its_place_and_only_once(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads(old.read_text())
    old.chmod(0o640)
    code, out, _ = run(capsys, "migrate", old)
    assert (code, out) == (0, f"{old}: husai:subject/v1 is now husai:subject/v2\n")
    raw = old.read_bytes()
    assert raw == strict_json.encode(husai_schemas.lift("subject", before))
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    code, out, _ = run(capsys, "migrate", old)
    assert (code, out) == (0, f"{old}: already the newest, husai:subject/v2\n")
    assert old.read_bytes() == raw
    assert [path.name for path in old.parent.iterdir()] == [old.name]


def test_out_gets_the_new_document_and_the_old_one_stays(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw, out = old.read_bytes(), old.parent / "new"
    assert run(capsys, "migrate", old, "--out", out)[0] == 0
    assert old.read_bytes() == raw
    assert json.loads((out / "subject.json").read_text())["schema"] == "husai:subject/v2"
    code, _, err = run(capsys, "migrate", old, "--out", out)
    assert code == 64
    assert "already exists" in err


def test_the_manifest_of_another_program_makes_no_bundle(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (old.parent / "manifest.json").write_text('{"manifest_version": 3}')
    assert run(capsys, "migrate", old)[0] == 0
    assert json.loads(old.read_text())["schema"] == "husai:subject/v2"


def test_a_link_goes_on_leading_to_the_document(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = old.with_name("link.json")
    link.symlink_to(old)
    assert run(capsys, "migrate", link)[0] == 0
    assert link.is_symlink()
    assert json.loads(old.read_text())["schema"] == "husai:subject/v2"


def test_if_one_is_not_valid_none_is_touched_and_each_mistake_is_named(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = old.read_bytes()
    wrong = [shutil.copy(EXAMPLES / "invalid" / f"{name}.json", old.parent) for name in ("no-budget", "seed-as-text")]
    code, out, err = run(capsys, "migrate", old, *wrong)
    assert (code, out) == (3, "")
    assert f"{wrong[0]} $: the key 'budget' is missing (mend it first; see 'husai schema show subject')" in err
    assert f"{wrong[1]} $.seed: must be of type integer" in err
    assert old.read_bytes() == raw


@pytest.mark.parametrize("name", ["from-a-newer-husai", "version-with-a-zero", "version-as-a-number", "no-schema"])
def test_a_version_that_is_none_is_not_lifted(name: str, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(shutil.copy(EXAMPLES / "invalid" / f"{name}.json", old.parent))
    raw = path.read_bytes()
    code, _, err = run(capsys, "migrate", path)
    assert code == 3
    assert "$.schema" in err
    assert ("install a newer husai" in err) == (name == "from-a-newer-husai")
    assert path.read_bytes() == raw


@pytest.mark.parametrize("text", ["[]", "3", '"husai:subject/v1"', "{", '{"schema": 1, "schema": 2}', ""])
def test_what_is_no_document_is_refused(text: str, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old.write_text(text)
    code, _, err = run(capsys, "migrate", old)
    assert code == 3
    assert str(old) in err


def test_toml_has_one_version_so_far(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(shutil.copy(ROOT / "studies" / "toy.toml", tmp_path))
    raw = path.read_bytes()
    assert run(capsys, "migrate", path)[:2] == (0, f"{path}: already the newest, husai:study/v1\n")
    assert path.read_bytes() == raw


def test_files_of_one_name_do_not_overwrite_each_other(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (old.parent / "other").mkdir()
    other = shutil.copy(old, old.parent / "other")
    code, _, err = run(capsys, "migrate", old, other, "--out", old.parent / "new")
    assert code == 64
    assert "would be written twice" in err
    assert not (old.parent / "new").exists()


def test_what_is_not_there_or_is_no_bundle_is_a_mistake_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "migrate", tmp_path / "none.json")[0] == 64
    code, _, err = run(capsys, "migrate", tmp_path, "--out", tmp_path / "new")
    assert code == 64
    assert "has no manifest.json" in err
    assert run(capsys, "migrate")[0] == 64
