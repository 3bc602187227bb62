"""The seal: a manifest lists every file and no other, each by its bytes, and is itself in the one form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from husai_core import bundle, strict_json
from husai_core.bundle import MANIFEST
from husai_core.cli import invoke
from husai_gates.audit import audit
from husai_gates.audit.seal import check_seal

FILES = {"a.json": b"one", "b/c.json": b"two"}


def found(files: dict[str, bytes]) -> list[tuple[str, str, str, str]]:
    manifest = strict_json.parse(files[MANIFEST], MANIFEST) if MANIFEST in files else None
    return [(f.code, f.file, f.path, f.rule) for f in check_seal(files, manifest)]


def sealed(change: Callable[[dict[str, object]], None] = lambda entries: None) -> dict[str, bytes]:
    """The files with a manifest of its own making, whose listing may be changed; its digest fits what it lists."""
    manifest = strict_json.parse(bundle.manifest_of(FILES), MANIFEST)
    change(manifest["files"])
    manifest["content_digest"] = bundle.content_digest({p: e["sha256"] for p, e in manifest["files"].items()})
    return {**FILES, MANIFEST: strict_json.encode(manifest)}


def test_what_is_as_it_was_sealed_has_no_finding() -> None:
    assert found({**FILES, MANIFEST: bundle.manifest_of(FILES)}) == found(sealed()) == []


def test_a_bundle_without_a_manifest_says_that_alone() -> None:
    assert found(FILES) == [("EV-FILE-MISSING", MANIFEST, "$", "a bundle has a manifest that lists its files")]


def test_other_bytes_are_told_by_their_size_or_their_digest() -> None:
    whole = sealed()
    one, other = strict_json.digest(b"one"), strict_json.digest(b"eno")
    assert found({**whole, "a.json": b"on"}) == [("EV-DIGEST", "a.json", "$", "has 2 bytes, the manifest says 3")]
    assert found({**whole, "a.json": b"eno"}) == [("EV-DIGEST", "a.json", "$", f"is {other}, the manifest says {one}")]


def test_a_file_too_few_and_a_file_too_many_are_named() -> None:
    files = sealed()
    files["extra.json"] = files.pop("a.json")
    assert found(files) == [
        ("EV-FILE-MISSING", "a.json", "$", "the manifest lists this file and it is not there"),
        ("EV-UNLISTED", "extra.json", "$", "the manifest does not list this file"),
    ]


@pytest.mark.parametrize("path", ["../out.json", "/a.json", "b\\c.json"])
def test_a_name_that_leads_out_of_the_bundle_is_refused_with_the_rule(path: str) -> None:
    files = sealed(lambda entries: entries.update({path: entries["a.json"]}))
    names = "a file name is relative, below the bundle, of letters, digits, '_', '-' and '.'"
    assert found({**files, path: b"one"}) == [("EV-PATH", MANIFEST, f"$.files.{path}", names)]


def test_a_manifest_does_not_list_itself() -> None:
    files = sealed(lambda entries: entries.update({MANIFEST: entries["a.json"]}))
    assert found(files) == [("EV-PATH", MANIFEST, f"$.files.{MANIFEST}", "a manifest does not list itself")]


def test_the_manifest_itself_has_one_digest_and_one_form() -> None:
    whole = sealed()
    digest = strict_json.parse(whole[MANIFEST], MANIFEST)["content_digest"]
    spaced = {**whole, MANIFEST: whole[MANIFEST].replace(b"{", b"{ ", 1)}
    assert found(spaced) == [
        ("EV-DIGEST", MANIFEST, "$", "the manifest is not in the one form it is written in"),
    ]
    forged = {**whole, MANIFEST: whole[MANIFEST].replace(digest.encode(), strict_json.digest(b"").encode())}
    says = f"the listed files give {digest}, the manifest says {strict_json.digest(b'')}"
    assert found(forged) == [("EV-DIGEST", MANIFEST, "$.content_digest", says)]


def folder_of(files: dict[str, bytes], at: Path) -> Path:
    for path, raw in files.items():
        (at / path).parent.mkdir(parents=True, exist_ok=True)
        (at / path).write_bytes(raw)
    return at


def test_a_folder_one_level_too_high_is_told_where_the_bundles_lie(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".git" / "branches").mkdir(parents=True)
    for name in "abcd":
        folder_of(sealed(), tmp_path / name)
    assert invoke(["audit", str(tmp_path)]) == 3
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "EV-" in line)
    assert line.strip() == (
        "EV-FILE-MISSING manifest.json $: a bundle has a manifest that lists its files "
        f"(a bundle lies in {tmp_path / 'a'}, {tmp_path / 'b'} and 2 more)"
    )
    assert invoke(["gate", str(tmp_path), "--policy", "toy"]) == 3
    said = capsys.readouterr().out
    assert "1 finding:" in said
    assert "remove" not in said
    assert invoke(["show", str(tmp_path)]) == 3


def test_a_bundle_that_lost_its_manifest_is_invalid_by_that_alone(
    good: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {path: raw for path, raw in good.items() if path != MANIFEST}
    report = audit(bundle.Snapshot("bundle", files))
    assert [(f.code, f.file) for f in report.findings] == [("EV-FILE-MISSING", MANIFEST)]
    assert not report.intact
    assert report.exit_code == 3
    assert invoke(["gate", str(folder_of(files, tmp_path)), "--policy", "toy"]) == 3
    assert "get the bundle again from where it was made" in capsys.readouterr().out


def test_a_manifest_that_is_a_link_or_no_manifest_at_all_stays_invalid(good: dict[str, bytes], tmp_path: Path) -> None:
    lost = folder_of({path: raw for path, raw in good.items() if path != MANIFEST}, tmp_path / "lost")
    (lost / MANIFEST).symlink_to(tmp_path / "nothing")
    assert invoke(["audit", str(lost)]) == 3
    (lost / MANIFEST).unlink()
    (lost / MANIFEST).write_text("{}")
    assert invoke(["audit", str(lost)]) == 3


def test_an_empty_folder_is_neither_judged_nor_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["gate", str(tmp_path), "--policy", "toy"]) == 5
    assert invoke(["show", str(tmp_path)]) == 64
    assert "there is no bundle here" in capsys.readouterr().err
