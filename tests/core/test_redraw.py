"""`husai redraw`: views are made again, evidence is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import husai_core
from husai_core import bundle as bundles
from husai_core import strict_json
from husai_core.cli import invoke

TOY = Path("evidence/toy")


def _edited(tmp_path: Path, path: str, raw: bytes) -> Path:
    """The toy bundle with another file at that path, under a manifest that says so."""
    files = {name: old for name, old in bundles.read(TOY).files.items() if name != bundles.MANIFEST}
    target = tmp_path / "edited"
    bundles.write({**files, path: raw}, target)
    return target


def test_a_report_of_other_words_is_made_again_and_everything_else_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = _edited(tmp_path, "report.md", b"# In the words of an earlier version\n")
    assert invoke(["audit", str(spoilt)]) == 3
    assert invoke(["redraw", str(spoilt), "--out", str(tmp_path / "again")]) == 0
    assert "made again" in capsys.readouterr().out
    assert invoke(["audit", str(tmp_path / "again")]) == 0
    old, new = bundles.read(TOY), bundles.read(tmp_path / "again")
    assert new.json(bundles.MANIFEST)["content_digest"] == old.json(bundles.MANIFEST)["content_digest"]
    kept = [path for path in old.files if path.split("/")[0] in ("evidence", "subjects", "sites", "study.toml")]
    assert kept
    assert all(new.files[path] == old.files[path] for path in kept)
    assert new.files["report.md"] != spoilt.joinpath("report.md").read_bytes()


def test_nothing_is_made_of_a_bundle_that_cannot_be_believed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(TOY, copy)
    document = next((copy / "evidence").iterdir())
    document.write_bytes(document.read_bytes() + b" ")
    assert invoke(["redraw", str(copy), "--out", str(tmp_path / "again")]) == 64
    assert "EV-DIGEST" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()


def test_what_stands_at_out_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "there").mkdir()
    assert invoke(["redraw", str(TOY), "--out", str(tmp_path / "there")]) == 64
    assert "already exists" in capsys.readouterr().err


def test_what_a_later_husai_drew_is_read_by_one_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bundles.read(TOY).json(bundles.PROVENANCE)
    made["packages"]["husai"] = "0.0.9"
    earlier = _edited(tmp_path, bundles.PROVENANCE, strict_json.encode(made))
    assert invoke(["redraw", str(earlier), "--out", str(tmp_path / "again")]) == 0
    again = bundles.read(tmp_path / "again")
    content = bundles.read(TOY).json(bundles.MANIFEST)["content_digest"]
    assert again.json(bundles.MANIFEST)["content_digest"] == content
    assert again.json(bundles.PROVENANCE)["migrations"] == [{"from": content, "husai": husai_core.__version__}]
    for version in (husai_core.__version__, "0.2.0"):
        monkeypatch.setattr("husai_core.__version__", version)
        assert invoke(["audit", str(tmp_path / "again")]) == 0
