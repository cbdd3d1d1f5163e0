"""A limit on bytes per second, shared by all threads that send and fetch: a bucket of tokens that holds none back."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from typing import Final

_LEAST: Final = 4 << 10
_MOST: Final = 1 << 20
_PER_SECOND: Final = 16
"""Pieces a second in which a limited transfer moves: small enough to be even, large enough to cost nothing."""


class Pace:
    """`take` a number of bytes before they are moved: it returns when they may be. Safe to use from many threads.

    Each take waits for the time that the ones before it deserve, so that any number of them together never passes
    the rate by more than one piece for each thread. `rate` may be changed at any time; None is no limit.
    """

    def __init__(
        self,
        rate: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`clock` and `sleep` stand in for those of the machine."""
        self.rate = rate
        self._clock, self._sleep = clock, sleep
        self._free_at = 0.0
        self._lock = threading.Lock()

    @property
    def piece(self) -> int:
        """Bytes that should be moved at a time, at most."""
        return 1 << 30 if self.rate is None else max(_LEAST, min(_MOST, self.rate // _PER_SECOND))

    def take(self, count: int) -> None:
        """Wait until `count` bytes more may be moved."""
        rate = self.rate
        if rate is None or count <= 0:
            return
        with self._lock:
            now = self._clock()
            start = max(self._free_at, now)
            self._free_at = start + count / rate
        if start > now:
            self._sleep(start - now)


class PacedFile(io.FileIO):
    """A file that is read no faster than a pace allows."""

    def __init__(self, path: str, pace: Pace) -> None:
        super().__init__(path, "rb")
        self._pace = pace

    def read(self, size: int | None = -1, /) -> bytes:
        """As a file; in pieces of the pace, which callers that want `size` bytes ask for again."""
        if self._pace.rate is None or size is None or size < 0:
            data = super().read(-1 if size is None else size)
            self._pace.take(len(data or b""))
            return data or b""
        found = bytearray()
        while len(found) < size:
            data = super().read(min(size - len(found), self._pace.piece))
            if not data:
                break
            self._pace.take(len(data))
            found += data
        return bytes(found)
