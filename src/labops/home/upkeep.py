"""What a home and its folder may lose for good: old trash, and the half-done work of processes that were killed."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from labops import transfer
from labops.drivers import fs
from labops.errors import LabError
from labops.home import HomeFolder
from labops.home.acting import JOBS
from labops.home.stamps import read_stamp
from labops.model import OnEvent, ignore
from labops.places.home import Buried
from labops.places.local import PRIVATE

STALE: Final = 7 * 24 * 3600
"""Seconds after which nobody goes on with an upload or a download that was killed."""
DAY: Final = 24 * 3600
_MARK: Final = f"{PRIVATE}/tidied"


class Run(NamedTuple):
    """The trash of one run in this folder."""

    path: str
    files: int
    size: int


class Old(NamedTuple):
    """Trash that ended before some time, here and in the home."""

    here: tuple[Run, ...]
    there: tuple[Buried, ...]

    @property
    def files(self) -> int:
        """In both."""
        return sum(run.files for run in self.here) + len(self.there)

    @property
    def size(self) -> int:
        """Bytes, in both."""
        return sum(run.size for run in self.here) + sum(one.size for one in self.there)


def find_old(folder: HomeFolder, before: float) -> Old:
    """Everything in both trashes that was replaced or deleted before this time (seconds since 1970)."""
    there = tuple(one for one in folder.home.list_trash() if 0 < read_stamp(one.stamp)[0] < before)
    return Old(tuple(_here(folder, before)), there)


def _here(folder: HomeFolder, before: float) -> Iterator[Run]:
    trash = f"{folder.root}/{PRIVATE}/trash"
    for day in fs.names_in(trash):
        for run in fs.names_in(f"{trash}/{day}"):
            if 0 < read_stamp(f"{day}/{run}")[0] < before:
                top = f"{trash}/{day}/{run}"
                sizes = [
                    os.lstat(os.path.join(where, name)).st_size for where, _, names in os.walk(top) for name in names
                ]
                yield Run(top, len(sizes), sum(sizes))


def discard(folder: HomeFolder, old: Old, on_event: OnEvent = ignore) -> tuple[tuple[str, LabError], ...]:
    """Delete it for good; what could not be deleted, and why."""
    failed: list[tuple[str, LabError]] = []
    for run in old.here:
        try:
            fs.remove_all(run.path)
        except LabError as error:
            failed.append((run.path, error))
        fs.remove_folder(os.path.dirname(run.path))
    values = transfer.each(
        old.there, lambda one: folder.home.empty_trash([one]), phase="delete", jobs=JOBS, on_event=on_event
    )
    failed += [(one.key, value) for one, value in zip(old.there, values, strict=True) if isinstance(value, LabError)]
    return tuple(failed)


def tidy(folder: HomeFolder, now: float | None = None) -> bool:
    """Once a day: forget killed transfers, and the trash that is older than the link says. True when it was time.

    Nothing here is worth a failed sync: what does not work is tried again another day.
    """
    now = time.time() if now is None else now
    mark = f"{folder.root}/{_MARK}"
    with contextlib.suppress(LabError):
        last = _last(mark)
        if last is not None and now - last < DAY:
            return False
        fs.write_atomic(mark, b"%d\n" % now)
        if last is None:
            return False  # linked just now: nothing of ours can be old
        _forget_parts(folder, now - STALE)
        folder.home.sweep(now - STALE)
        if folder.link.keep_trash is not None:
            discard(folder, find_old(folder, now - folder.link.keep_trash))
        return True
    return False


def _last(mark: str) -> float | None:
    try:
        return float(fs.read_cache_file(mark).decode())
    except ValueError:
        return None


def _forget_parts(folder: HomeFolder, before: float) -> None:
    parts = f"{folder.root}/{PRIVATE}/parts"
    for name in fs.names_in(parts):
        with contextlib.suppress(LabError, OSError):
            if os.lstat(f"{parts}/{name}").st_mtime < before:
                fs.remove(f"{parts}/{name}")
