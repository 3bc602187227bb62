import os
import threading
from pathlib import Path

import pytest

from husai_core import bundle, strict_json
from husai_core.errors import InvalidEvidence, UsageError

FILES = {"study.toml": b"x = 1\n", "evidence/a.b.json": b"{}\n", bundle.PROVENANCE: b"{}\n", "report.md": b"# r\n"}


def test_what_is_written_reads_back_whole(tmp_path: Path) -> None:
    bundle.write(FILES, tmp_path / "out")
    snapshot = bundle.read(tmp_path / "out")
    assert {p: raw for p, raw in snapshot.files.items() if p != bundle.MANIFEST} == FILES
    listed = snapshot.json(bundle.MANIFEST)["files"]
    assert {p: e["sha256"] for p, e in listed.items()} == {p: strict_json.digest(r) for p, r in FILES.items()}


def test_views_and_provenance_are_no_part_of_the_identity() -> None:
    digests = {path: strict_json.digest(raw) for path, raw in FILES.items()}
    same = {**digests, bundle.PROVENANCE: "other", "report.md": "other", "decision.json": "x", "plots/a.png": "y"}
    assert bundle.content_digest(digests) == bundle.content_digest(same)
    assert bundle.content_digest(digests) != bundle.content_digest({**digests, "study.toml": "other"})


def test_an_existing_folder_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    with pytest.raises(UsageError, match="already exists"):
        bundle.write(FILES, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_bundle_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", broken)
    with pytest.raises(OSError, match="no space"):
        bundle.write(FILES, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a\\b", "a//b", ".hidden", "a/../b", "C:x", "a\0b", "a b", "x\n"])
def test_unsafe_names_are_refused(path: str) -> None:
    assert bundle.path_problem(path) == ("EV-PATH", bundle.path_problem(path)[1])
    with pytest.raises(ValueError, match="cannot be a file"):
        bundle.write({path: b""}, Path("never-written"))


@pytest.mark.parametrize("path", ["évidence.json", "e\u0301.json", "a\u202eb", "ｅvidence"])
def test_confusable_names_are_refused(path: str) -> None:
    problem = bundle.path_problem(path)
    assert problem
    assert problem[0] == "EV-IDENT"


def test_links_and_special_files_are_refused_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    kinds = {
        "symlink": lambda p: p.symlink_to(tmp_path / "secret"),
        "dangling": lambda p: p.symlink_to(tmp_path / "nowhere"),
        "linked_folder": lambda p: p.symlink_to(tmp_path),
        "hardlink": lambda p: os.link(tmp_path / "secret", p),
        "fifo": os.mkfifo,
    }
    for name, make in kinds.items():
        target = tmp_path / name
        bundle.write(FILES, target)
        make(target / "extra")  # type: ignore[no-untyped-call]
        result: list[BaseException] = []

        def read(target: Path = target, result: list[BaseException] = result) -> None:
            try:
                bundle.read(target)
            except BaseException as error:
                result.append(error)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        reader.join(10)
        assert not reader.is_alive(), f"reading a bundle with a {name} hangs"
        assert result, name
        assert isinstance(result[0], InvalidEvidence)
        assert result[0].code in {"EV-SYMLINK", "EV-NOT-REGULAR"}


def test_folders_that_are_empty_or_nested_deep_are_refused(tmp_path: Path) -> None:
    bundle.write(FILES, tmp_path / "empty")
    (tmp_path / "empty" / "hollow").mkdir()
    with pytest.raises(InvalidEvidence, match="an empty folder"):
        bundle.read(tmp_path / "empty")
    bundle.write(FILES, tmp_path / "deep")
    (tmp_path / "deep" / "/".join("abcdefgh")).mkdir(parents=True)
    with pytest.raises(InvalidEvidence, match="nested more than"):
        bundle.read(tmp_path / "deep")


def test_a_path_that_cannot_be_looked_at_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        bundle.read(Path("x" * 5000))


def test_a_missing_folder_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no bundle here"):
        bundle.read(tmp_path / "nowhere")
