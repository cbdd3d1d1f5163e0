"""Hands that wait well: threads, for requests and for large files."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final, Generic

from labops.drivers.hands import leave_behind
from labops.errors import AccessDenied, LabError, NoSpace, Unavailable
from labops.transfer.job import Item, Job, Value

GIVE_UP: Final = 3
"""Items in a row that find the remote unreachable, with nothing done between, before the rest is not tried."""

_RUN_BYTES = 4 << 20
_RUN_ITEMS = 64
_REPORT_SECONDS = 0.2
"""A run that takes longer tells of its progress meanwhile: a slow store must not look like a dead one."""


class Pool(Generic[Item, Value]):
    """Threads that take runs of items from one list until it is empty or something stops them."""

    def __init__(self, job: Job[Item, Value]) -> None:
        self._job = job
        self._items = job.items
        self._jobs = max(1, min(job.jobs, len(job.items)))
        self._longest = max(1, min(_RUN_ITEMS, len(job.items) // (self._jobs * 4)))
        self._results: list[Value | LabError | None] = [None] * len(job.items)
        self._next = 0
        self._lock = threading.Lock()
        self._stopped_by: BaseException | None = None
        self._running = 0
        self._ended = threading.Event()
        self._is_left = False
        self._out_of_reach = 0

    def run(self, grace_seconds: float) -> list[Value | LabError]:
        """The results, in the order of the items; after Ctrl-C what is under way gets that much time."""
        self._job.begin()
        # Never in the caller's thread: inside a foreign library it would be deaf to Ctrl-C.
        threads = [threading.Thread(target=self._loop, daemon=True) for _ in range(self._jobs)]
        self._running = len(threads)
        try:
            for thread in threads:
                thread.start()
            self._ended.wait()
        except KeyboardInterrupt as error:  # it reaches the main thread only
            self._stopped_by = self._stopped_by or error
            try:
                self._ended.wait(grace_seconds)
            finally:
                self._is_left = True
                leave_behind(threads)
        if self._stopped_by is not None:
            raise self._stopped_by
        return self._results  # type: ignore[return-value]  # every place was filled

    def _loop(self) -> None:
        try:
            while self._do_run():
                pass
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            self._stopped_by = self._stopped_by or error
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    self._ended.set()

    def _do_run(self) -> bool:
        """Take a run of items and do them; False when there is nothing left to do."""
        start, end = self._take()
        told, due = start, time.monotonic() + _REPORT_SECONDS
        for index in range(start, end):
            if self._stopped_by is not None:
                return False
            self._results[index] = self._do(self._items[index])
            if index + 1 == end or time.monotonic() >= due:
                self._tell(self._items[told : index + 1])
                told, due = index + 1, time.monotonic() + _REPORT_SECONDS
        return start != end

    def _tell(self, items: Sequence[Item]) -> None:
        with self._lock:
            if not self._is_left:
                self._job.tell(items)

    def _take(self) -> tuple[int, int]:
        """The next run: first index, end index."""
        with self._lock:
            start = end = self._next
            size = 0
            last = min(len(self._items), start + self._longest)
            while self._stopped_by is None and end < last and size < _RUN_BYTES:
                size += self._job.size_of(self._items[end])
                end += 1
            self._next = end
            return start, end

    def _do(self, item: Item) -> Value | LabError:
        try:
            value = self._job.kept(item, self._job.work(item))
        except (AccessDenied, NoSpace):
            raise
        except Unavailable as error:
            self._out_of_reach += error.code == "unreachable"
            if self._out_of_reach >= GIVE_UP:
                raise
            return error
        except LabError as error:
            return error
        self._out_of_reach = 0
        return value
