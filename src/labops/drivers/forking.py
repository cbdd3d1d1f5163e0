"""Forked children that share one list of work: for what is bound by the interpreter, and not by waiting.

Threads share the interpreter's lock: many small files are hashed and copied by two of them in the time of
one, for half as much processor again. Measured in docs/decisions/0022-small-files-are-shared-out.md.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from labops.drivers.libc import libc

MOST_RUNS: Final = 1000
"""Runs that one crew can take: their numbers must fit into the smallest pipe that Linux makes, one page."""
_MOST_CHILDREN: Final = 8
_NUMBER: Final = 4
"""Bytes of a number on a pipe."""
_SET_PIPE_SIZE: Final = 1031  # F_SETPIPE_SZ, which fcntl has on Linux alone
_PIPE_BYTES: Final = 1 << 20
_OBSTORE: Final = "tokio-rt-worker"
_SET_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG of linux/prctl.h


def processors(*, beside_obstore: bool = True) -> int:
    """How many children may share work; 1 where forking is not safe.

    Only the thread that forks lives on in a child, and a lock that another one held would stay locked for
    ever. So a program with threads, a notebook for one, works alone; and so does every system but Linux. The
    idle threads that obstore leaves behind do no harm: they hold nothing of the interpreter's, and what they
    share with a child, the memory allocator, is made fit for it by the C library. But a child cannot use obstore
    then (not `beside_obstore`): its threads do not live on.
    """
    if sys.platform != "linux":
        return 1
    with contextlib.suppress(OSError):
        names = [_name(task) for task in os.listdir("/proc/self/task") if int(task) != os.getpid()]
        if names.count(_OBSTORE) * beside_obstore == len(names):
            return min(_MOST_CHILDREN, len(os.sched_getaffinity(0)))
    return 1


def _name(task: str) -> str:
    with open(f"/proc/self/task/{task}/comm") as file:
        return file.read().strip()


def _die_with(parent: int) -> None:
    """Have the kernel kill this child when its parent is gone: the locks are gone too then."""
    prctl = libc("prctl")
    if prctl is not None:
        prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # it was quicker
        os._exit(1)


class Crew:
    """Up to `processes` children that do runs 0 to `runs` - 1, each whenever it has nothing to do.

    `work` of a run gives a value that can be pickled, and changes nothing in memory that others must see. A
    child ignores Ctrl-C: whoever made the crew gets it, and stops the crew. With `is_changing` it dies with its
    parent, in the middle of a file, as the parent did. Each child does as many runs at once as it has `threads`.
    Where the system has no process left there may be fewer children, or none. Call `end` in the end.
    """

    def __init__(
        self,
        work: Callable[[int], object],
        runs: int,
        processes: int,
        *,
        threads: int = 1,
        is_changing: bool = False,
    ) -> None:
        import pickle  # before the fork; a command that shares nothing out need not pay for it

        assert runs <= MOST_RUNS
        self._pickle = pickle
        self._work = work
        self._threads = threads
        self._is_changing = is_changing
        self._tokens, tokens = os.pipe()
        os.write(tokens, b"".join(run.to_bytes(_NUMBER, "little") for run in range(runs)))
        os.close(tokens)  # so that a child that finds the pipe empty knows that all is taken
        self._children: dict[int, int] = {}
        """Pipe that a child writes to → its process."""
        gc.freeze()  # a child that looked through all of the parent's objects would get copies of their pages
        try:
            with contextlib.suppress(BlockingIOError):
                for _ in range(min(processes, runs)):
                    self._start()
        finally:
            gc.unfreeze()

    def _start(self) -> None:
        import fcntl  # no such thing on Windows, where nothing is forked

        answers, out = os.pipe()
        with contextlib.suppress(OSError):  # so that a child need not wait until somebody reads
            fcntl.fcntl(out, _SET_PIPE_SIZE, _PIPE_BYTES)
        try:
            parent, process = os.getpid(), os.fork()
        except OSError:
            os.close(answers)
            os.close(out)
            raise
        if process:
            os.close(out)
            self._children[answers] = process
            return
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for name in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(name, signal.SIG_DFL)
            if self._is_changing:
                _die_with(parent)
            self._serve(out)
            code = 0
        finally:
            os._exit(code)  # whatever was raised: nothing of the parent's may be flushed, unlocked or told twice

    def _serve(self, out: int) -> None:
        if self._threads == 1:
            self._answer(out, contextlib.nullcontext())
            return
        from labops.drivers.hands import Hands

        hands, lock = Hands(self._threads, "labops-run"), threading.Lock()
        for future in [hands.submit(self._answer, out, lock) for _ in range(self._threads)]:
            future.result()

    def _answer(self, out: int, alone: contextlib.AbstractContextManager[object]) -> None:
        while token := os.read(self._tokens, _NUMBER):
            run = int.from_bytes(token, "little")
            data = self._pickle.dumps((run, self._work(run)), self._pickle.HIGHEST_PROTOCOL)
            frame = memoryview(len(data).to_bytes(_NUMBER, "little") + data)
            with alone:
                while frame:
                    frame = frame[os.write(out, frame) :]

    def take(self) -> int | None:
        """A run for the caller to do, which no child will do any more; None when all are taken."""
        token = os.read(self._tokens, _NUMBER)
        return int.from_bytes(token, "little") if token else None

    def answers(self, *, is_waiting: bool = True) -> Iterator[tuple[int, Any]]:
        """(run, value) of each run as it is done; those of a child that failed or was killed are not among them.

        Until all children have ended; or, without `is_waiting`, as long as an answer is there.
        """
        while self._children and (ready := self._ready(None if is_waiting else 0.0)):
            for pipe in ready:
                size = int.from_bytes(_read(pipe, _NUMBER), "little")
                data = _read(pipe, size)
                if not size or len(data) < size:
                    self._bury(pipe)
                    continue
                yield self._pickle.loads(data)

    def stop(self) -> None:
        """Begin nothing new."""
        while os.read(self._tokens, 1 << 16):
            pass

    def drain(self, seconds: float) -> None:
        """Give what is under way up to `seconds` to end; what it answers is lost."""
        deadline = time.monotonic() + seconds
        while self._children and (ready := self._ready(max(0.0, deadline - time.monotonic()))):
            for pipe in ready:
                if not os.read(pipe, 1 << 16):
                    self._bury(pipe)

    def _ready(self, seconds: float | None) -> list[int]:
        poll = select.poll()
        for pipe in self._children:
            poll.register(pipe, select.POLLIN)
        return [pipe for pipe, _ in poll.poll(None if seconds is None else seconds * 1000)]

    def end(self) -> None:
        """Let go of everything; a child that still works is killed."""
        del self._work  # whose owner probably holds this crew: what both hold should not have to wait for the collector
        os.close(self._tokens)
        for pipe, process in list(self._children.items()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            self._bury(pipe)

    def _bury(self, pipe: int) -> None:
        os.close(pipe)
        os.waitpid(self._children.pop(pipe), 0)


def _read(pipe: int, size: int) -> bytes:
    """Exactly `size` bytes; fewer when the child has ended."""
    parts = []
    while size and (part := os.read(pipe, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
