"""Functions of the C library that Python does not offer. Where there are none, callers do without."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

_WRITE: Final = 2  # SYNC_FILE_RANGE_WRITE of linux/fs.h


@functools.cache
def libc(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where there is none (not Linux, or an old one)."""
    import ctypes  # 3 ms that who only looks need not pay

    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError):
        return None
    return found


def begin_writing(fd: int, start: int, length: int) -> None:
    """Have the disk begin with these bytes of an open file, so that a later sync waits for less. Promises nothing."""
    call = libc("sync_file_range")
    if call is not None:
        from ctypes import c_int64

        call(fd, c_int64(start), c_int64(length), _WRITE)
