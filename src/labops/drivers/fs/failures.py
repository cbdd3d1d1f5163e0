"""From `OSError` to labops errors: what a reader can do about it."""

from __future__ import annotations

import errno
import os

from labops.errors import AccessDenied, InvalidInput, LabError, NoSpace, NotFound, Unavailable


def translate(error: OSError, path: str) -> LabError:
    """The labops error that tells what to do about `error` on `path`."""
    number = error.errno or 0
    reason = os.strerror(number).lower() if number else str(error)
    if number in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"'{path}' does not exist", code="no-such-file", path=path)
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return AccessDenied(
            f"'{path}' cannot be accessed: {reason}",
            code="file-access-denied",
            hint=f"look at its owner and mode: ls -ld '{path}'",
            path=path,
        )
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NoSpace(
            f"no room to write '{path}': {reason}",
            code="disk-full",
            hint="free some space (df -h) and run the same command again; nothing is half-written",
            path=path,
        )
    if number in (errno.ELOOP, errno.ENAMETOOLONG, errno.EISDIR):
        return InvalidInput(f"'{path}' cannot be used: {reason}", code="bad-file", path=path)
    return Unavailable(
        f"'{path}' cannot be read or written: {reason}",
        code="file-system-error",
        hint="check the disk or the network mount, then run the same command again",
        path=path,
    )


class translating:  # noqa: N801 - reads as a verb: with translating(path)
    """Context manager that raises labops errors in place of `OSError` for work on `path`.

    A class and not a generator: it is entered several times for each file of a dataset.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        # NoSpace and AccessDenied are OSErrors too, but they are ours already.
        if isinstance(error, OSError) and not isinstance(error, LabError):
            raise translate(error, self._path) from error
