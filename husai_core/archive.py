"""The archive: a bundle as one zip, read without extracting it and written so that the same files give the same bytes.

Zip says everything twice, and readers differ in which of the two they believe. Only archives that leave no choice are
read: every byte belongs to one member, both headers of a member agree, and nothing is encrypted, linked or renamed.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from husai_core.errors import InvalidEvidence

MAX_FILES = 65_534  # more need zip64
MAX_TOTAL_BYTES = 2 * 2**30
MAX_RATIO = 200  # of all bytes to those of the archive; deflate reaches 1032, evidence about 20
FREE_BYTES = 64 * 2**20  # below which the ratio is not looked at

_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s4H2IH")
_DESCRIPTORS = (12, 16)  # bytes behind a member whose sizes stand there; with and without a signature
_ENCRYPTED, _STREAMED, _MASKED = 0x0001, 0x0008, 0x2000
_RENAMES = (0x0001, 0x7075)  # extra fields: other sizes or offsets, another name
_STORED, _DEFLATED, _UNIX = 0, 8, 3
_EPOCH = (0, 0x21)  # 1980-01-01 00:00, the earliest that zip knows
_AGAIN = "make the archive with 'husai pack'"


def _refuse(rule: str, place: str = "", code: str = "EV-ARCHIVE") -> InvalidEvidence:
    return InvalidEvidence(code, place[:200] or "the archive", rule, _AGAIN)


@dataclass(frozen=True)
class _Member:
    """A member as the central directory has it."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    offset: int


def is_archive(raw: bytes) -> bool:
    """Whether these first bytes are those of a zip, an empty one included."""
    return raw.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def read_archive(raw: bytes) -> dict[str, bytes]:
    """The files of an archive in memory. Whatever it could hide or disagree on is refused."""
    members, start = _directory(raw)
    total = sum(member.size for member in members)
    if total > MAX_TOTAL_BYTES:
        raise _refuse(f"{total} bytes once unpacked, the limit is {MAX_TOTAL_BYTES}", code="EV-TOO-LARGE")
    if total > FREE_BYTES and total > MAX_RATIO * len(raw):
        rule = f"{len(raw)} bytes become {total}, more than {MAX_RATIO} for one"
        raise _refuse(rule, code="EV-TOO-LARGE")
    at = 0
    files: dict[str, bytes] = {}
    for member in sorted(members, key=lambda member: member.offset):
        if member.offset != at:
            raise _refuse("it overlaps its neighbour, or bytes before it belong to no member", member.name)
        begin = _data_offset(raw, member, start)
        at = begin + member.packed
        if member.flags & _STREAMED:
            at += _descriptor(raw[at : at + max(_DESCRIPTORS)], member)
        if at > start:
            raise _refuse("it reaches into the central directory", member.name)
        content = _unpack(raw[begin : begin + member.packed], member)
        if not member.name.endswith("/"):
            files[member.name] = content
    if at != start:
        raise _refuse(f"{start - at} bytes before the central directory belong to no member")
    for member in members:
        if member.name.endswith("/") and not any(name.startswith(member.name) for name in files):
            raise InvalidEvidence("EV-UNLISTED", member.name, "an empty folder is no part of a bundle", "remove it")
    return files


def _directory(raw: bytes) -> tuple[list[_Member], int]:
    """The members in the order of the central directory, and where that begins."""
    if len(raw) < _END.size:
        raise _refuse("is cut short")
    signature, disk, first_disk, here, count, size, start, comment = _END.unpack_from(raw, len(raw) - _END.size)
    if signature != b"PK\x05\x06" or comment:
        raise _refuse("does not end with its central directory: it was cut short, or something follows")
    if 0xFFFF in (here, count) or 0xFFFFFFFF in (size, start):
        raise _refuse("has more files or bytes than a zip without extensions can", code="EV-TOO-LARGE")
    if (disk, first_disk) != (0, 0) or here != count or start + size != len(raw) - _END.size:
        raise _refuse("its central directory is not where it says")
    members: list[_Member] = []
    at = start
    for _ in range(count):
        if at + _CENTRAL.size > len(raw) - _END.size:
            raise _refuse("its central directory is cut short")
        member, at = _member(raw, at)
        members.append(member)
    if at != start + size:
        raise _refuse("its central directory holds more than its members")
    _refuse_repeats(members)
    return members, start


def _refuse_repeats(members: list[_Member]) -> None:
    seen: set[str] = set()
    for member in members:
        name = member.name.rstrip("/")
        if name in seen:
            raise _refuse("the name stands twice", member.name)
        seen.add(name)


def _member(raw: bytes, at: int) -> tuple[_Member, int]:
    found = _CENTRAL.unpack_from(raw, at)
    signature, made_by, _, flags, method, _, _, crc, packed, size, name_size, extra_size, comment_size = found[:13]
    _, _, attributes, offset = found[13:]
    names_at = at + _CENTRAL.size
    extra_at = names_at + name_size
    end = extra_at + extra_size + comment_size
    if signature != b"PK\x01\x02" or end > len(raw) - _END.size:
        raise _refuse("its central directory is broken")
    name = _name(raw[names_at:extra_at])
    _refuse_extras(raw[extra_at : extra_at + extra_size], name)
    mode = attributes >> 16 if made_by >> 8 == _UNIX else 0
    member = _Member(name, flags, method, crc, packed, size, mode, offset)
    _refuse_kind(member)
    return member, end


def _name(raw: bytes) -> str:
    from husai_core.bundle import path_problem

    try:
        name = raw.decode("ascii")
    except UnicodeDecodeError:
        raise _refuse("a file name is plain ASCII", repr(raw)) from None
    if problem := path_problem(name.removesuffix("/")):
        raise _refuse(problem[1], repr(name))
    return name


def _refuse_extras(raw: bytes, name: str) -> None:
    """Extra fields may hold times and owners, and nothing that changes what or where a member is."""
    at = 0
    while at + 4 <= len(raw):
        kind, size = struct.unpack_from("<2H", raw, at)
        if kind in _RENAMES:
            raise _refuse("an extra field gives it another name or size", name)
        at += 4 + size
    if at != len(raw):
        raise _refuse("its extra fields are cut short", name)


def _refuse_kind(member: _Member) -> None:
    kind = stat.S_IFMT(member.mode)
    if kind == stat.S_IFLNK:
        raise InvalidEvidence("EV-SYMLINK", member.name, "a bundle holds no links")
    is_folder = member.name.endswith("/")
    if kind not in (0, stat.S_IFDIR if is_folder else stat.S_IFREG) or (is_folder and member.size):
        raise InvalidEvidence("EV-NOT-REGULAR", member.name, "a bundle holds regular files only")
    if member.flags & (_ENCRYPTED | _MASKED):
        raise _refuse("it is encrypted", member.name)
    if member.method not in (_STORED, _DEFLATED):
        raise _refuse(f"it is packed by method {member.method}; stored and deflated members are read", member.name)


def _data_offset(raw: bytes, member: _Member, start: int) -> int:
    """Where the bytes of a member begin; its own header must say what the central directory says of it."""
    if member.offset + _LOCAL.size > start:
        raise _refuse("its header is not in the archive", member.name)
    signature, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack_from(raw, member.offset)
    names_at = member.offset + _LOCAL.size
    begin = names_at + name_size + extra_size
    if begin + member.packed > start:
        raise _refuse("it reaches into the central directory", member.name)
    said = (signature, flags, method, raw[names_at : names_at + name_size])
    if said != (b"PK\x03\x04", member.flags, member.method, member.name.encode()):
        raise _refuse("its own header and the central directory disagree", member.name)
    unknown = (0, 0, 0) if member.flags & _STREAMED else (member.crc, member.packed, member.size)
    if (crc, packed, size) not in ((member.crc, member.packed, member.size), unknown):
        raise _refuse("its own header and the central directory disagree on its size", member.name)
    _refuse_extras(raw[names_at + name_size : begin], member.name)
    return int(begin)


def _descriptor(raw: bytes, member: _Member) -> int:
    """The size of the record behind a streamed member."""
    wanted = struct.pack("<3I", member.crc, member.packed, member.size)
    if raw.startswith(b"PK\x07\x08" + wanted):
        return 16
    if raw.startswith(wanted):
        return 12
    raise _refuse("what follows it and the central directory disagree on its size", member.name)


def _unpack(packed: bytes, member: _Member) -> bytes:
    content = packed
    if member.method == _DEFLATED:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(packed, member.size + 1)
        except zlib.error as error:
            raise _refuse(f"it cannot be unpacked: {error}", member.name) from None
        if not inflater.eof or inflater.unused_data:
            raise _refuse(f"it is not {member.size} bytes once unpacked, as it says", member.name)
    if len(content) != member.size or zlib.crc32(content) != member.crc:
        raise _refuse("its bytes are not those that its checksum is of", member.name)
    return content


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """The archive of these files: sorted, without times, and stored, because compressors differ in their bytes."""
    from husai_core.bundle import path_problem

    if len(files) > MAX_FILES or sum(map(len, files.values())) > MAX_TOTAL_BYTES:
        raise _refuse("the bundle has too many files or bytes for one archive", code="EV-TOO-LARGE")
    body, central = bytearray(), bytearray()
    for path, raw in sorted(files.items()):
        if problem := path_problem(path):
            raise ValueError(f"{path!r} cannot be a file of a bundle: {problem[1]}")
        name, offset = path.encode("ascii"), len(body)
        common = (20, 0, _STORED, *_EPOCH, zlib.crc32(raw), len(raw), len(raw), len(name), 0)
        body += _LOCAL.pack(b"PK\x03\x04", *common) + name + raw
        mode = (stat.S_IFREG | 0o644) << 16
        central += _CENTRAL.pack(b"PK\x01\x02", _UNIX << 8 | 20, *common, 0, 0, 0, mode, offset) + name
    end = _END.pack(b"PK\x05\x06", 0, 0, len(files), len(files), len(central), len(body), 0)
    return bytes(body + central + end)
