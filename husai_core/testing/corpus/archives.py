"""Cases of archives: a bundle as a zip that says two things at once, hides something, or unpacks to too much."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping

from husai_core.testing.corpus.case import Family

FAMILY = Family()
case = FAMILY.case

Files = Mapping[str, bytes]
Entry = tuple[zipfile.ZipInfo, bytes]


def _entries(files: Files, method: int = zipfile.ZIP_DEFLATED) -> list[Entry]:
    found = []
    for path, raw in sorted(files.items()):
        info = zipfile.ZipInfo(path)
        info.compress_type = method
        info.external_attr = (stat.S_IFREG | 0o644) << 16
        found.append((info, raw))
    return found


def _pack(entries: Iterable[Entry], comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that stand twice, which is what is wanted here
        for info, raw in entries:
            archive.writestr(info, raw)
        archive.comment = comment
    return buffer.getvalue()


def _with(name: str, raw: bytes, mode: int = stat.S_IFREG | 0o644) -> Entry:
    info = zipfile.ZipInfo("x")
    info.filename = name  # the constructor would clean it
    info.external_attr = mode << 16
    info.create_system = 3
    return info, raw


def _extra(name: str, threat: int, says: str, code: str, entry: Callable[[Files], Entry]) -> None:
    """A good bundle and one member more."""
    FAMILY.add(f"zip_{name}", threat, says, code, 3, "archive", lambda files: _pack([*_entries(files), entry(files)]))


def _first(files: Files) -> str:
    return min(path for path in files if path.startswith("evidence/"))


_FILE, _FOLDER = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755

for _name, _says, _path in (
    ("slip", "A member that climbs out of the archive.", "../../x.json"),
    ("slip_inside", "A member that climbs and comes back.", "a/../x.json"),
    ("absolute", "A member at an absolute path.", "/etc/passwd"),
    ("backslash", "A member with a backslash.", "a\\x.json"),
    ("drive", "A member on a drive.", "C:/x.json"),
    ("not_ascii", "A member whose name is not ASCII.", "evidence/\u0430.json"),
):
    _extra(_name, 20, _says, "EV-ARCHIVE", lambda _, path=_path: _with(path, b"{}"))  # type: ignore[misc]

for _name, _threat, _says, _code, _path, _mode in (
    ("link", 19, "A member that is a link.", "EV-SYMLINK", "a.json", stat.S_IFLNK | 0o777),
    ("pipe", 19, "A member that is a pipe.", "EV-NOT-REGULAR", "a.json", stat.S_IFIFO | 0o644),
    ("device", 19, "A member that is a device.", "EV-NOT-REGULAR", "a.json", stat.S_IFCHR | 0o644),
    ("empty_folder", 5, "A folder that the manifest cannot list.", "EV-UNLISTED", "more/", _FOLDER),
    ("unlisted", 5, "A member that the manifest does not list.", "EV-UNLISTED", "evidence/more.json", _FILE),
):
    _extra(_name, _threat, _says, _code, lambda _, path=_path, mode=_mode: _with(path, b"", mode))  # type: ignore[misc]

_extra("same_name_twice", 20, "Two members of one name.", "EV-ARCHIVE", lambda files: _with(_first(files), b"{}"))
_extra(
    "folder_like_a_file", 20, "A folder and a file of one name.", "EV-ARCHIVE",
    lambda files: _with(f"{_first(files)}/", b"", _FOLDER),
)  # fmt: skip


@case(2, "EV-DIGEST", stage="archive")
def zip_of_an_edited_bundle(files: Files) -> bytes:
    """A sound zip of a bundle in which a file was edited."""
    path = _first(files)
    return _pack(_entries({**files, path: files[path] + b" "}))


@case(20, "EV-ARCHIVE", stage="archive")
def zip_two_names_of_one_member(files: Files) -> bytes:
    """A member whose own header names another file than the central directory."""
    raw = bytearray(_pack(_entries(files)))
    path = _first(files).encode()
    at = raw.index(path)
    raw[at : at + len(path)] = path[:-6] + b"X.json"
    return bytes(raw)


@case(20, "EV-ARCHIVE", stage="archive")
def zip_two_sizes_of_one_member(files: Files) -> bytes:
    """A member whose own header has another size than the central directory."""
    raw = bytearray(_pack(_entries(files)))
    raw[22] ^= 1
    return bytes(raw)


@case(20, "EV-ARCHIVE", stage="archive")
def zip_with_another_checksum(files: Files) -> bytes:
    """A member whose bytes are not those of its checksum, in both headers."""
    path = min(files)
    crc = zlib.crc32(files[path]).to_bytes(4, "little")
    return _pack(_entries(files)).replace(crc, b"\0\0\0\0")


@case(20, "EV-ARCHIVE", stage="archive")
def zip_encrypted(files: Files) -> bytes:
    """A member that says it is encrypted."""
    raw = bytearray(_pack(_entries(files)))
    raw[6] |= 1
    central = raw.index(b"PK\x01\x02")
    raw[central + 8] |= 1
    return bytes(raw)


@case(20, "EV-ARCHIVE", stage="archive")
def zip_by_an_unusual_method(files: Files) -> bytes:
    """Members packed by bzip2, which other readers may not have."""
    return _pack(_entries(files, zipfile.ZIP_BZIP2))


@case(20, "EV-ARCHIVE", stage="archive")
def zip_behind_another_file(files: Files) -> bytes:
    """A zip with something before it, which is another file to other readers."""
    return b"%PDF-1.4\n" + _pack(_entries(files))


@case(20, "EV-ARCHIVE", stage="archive")
def zip_with_more_behind_it(files: Files) -> bytes:
    """A zip with something after its end."""
    return _pack(_entries(files)) + b"more"


@case(20, "EV-ARCHIVE", stage="archive")
def zip_with_a_comment(files: Files) -> bytes:
    """A zip whose comment could hold another directory."""
    return _pack(_entries(files), b"PK\x05\x06" + bytes(18))


@case(20, "EV-ARCHIVE", stage="archive")
def zip_cut_short(files: Files) -> bytes:
    """A zip that was not read to its end."""
    return _pack(_entries(files))[:-100]


@case(20, "EV-ARCHIVE", stage="archive")
def zip_with_a_hidden_member(files: Files) -> bytes:
    """A member that the central directory does not know."""
    hidden, rest = _pack([_with("hidden.json", b"{}")]), _pack(_entries(files))
    local = hidden[: hidden.index(b"PK\x01\x02")]
    directory = rest.index(b"PK\x01\x02")
    end = bytearray(rest[-22:])
    end[16:20] = (directory + len(local)).to_bytes(4, "little")
    return rest[:directory] + local + rest[directory:-22] + bytes(end)


@case(20, "EV-ARCHIVE", stage="archive")
def zip_with_another_name_in_an_extra_field(files: Files) -> bytes:
    """A member that some readers give another name."""
    entries = _entries(files)
    name = b"evidence/other.json"
    entries[0][0].extra = b"up" + (5 + len(name)).to_bytes(2, "little") + b"\x01" + bytes(4) + name
    return _pack(entries)


@case(20, "EV-ARCHIVE", stage="archive")
def zip_whose_members_share_their_bytes(files: Files) -> bytes:
    """Two members of the directory at one place, as bombs are made."""
    raw = bytearray(_pack(_entries(files)))
    first = raw.index(b"PK\x01\x02")
    second = raw.index(b"PK\x01\x02", first + 4)
    raw[second + 42 : second + 46] = raw[first + 42 : first + 46]
    return bytes(raw)


@case(21, "EV-TOO-LARGE", stage="archive")
def zip_bomb(files: Files) -> bytes:
    """A hundred kilobytes that become a hundred million."""
    info, _ = _with("evidence/bomb.json", b"")
    info.compress_type = zipfile.ZIP_DEFLATED
    return _pack([*_entries(files), (info, b" " * 100_000_000)])


@case(21, "EV-TOO-LARGE", stage="archive")
def zip_that_says_it_is_huge(files: Files) -> bytes:
    """Members whose stated sizes are more than fits."""
    raw = bytearray(_pack(_entries(files)))
    at = -1
    for _ in range(2):
        at = raw.index(b"PK\x01\x02", at + 1)
        raw[at + 24 : at + 28] = (2**31 - 1).to_bytes(4, "little")
    return bytes(raw)


@case(21, "EV-ARCHIVE", stage="archive")
def zip_that_unpacks_to_more_than_it_says(files: Files) -> bytes:
    """A member that is larger than both of its headers say."""
    path = min(files)
    size = len(files[path]).to_bytes(4, "little")
    raw = _pack(_entries(files))
    return raw.replace(size, (len(files[path]) - 1).to_bytes(4, "little"))


@case(21, "EV-TOO-LARGE", stage="archive")
def zip_of_too_many_members(files: Files) -> bytes:
    """A directory that says it has as many members as only an extension can hold."""
    raw = bytearray(_pack(_entries(files)))
    raw[-14:-10] = b"\xff\xff\xff\xff"
    return bytes(raw)


@case(7, "GATE-VACUOUS", 5, stage="archive")
def zip_of_nothing(files: Files) -> bytes:
    """A zip without members."""
    return _pack([])
