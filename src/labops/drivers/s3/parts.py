"""Large contents hashed part by part, side by side: one md5 over all of it would be slower than any network."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import Future
from typing import Final

from labops.agreement import digest_of_parts, part_size
from labops.drivers.hands import Hands, settle
from labops.drivers.s3.faults import disk_error
from labops.drivers.s3.uploading import Parts, changed

_BLOCK: Final = 256 << 10
"""Bytes hashed at a time: they stay in the processor's cache."""


def md5_of(fd: int, start: int, length: int) -> bytes:
    """md5 of a piece of an open file; shorter where the file ends before."""
    digest, view, at, end = hashlib.md5(), memoryview(bytearray(_BLOCK)), start, start + length
    while at < end:
        got = os.preadv(fd, [view[: min(_BLOCK, end - at)]], at)
        if not got:
            break
        digest.update(view[:got])
        at += got
    return digest.digest()


class Filling:
    """Hashes a file of `size` bytes while it fills from its start; `digest` is there when it has finished."""

    def __init__(self, size: int) -> None:
        self.digest = ""
        self._size, self._part, self._at = size, part_size(size), 0
        self._hands = Hands(os.cpu_count() or 1, "labops-hash")
        self._futures: list[Future[bytes]] = []

    def reach(self, fd: int, end: int) -> None:
        """The file `fd` is right up to `end`."""
        while self._at < end and (end == self._size or end - self._at >= self._part):
            length = min(self._part, end - self._at)
            self._futures.append(self._hands.submit(md5_of, fd, self._at, length))
            self._at += length

    def finish(self) -> None:
        """Wait for the digest."""
        self.digest = digest_of_parts(future.result() for future in self._futures)

    def close(self) -> None:
        """Nothing reads the file any more when this returns."""
        settle(self._futures)
        self._hands.close()


class HashedParts(Parts):
    """A multipart upload of which each part is hashed by the thread that sends it, just before.

    `digest` is that of the parts. What the watch sees is only the end.
    """

    digest = ""

    def _send(self, fd: int, held: dict[int, tuple[int, str]]) -> dict[int, str]:
        count = -(-self._size // self._part)
        futures = [
            self._bucket.movers.submit(self._one, fd, number, held.get(number)) for number in range(1, count + 1)
        ]
        try:
            found = [future.result() for future in futures]
        finally:
            settle(futures)
        if os.fstat(fd).st_size != self._size:
            raise changed(self._source)
        self._watch.finish()
        self.digest = digest_of_parts(md5 for md5, _ in found)
        return {number: etag for number, (_, etag) in enumerate(found, 1)}

    def _one(self, fd: int, number: int, held: tuple[int, str] | None) -> tuple[bytes, str]:
        start = (number - 1) * self._part
        length = min(self._part, self._size - start)
        try:
            md5 = md5_of(fd, start, length)
        except OSError as error:
            raise disk_error(error, self._source) from error
        if held is not None and self._is_right(number, length, md5.hex(), held):
            return md5, held[1]
        return md5, self._send_one(fd, number, length, md5.hex())
