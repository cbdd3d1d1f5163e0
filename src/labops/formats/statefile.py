"""State files: path → fingerprint → oid for the files of one folder, packed into columns.

Each directory is three byte strings (names, fingerprints, digests), so that an unchanged directory is
recognised by comparing two of them, and a million files load in the time it takes to read 80 MB. A state
file is a pure cache: whatever cannot be read back is an empty table. Why files and not a database:
docs/decisions/0004-state-in-files.md.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from labops.model import Oid

_MAGIC = b"labops-state-1\n"
_FRAME = struct.Struct("<III")
_WIDTH = 4  # numbers per fingerprint
_FINE_TICK_NS = 20_000_000
_COARSE_TICK_NS = 2_000_000_000
_U64 = (1 << 64) - 1


class Columns(NamedTuple):
    """The files of one directory: NUL-joined names, packed fingerprints (4 x u64), digests (16 bytes each)."""

    names: bytes
    stats: bytes
    digests: bytes

    def oids(self) -> list[Oid]:
        """The oids in the order of the names."""
        text = self.digests.hex()
        return [Oid(text[start : start + 32]) for start in range(0, len(text), 32)]

    def rows(self) -> dict[str, tuple[bytes, Oid]]:
        """Name → (packed fingerprint, oid)."""
        if not self.digests:
            return {}
        stats = self.stats
        step = _WIDTH * 8
        packed = [stats[start : start + step] for start in range(0, len(stats), step)]
        return dict(zip(split_names(self.names), zip(packed, self.oids(), strict=True), strict=True))


def join_names(names: list[str]) -> bytes:
    """Names as one comparable byte string."""
    return "\0".join(names).encode("utf-8", "surrogateescape")


def split_names(data: bytes) -> list[str]:
    """The reverse of `join_names` for at least one name."""
    return data.decode("utf-8", "surrogateescape").split("\0")


def pack_fingerprint(size: int, mtime_ns: int, ctime_ns: int, ino: int) -> bytes:
    """One fingerprint as it stands in a `stats` column."""
    return array("Q", [number & _U64 for number in (size, mtime_ns, ctime_ns, ino)]).tobytes()


class StateTable:
    """The state of one folder. `tree_oid` is the tree that all rows together make, where that was computed."""

    def __init__(self, directories: Mapping[str, Columns] | None = None, tree_oid: str = "") -> None:
        self.directories = dict(directories or {})
        self.tree_oid = tree_oid

    def record(self, directory: str, names: list[str], stats: array[int], oids: list[Oid], clock_ns: int) -> bool:
        """Replace one directory's rows; True when every row can be trusted.

        A file modified within one clock tick of `clock_ns`, the time when reading began, could change
        again without its times showing it (git calls this racy): its row is kept, but can never match.
        """
        numbers = array("Q", stats)
        is_settled = True
        for row in range(len(names)):
            mtime_ns = numbers[row * _WIDTH + 1]
            tick = _COARSE_TICK_NS if mtime_ns % 1_000_000_000 == 0 else _FINE_TICK_NS
            if mtime_ns + tick >= clock_ns:
                numbers[row * _WIDTH + 3] = 0
                is_settled = False
        digests = bytes.fromhex("".join(oids))
        self.directories[directory] = Columns(join_names(names), numbers.tobytes(), digests)
        return is_settled

    def __iter__(self) -> Iterator[tuple[str, Columns]]:
        return iter(self.directories.items())


def parse_state(data: bytes) -> StateTable:
    """The table in `data`; an empty one when it is damaged or of another version."""
    body = len(data) - 4
    if body < len(_MAGIC) or not data.startswith(_MAGIC):
        return StateTable()
    if zlib.crc32(memoryview(data)[:body]) != int.from_bytes(data[body:], "little"):
        return StateTable()
    head_end = data.index(b"\n", len(_MAGIC))
    table = StateTable(tree_oid=data[len(_MAGIC) : head_end].decode())
    at = head_end + 1
    while at < body:
        directory_length, count, names_length = _FRAME.unpack_from(data, at)
        at += _FRAME.size
        directory = data[at : at + directory_length].decode("utf-8", "surrogateescape")
        names_at = at + directory_length
        stats_at = names_at + names_length
        digests_at = stats_at + _WIDTH * 8 * count
        at = digests_at + 16 * count
        table.directories[directory] = Columns(data[names_at:stats_at], data[stats_at:digests_at], data[digests_at:at])
    return table


def render_state(table: StateTable) -> bytes:
    """The bytes that `parse_state` reads back as `table`."""
    parts = [_MAGIC, table.tree_oid.encode(), b"\n"]
    for directory, columns in table:
        name = directory.encode("utf-8", "surrogateescape")
        parts.append(_FRAME.pack(len(name), len(columns.digests) // 16, len(columns.names)))
        parts.extend((name, columns.names, columns.stats, columns.digests))
    data = b"".join(parts)
    return data + zlib.crc32(data).to_bytes(4, "little")
