"""The corpus through the command line as a process, and bundles that must pass wherever and however they lie."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from husai_core import bundle
from husai_core.bundle import MANIFEST, Snapshot
from husai_core.cli import invoke
from husai_core.testing import corpus
from husai_core.testing.corpus import CASES, Good, judge
from husai_core.testing.corpus.specimen import Specimen, seal, without_views

TOY = Path(__file__).parents[2] / "evidence" / "toy"
HUSAI = str(Path(sys.executable).parent / "husai")
PROCESSES = [
    "observation-edited", "value-NaN", "nesting-bomb", "symbolic-link", "pipe", "zip-slip", "zip-bomb",
    "bundle-emptied", "benchmark-failed", "planned-seed-never-shown", "weights-without-tensors", "file-not-text",
]  # fmt: skip


@pytest.mark.parametrize("name", PROCESSES)
def test_the_process_exits_as_the_function_says_and_without_a_traceback(tmp_path: Path, name: str) -> None:
    case = next(case for case in CASES if case.id == name)
    good = Good.at(TOY, "toy")
    place = tmp_path / ("bundle.zip" if case.stage == "archive" else "bundle")
    files = dict(good.files)
    if case.stage == "made":
        specimen = Specimen(good)
        case.spoil(specimen)
        files = specimen.seal()
    elif case.stage == "sealed":
        case.spoil(files)
    if case.stage == "archive":
        place.write_bytes(case.spoil(files))
    else:
        place.mkdir()
        for path, raw in files.items():
            full = place / os.fsdecode(path.encode("utf-8", "surrogateescape"))
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_bytes(raw)
    if case.stage == "folder":
        case.spoil(place)
    command = [HUSAI, "gate", str(place), "--policy", "toy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == case.exit_code, done.stdout + done.stderr
    assert case.code in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr == ""


def test_the_two_lines_of_the_docs_are_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (TOY.parents[1] / "docs" / "threats.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(TOY.parents[1])
    names: dict[str, object] = {}
    exec(code, names)
    names["test_corpus"](None)  # type: ignore[operator]
    names["test_corpus"](next(case for case in CASES if case.id == "value-NaN"))  # type: ignore[operator]


def test_only_a_released_bundle_can_be_spoilt() -> None:
    test = corpus.against(TOY.parent / "untrained-candidate", "toy")
    with pytest.raises(AssertionError, match="only a released bundle can be spoilt"):
        test(None)


def _released(path: Path) -> bool:
    return invoke(["gate", str(path), "--policy", "toy"]) == 0


def test_a_copy_elsewhere_is_released(tmp_path: Path) -> None:
    shutil.copytree(TOY, tmp_path / "a copy, elsewhere")
    assert _released(tmp_path / "a copy, elsewhere")


def test_a_bundle_that_may_not_be_written_is_released(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(TOY, tmp_path / "copy"))
    for path in sorted(copy.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert _released(copy)
    for path in copy.rglob("*"):
        path.chmod(0o755)


def test_a_link_to_the_bundle_itself_is_followed(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(TOY, target_is_directory=True)
    assert _released(tmp_path / "latest")


def test_a_bundle_without_views_is_released() -> None:
    good = Good.at(TOY, "toy")
    files = without_views(good.files)
    assert judge(Snapshot("bundle", seal(files)), good.policy).exit_code == 0
    files = {path: raw for path, raw in files.items() if not path.startswith("plots/")}
    assert judge(Snapshot("bundle", seal(files)), good.policy).exit_code == 0


def test_the_order_of_keys_and_rows_is_nobodys_business() -> None:
    good = Good.at(TOY, "toy")
    draw = random.Random(0)
    specimen = Specimen(good)
    for document in specimen.evidence:
        for key in ("measurements", "subjects", "data", "metrics"):
            draw.shuffle(document[key])
        for measurement in document["measurements"]:
            draw.shuffle(measurement["observations"])
    assert judge(Snapshot("bundle", specimen.seal()), good.policy).exit_code == 0
    path = specimen.path(specimen.evidence[0])
    specimen.finally_(
        lambda files: files.update({path: json.dumps(dict(reversed(specimen.evidence[0].items()))).encode()})
    )
    assert judge(Snapshot("bundle", specimen.seal()), good.policy).exit_code == 0


def test_what_changes_on_the_disk_after_it_was_read_changes_nothing(tmp_path: Path) -> None:
    """The bytes that are hashed are the bytes that are parsed: every file is read once."""
    copy = Path(shutil.copytree(TOY, tmp_path / "copy"))
    good = Good.at(TOY, "toy")
    snapshot = bundle.read(copy)
    shutil.rmtree(copy)
    assert judge(snapshot, good.policy).exit_code == 0


def test_every_file_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    read = bundle._read_regular
    monkeypatch.setattr(bundle, "_read_regular", lambda full, path: opened.append(path) or read(full, path))
    assert _released(TOY)
    assert sorted(opened) == sorted([MANIFEST, *json.loads((TOY / MANIFEST).read_bytes())["files"]])


def test_no_variable_and_no_flag_switches_a_check_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(TOY, tmp_path / "copy"))
    (copy / "evidence" / "more.json").write_text("{}")
    for name in ("HUSAI_SKIP", "HUSAI_DISABLE", "HUSAI_NO_AUDIT", "HUSAI_STRICT", "PYTHONOPTIMIZE"):
        monkeypatch.setenv(name, "0" if name.endswith("STRICT") else "1")
    assert invoke(["gate", str(copy), "--policy", "toy"]) == 3
    for flag in ("--force", "--skip-audit", "--no-strict", "--allow-missing"):
        assert invoke(["gate", str(copy), "--policy", "toy", flag]) == 64
