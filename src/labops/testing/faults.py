"""Faulty wrappers: the nth file-system call fails, or counts; nothing of the product is replaced by a stand-in.

with FaultyFiles(fail_at=7, number=errno.ENOSPC): ...   # the seventh changing call raises OSError
with CountingReads() as reads: ...                      # reads.paths: the files whose content was hashed
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Self
from unittest import mock

from labops.drivers.fs import durable, reading

WRITING_CALLS = ("write", "fsync", "rename", "link", "symlink", "mkdir", "unlink", "rmdir", "chmod", "fchmod")
"""The calls of `os` that change a disk, or make a change durable; `open` counts where it creates."""


class Killed(BaseException):
    """Stands for `kill -9`: every later changing call of the process fails too, so no clean-up happens."""


class FaultyFiles:
    """While it is open, changing file-system calls below `root` are counted, and one of them fails.

    `fail_at` counts from 1 and 0 never fails. With `number` that call raises this `OSError`, once or, with
    `is_lasting`, for good; without, it and all later ones raise `Killed`. `calls` names what was called, in
    order. `root` must be absolute; pipes to other programs never count. Nothing is really synced, file by file
    or in a batch: a test cannot tell, and on a busy disk it takes most of the time.
    """

    def __init__(self, root: str, *, fail_at: int = 0, number: int = 0, is_lasting: bool = False) -> None:
        self.calls: list[str] = []
        self._root = root
        self._fail_at = fail_at
        self._number = number
        self._is_lasting = is_lasting
        self._lock = threading.Lock()
        self._patches = ExitStack()

    def __enter__(self) -> Self:
        self._patches.enter_context(mock.patch.object(durable, "libc", lambda _: None))
        for name in WRITING_CALLS:
            real = getattr(os, name) if name != "fsync" else lambda _: None
            self._patches.enter_context(mock.patch.object(os, name, self._wrapped(name, real)))
        self._patches.enter_context(mock.patch.object(os, "open", self._opening(os.open)))
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self._count(name, args[0])
            return real(*args, **options)

        return call

    def _opening(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(path: Any, flags: int, *args: Any, **options: Any) -> int:
            if flags & os.O_CREAT:
                self._count("open", path)
            return real(path, flags, *args, **options)

        return call

    def _count(self, name: str, target: object) -> None:
        if not _path_of(target).startswith(self._root):
            return
        with self._lock:
            self.calls.append(name)
            at = len(self.calls)
        is_dead = not self._number
        if at == self._fail_at or (self._fail_at and at > self._fail_at and (is_dead or self._is_lasting)):
            if is_dead:
                raise Killed(f"{name}, call {at}")
            raise OSError(self._number, os.strerror(self._number))


def _path_of(target: object) -> str:
    """The path that a call is about; of an open descriptor that of its file."""
    if isinstance(target, int):
        return os.readlink(f"/proc/self/fd/{target}")
    return os.path.abspath(os.fsdecode(target)) if isinstance(target, (str, bytes, os.PathLike)) else ""


class CountingReads:
    """While it is open, `paths` collects every file whose content is opened for hashing or copying."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._patch: Any = None

    def __enter__(self) -> Self:
        real = reading.open_regular

        def call(path: str) -> tuple[int, os.stat_result]:
            self.paths.append(path)
            return real(path)

        self._patch = mock.patch.object(reading, "open_regular", call)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()

    def below(self, folder: str) -> list[str]:
        """The paths read below `folder`, relative to it, sorted."""
        return sorted(os.path.relpath(path, folder) for path in self.paths if path.startswith(folder + "/"))
