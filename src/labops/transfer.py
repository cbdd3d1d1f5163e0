"""The engine: does the steps of a plan with many hands. The only concurrency in the house.

Work is handed out in short runs to plain threads: the file system, hashing and obstore all release the
interpreter lock while they work. One bad item does not stop a thousand good ones, except `AccessDenied`,
`NoSpace` and a remote that is out of reach, which would only fail a thousand times. Ctrl-C starts nothing new
and gives what is under way a moment to finish; a thread that is still blocked then is left behind.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from labops.drivers.hands import leave_behind
from labops.errors import AccessDenied, LabError, NoSpace, Unavailable
from labops.model import Event, OnEvent, Outcome, Result, Step, ignore

Item = TypeVar("Item")
Value = TypeVar("Value")

DISK_JOBS = min(8, os.cpu_count() or 1)
"""Threads for local files: hashing and copying are bound by processors, not by waiting."""
NETWORK_JOBS = 64
"""Threads for remotes: a request mostly waits. Measured in docs/decisions/0003-threads-with-obstore.md."""

GRACE_SECONDS: Final = 2.0
"""How long Ctrl-C waits for what is under way; a second Ctrl-C does not wait at all."""
GIVE_UP: Final = 3
"""Items in a row that find the remote unreachable, with nothing done between, before the rest is not tried."""

_RUN_BYTES = 4 << 20
_RUN_ITEMS = 64
_REPORT_SECONDS = 0.2
"""A run that takes longer tells of its progress meanwhile: a slow store must not look like a dead one."""


def each(
    items: Sequence[Item],
    work: Callable[[Item], Value],
    *,
    phase: str,
    jobs: int = DISK_JOBS,
    size_of: Callable[[Item], int] = lambda _: 0,
    on_event: OnEvent = ignore,
) -> list[Value | LabError]:
    """`work` on each item: what it returned or the labops error it raised, in the order of `items`.

    `AccessDenied` and `NoSpace` stop the pool and are raised, and so are `GIVE_UP` failures in a row to reach
    the remote and everything that is not a labops error; whatever was under way has ended by then. Only after
    `KeyboardInterrupt` it may go on in the background. Progress goes to `on_event` as `phase`, counted in
    items and, with `size_of`, in bytes.
    """
    if not items:
        return []
    total_size = sum(map(size_of, items))
    on_event(Event("started", phase, total=len(items), total_size=total_size))
    try:
        return _Pool(items, work, phase, jobs, size_of, on_event).run()
    finally:
        on_event(Event("finished", phase))


def apply(
    steps: Sequence[Step],
    work: Callable[[Step], Result | None],
    *,
    phase: str,
    jobs: int = DISK_JOBS,
    on_event: OnEvent = ignore,
) -> list[Outcome]:
    """One outcome a step, in order; `work` returns None for done, or the result it was instead."""
    values = each(steps, work, phase=phase, jobs=jobs, size_of=lambda step: step.size or 0, on_event=on_event)
    return [outcome_of(step, value) for step, value in zip(steps, values, strict=True)]


def outcome_of(step: Step, value: object) -> Outcome:
    """The outcome of a step whose work ended in `value`."""
    if isinstance(value, LabError):
        return Outcome(step, Result.FAILED, value)
    return Outcome(step, value if isinstance(value, Result) else Result.DONE)


class _Pool(Generic[Item, Value]):
    """Threads that take runs of items from one list until it is empty or something stops them."""

    def __init__(
        self,
        items: Sequence[Item],
        work: Callable[[Item], Value],
        phase: str,
        jobs: int,
        size_of: Callable[[Item], int],
        on_event: OnEvent,
    ) -> None:
        self._items = items
        self._work = work
        self._phase = phase
        self._jobs = max(1, min(jobs, len(items)))
        self._size_of = size_of
        self._on_event = on_event
        self._longest = max(1, min(_RUN_ITEMS, len(items) // (self._jobs * 4)))
        self._results: list[Value | LabError | None] = [None] * len(items)
        self._next = 0
        self._lock = threading.Lock()
        self._stopped_by: BaseException | None = None
        self._running = 0
        self._ended = threading.Event()
        self._is_left = False
        self._out_of_reach = 0

    def run(self) -> list[Value | LabError]:
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
                self._ended.wait(GRACE_SECONDS)
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
        size = sum(map(self._size_of, items))
        with self._lock:
            if not self._is_left:
                self._on_event(Event("advanced", self._phase, count=len(items), size=size))

    def _take(self) -> tuple[int, int]:
        """The next run: first index, end index."""
        with self._lock:
            start = end = self._next
            size = 0
            last = min(len(self._items), start + self._longest)
            while self._stopped_by is None and end < last and size < _RUN_BYTES:
                size += self._size_of(self._items[end])
                end += 1
            self._next = end
            return start, end

    def _do(self, item: Item) -> Value | LabError:
        try:
            value = self._work(item)
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
