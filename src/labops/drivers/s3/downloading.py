"""Objects into files: streamed, or by parallel ranges that a killed download need not fetch again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from labops.drivers.hands import behind, settle
from labops.drivers.libc import begin_writing
from labops.drivers.s3.bucket import RANGED, Bucket, Watch
from labops.drivers.s3.faults import disk_error
from labops.drivers.s3.journal import Journal
from labops.drivers.s3.parts import Filling
from labops.drivers.s3.ranges import get_range
from labops.errors import Corrupt, LabError

STEP: Final = 16 << 20
"""Bytes per range."""
_READ: Final = 1 << 20
Judge = Watch | Filling


def download(
    bucket: Bucket,
    key: str,
    target: str,
    watch: Callable[[], Watch],
    resume_path: str | None = None,
    *,
    mode: int = 0o666,
) -> int:
    """Fetch `key` into the new file `target`, made with `mode` and the umask; returns its size in bytes.

    `watch` makes a fresh judge of the bytes; when it refuses them `target` is gone and its error passes
    through. A large object comes by parallel ranges; with a `resume_path` (for a partial file, and a record
    beside it) a download that was killed goes on where it stopped.
    """
    try:
        below = RANGED if bucket.honours_ranges else None
        size, is_fetched = _stream(bucket, key, target, watch(), below=below, mode=mode)
        if is_fetched:
            return size
        if by_ranges(bucket, key, target, size, watch, resume_path):
            if mode != 0o666:
                os.chmod(target, mode)
            return size
        return _stream(bucket, key, target, watch(), below=None, mode=mode)[0]
    except OSError as error:
        if isinstance(error, LabError):
            raise
        raise disk_error(error, target) from error


def _stream(bucket: Bucket, key: str, target: str, watch: Watch, *, below: int | None, mode: int) -> tuple[int, bool]:
    """One streamed request. A small object is judged before the file is made, a larger one before it is left."""
    fd = -1

    def write(data: bytes | memoryview) -> None:
        nonlocal fd
        judge(data)
        if fd < 0:
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        _write_all(fd, data)

    try:
        with behind(watch.update) as judge:
            size, is_fetched = bucket.stream(key, write, below=below)
        if is_fetched:
            watch.finish()
            if fd < 0:
                fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        return size, is_fetched
    except BaseException:
        if fd >= 0:
            os.unlink(target)
        raise
    finally:
        if fd >= 0:
            os.close(fd)


def by_ranges(
    bucket: Bucket,
    key: str,
    target: str,
    size: int,
    watch: Callable[[], Judge],
    resume_path: str | None,
    etag: str | None = None,
) -> bool:
    """Fetch by ranges; False, with nothing left behind, when the store does not honour them.

    With an `etag` all of them, those of an earlier run too, are of the very object that had it.
    """
    partial = resume_path or target
    try:
        fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        if resume_path is None:
            raise
        return by_ranges(bucket, key, target, size, watch, None, etag)
    try:
        if resume_path and not _is_alone(fd):
            # Another process is fetching the same object: do not mix, fetch it for ourselves.
            return by_ranges(bucket, key, target, size, watch, None, etag)
        is_resumed, is_whole = _fill(bucket, key, fd, size, watch, f"{resume_path}.json" if resume_path else None, etag)
        if not is_whole and is_resumed:
            # What an earlier run left may be the damaged part: once more from the start.
            _, is_whole = _fill(bucket, key, fd, size, watch, None, etag)
        if is_whole:
            _hand_over(partial, target)
        return is_whole
    except Corrupt:
        _remove(partial)
        raise
    except BaseException:
        if not resume_path:
            _remove(partial)
        raise
    finally:
        os.close(fd)
        if not bucket.honours_ranges:
            _remove(partial)


def _fill(
    bucket: Bucket, key: str, fd: int, size: int, watch: Callable[[], Judge], path: str | None, etag: str | None
) -> tuple[bool, bool]:
    """Fetch the missing ranges while judging the file from its start. Returns (was resumed, is complete)."""
    subject: dict[str, str | int] = {"key": key, "bucket": bucket.settings.bucket, "size": size, "step": STEP}
    journal = Journal(path, {**subject, "etag": etag} if etag else subject)
    if os.fstat(fd).st_size != size:
        journal.restart()
        os.truncate(fd, size)
    is_resumed = bool(journal.parts)
    pieces = [(start, min(start + STEP, size)) for start in range(0, size, STEP)]
    file = _Shared(fd)

    def fetch(number: int) -> bool:
        if number in journal.parts:
            return True
        is_range = get_range(bucket, key, *pieces[number], etag, file.write)
        if is_range:
            journal.done(number)
        return is_range

    futures: list[Future[bool]] = [bucket.movers.submit(fetch, number) for number in range(len(pieces))]
    judge = watch()
    try:
        for (start, end), future in zip(pieces, futures, strict=True):
            if not future.result():
                return is_resumed, False
            begin_writing(fd, start, end - start)
            _show(fd, start, end, judge)
        judge.finish()
    except Corrupt:
        journal.forget()
        if is_resumed:
            return True, False
        raise
    finally:
        settle(futures)
        _close(judge)
    journal.forget()
    return is_resumed, True


class _Shared:
    """A file that many threads write to, one after the other: in the kernel they would spin for their turn."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._turn = threading.Lock()

    def write(self, data: bytes | memoryview, at: int) -> None:
        """Write all of `data` at this place."""
        with self._turn:
            _write_all(self._fd, data, at)


def _show(fd: int, start: int, end: int, judge: Judge) -> None:
    if isinstance(judge, Filling):
        judge.reach(fd, end)
        return
    while start < end:
        data = os.pread(fd, min(_READ, end - start), start)
        judge.update(data)
        start += len(data)


def _close(judge: Judge) -> None:
    if isinstance(judge, Filling):
        judge.close()


def _is_alone(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _hand_over(partial: str, target: str) -> None:
    if partial == target:
        return
    try:
        os.rename(partial, target)
    except OSError:
        shutil.copyfile(partial, target)
        os.unlink(partial)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _write_all(fd: int, data: bytes | memoryview, at: int | None = None) -> None:
    view = memoryview(data)
    while view:
        count = os.write(fd, view) if at is None else os.pwrite(fd, view, at)
        view = view[count:]
        if at is not None:
            at += count
