"""The base of a home folder: what this folder and its home last agreed on, packed into columns.

Each row is a path with the fingerprint that the file had here, the md5 of its content, and the mark that
the object had there. A base that cannot be read back is no base: the next sync then compares contents and
deletes nothing, so a damaged file costs time and never data.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from array import array
from collections.abc import Mapping
from typing import NamedTuple

from labops.agreement import Known

_MAGIC = b"labops-home-base-1\n"
_SIZES = struct.Struct("<IIQQ")
_WIDTH = 4
_HEX = 32
_U64 = (1 << 64) - 1


class Base(NamedTuple):
    """All rows, and which home they are about. `mounts` are folders that were mount points."""

    url: str = ""
    rows: Mapping[str, Known] = {}
    mounts: tuple[str, ...] = ()


def render_base(base: Base) -> bytes | bytearray:
    """The bytes that `parse_base` reads back as `base`."""
    rows = base.rows
    numbers = array("Q")
    for row in rows.values():
        numbers.extend([number & _U64 for number in (row.size, row.mtime_ns, row.ctime_ns, row.ino)])
    # Digests of parts are few, those of large files: which they are, and the number of parts, is in the head.
    parts = [[at, int(row.digest[33:])] for at, row in enumerate(rows.values()) if len(row.digest) > _HEX]
    about: dict[str, object] = {"url": base.url, "mounts": list(base.mounts)}
    head = json.dumps({**about, "parts": parts} if parts else about).encode()
    data = bytearray(_MAGIC) + bytearray(_SIZES.size) + head
    # Column by column into one buffer: a copy of everything would be the largest thing in memory.
    widths = []
    for column in (rows, (row.mark for row in rows.values())):
        text = "\0".join(column).encode("utf-8", "surrogateescape")
        widths.append(len(text))
        data += text
    _SIZES.pack_into(data, len(_MAGIC), len(head), len(rows), *widths)
    data += memoryview(numbers).cast("B")
    for row in rows.values():
        data += bytes.fromhex(row.digest[:_HEX])
    data += zlib.crc32(data).to_bytes(4, "little")
    return data


def parse_base(data: bytes | bytearray) -> Base | None:
    """The base in `data`; None when it is damaged or of another version."""
    body = len(data) - 4
    start = len(_MAGIC) + _SIZES.size
    if body < start or not data.startswith(_MAGIC):
        return None
    if zlib.crc32(memoryview(data)[:body]) != int.from_bytes(data[body:], "little"):
        return None
    head_size, count, names_size, marks_size = _SIZES.unpack_from(data, len(_MAGIC))
    head = json.loads(data[start : start + head_size])
    start += head_size
    if not count:
        return Base(head["url"], {}, tuple(head["mounts"]))
    # Interned: whoever lists either side names the same paths, which then are in memory once.
    names = map(sys.intern, data[start : start + names_size].decode("utf-8", "surrogateescape").split("\0"))
    start += names_size
    marks = data[start : start + marks_size].decode("utf-8", "surrogateescape").split("\0")
    start += marks_size
    numbers = array("Q", data[start : start + 8 * _WIDTH * count]).tolist()
    text = data[start + 8 * _WIDTH * count : body].hex()
    columns = [numbers[column::_WIDTH] for column in range(_WIDTH)]
    digests = [text[at : at + _HEX] for at in range(0, _HEX * count, _HEX)]
    for at, number in head.get("parts", ()):
        digests[at] += f"-{number}"
    marks = [digest if digest == mark else mark for digest, mark in zip(digests, marks, strict=True)]
    rows = dict(zip(names, map(Known, *columns, digests, marks), strict=True))
    return Base(head["url"], rows, tuple(head["mounts"]))
