"""The archive: one form for the same files, read as the folder is, and no other reading possible."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_core import bundle
from husai_core.archive import read_archive, write_archive
from husai_core.cli import invoke
from husai_core.errors import InvalidEvidence, UsageError

TOY = Path(__file__).parents[2] / "evidence" / "toy"
NAMES = st.from_regex(r"[a-z0-9_]{1,8}(/[a-z0-9_]{1,8}){0,2}\.json", fullmatch=True)
FILES = st.dictionaries(NAMES, st.binary(max_size=60), max_size=6)


@given(files=FILES)
def test_what_is_written_is_read_and_the_order_of_files_changes_no_byte(files: dict[str, bytes]) -> None:
    raw = write_archive(files)
    assert read_archive(raw) == files
    assert write_archive(dict(reversed(files.items()))) == raw


@given(files=FILES.filter(bool))
def test_another_reader_sees_the_same(files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(write_archive(files))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files


class _Stream(io.BytesIO):
    """A pipe: the writer cannot go back and has to put sizes behind every member, as on GitHub."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("streamed", [True, False])
def test_archives_of_other_writers_are_read(method: int, streamed: bool) -> None:
    files = {"a/b.json": b"{}" * 500, "c.json": b"", "d.bin": bytes(range(256))}
    buffer = _Stream() if streamed else io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.mkdir("a") if hasattr(archive, "mkdir") and not streamed else None
        for name, raw in files.items():
            archive.writestr(name, raw)
    assert read_archive(buffer.getvalue()) == files


@given(files=FILES.filter(bool), data=st.data())
def test_no_byte_can_be_changed_without_notice(files: dict[str, bytes], data: st.DataObject) -> None:
    """What no reader looks at (times, versions, permissions) may change; a file may not, and nothing may crash."""
    raw = bytearray(write_archive(files))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    try:
        found = read_archive(bytes(raw))
    except InvalidEvidence:
        return
    assert found == files


@given(raw=st.binary(max_size=80), cut=st.integers(0, 200))
def test_no_bytes_whatever_crash(raw: bytes, cut: int) -> None:
    whole = write_archive({"a.json": b"{}", "b.json": raw})
    for spoilt in (raw, whole[:cut], whole[cut:], whole[:cut] + raw + whole[cut:]):
        try:
            read_archive(spoilt)
        except InvalidEvidence:
            continue


def test_a_bundle_is_packed_once_and_judged_as_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, again = tmp_path / "toy.zip", tmp_path / "again.zip"
    assert invoke(["pack", str(TOY), str(target)]) == 0
    assert invoke(["pack", str(target), str(again)]) == 0
    assert target.read_bytes() == again.read_bytes()
    assert bundle.read(target).files == bundle.read(TOY).files
    capsys.readouterr()
    printed = []
    for place in (TOY, target):
        assert invoke(["gate", str(place), "--policy", "toy"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert invoke(["audit", str(target)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.zip", "toy.zip"], "nothing was extracted"
    assert invoke(["pack", str(TOY), str(target)]) == 64, "what is there is never overwritten"


def test_what_is_no_bundle_is_a_usage_error(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    with pytest.raises(UsageError, match="is no bundle"):
        bundle.read(text)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.json").write_text("{}")
    assert invoke(["pack", str(folder), str(tmp_path / "x.zip")]) == 64
