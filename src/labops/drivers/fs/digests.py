"""Other digests of a local file, to compare with those that stores keep."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Collection, Iterator

from labops.drivers.fs.failures import translating
from labops.drivers.fs.reading import CHUNK, open_regular


def digest(path: str, name: str) -> str:
    """The hex digest of a file by `md5`, `sha1`, `sha256` or `crc32`; one chunk in memory."""
    if name == "crc32":
        value = 0
        for block in _blocks(path):
            value = zlib.crc32(block, value)
        return f"{value:08x}"
    found = hashlib.new(name, usedforsecurity=False)
    for block in _blocks(path):
        found.update(block)
    return found.hexdigest()


def part_tags(path: str, parts: Collection[int]) -> set[str]:
    """The tags that S3 gives to an upload of this file in parts of each of these sizes (whole MiB), in one reading."""
    now = {part: hashlib.md5(usedforsecurity=False) for part in parts}
    before: dict[int, list[bytes]] = {part: [] for part in parts}
    seen = 0
    for block in _blocks(path):
        for part, running in now.items():
            running.update(block)
            if (seen + len(block)) % part == 0:
                before[part].append(running.digest())
                now[part] = hashlib.md5(usedforsecurity=False)
        seen += len(block)
    for part, running in now.items():
        if seen % part:
            before[part].append(running.digest())
    return {f"{hashlib.md5(b''.join(some), usedforsecurity=False).hexdigest()}-{len(some)}" for some in before.values()}


def _blocks(path: str) -> Iterator[bytes]:
    """The bytes of a file by whole chunks, so that no block lies across the border of two parts."""
    with translating(path):
        fd, _ = open_regular(path)
        try:
            with open(fd, "rb", closefd=False) as stream:  # buffered: a short read means the end
                while block := stream.read(CHUNK):
                    yield block
        finally:
            os.close(fd)
