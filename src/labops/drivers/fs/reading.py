"""Reading and copying file content, hashed in the same pass."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat as stat_bits
from collections.abc import Callable, Iterator
from typing import NamedTuple

from labops.drivers.fs.failures import translating
from labops.errors import Conflict, InvalidInput, Unavailable
from labops.formats.dos2unix import to_unix
from labops.model import HashName, Oid

CHUNK = 1 << 20
"""Bytes read at a time. Also the block of the 2.x text rule, which looks at each MiB on its own."""


class Fingerprint(NamedTuple):
    """What tells a changed file from an unchanged one without reading it.

    `ctime_ns` is 0 for a file with several hard links that nobody may write: linking the same object
    elsewhere changes its ctime but not its bytes.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    ino: int


class Hashed(NamedTuple):
    """The oid of a file's content, the fingerprint it had while it was read, and whether a copy was written."""

    oid: Oid
    fingerprint: Fingerprint
    is_written: bool = False


def fingerprint(st: os.stat_result) -> Fingerprint:
    """The fingerprint of one stat result."""
    is_shared_object = st.st_nlink > 1 and not st.st_mode & 0o222
    return Fingerprint(st.st_size, st.st_mtime_ns, 0 if is_shared_object else st.st_ctime_ns, st.st_ino)


def hash_bytes(data: bytes, hash_name: HashName = HashName.MD5) -> Oid:
    """The oid of `data`, without `.dir`."""
    if hash_name is HashName.MD5:
        return Oid(hashlib.md5(data).hexdigest())
    digest = hashlib.md5()
    for start in range(0, len(data), CHUNK):
        digest.update(to_unix(data[start : start + CHUNK]))
    return Oid(digest.hexdigest())


def stat(path: str) -> Fingerprint:
    """The fingerprint of a file, links followed."""
    with translating(path):
        return fingerprint(os.stat(path))


def is_same_file(one: str, other: str) -> bool:
    """True when two paths lead to the very same file, by links of either kind."""
    with translating(other):
        return os.path.samefile(one, other)


def mode_of(path: str) -> int | None:
    """The permission bits of a file or folder, links followed; None when it does not exist."""
    with translating(path):
        try:
            return stat_bits.S_IMODE(os.stat(path).st_mode)
        except FileNotFoundError:
            return None


def require_readable(path: str) -> None:
    """Raise `Unavailable` (`file-unreadable`) for a file that is there and that we may not read.

    Where one file in ten thousand must not stop the others: `AccessDenied` would.
    """
    if not os.access(path, os.R_OK) and os.path.exists(path):
        raise Unavailable(
            f"'{path}' cannot be read: permission denied",
            code="file-unreadable",
            hint="ls -l tells whose it is; give yourself the right, or leave it out: .labignore",
            path=path,
        )


def changed_while_read(path: str) -> Conflict:
    """The error for a file that moved under its reader."""
    return Conflict(
        f"'{path}' changed while it was read",
        code="changed-while-read",
        hint="wait until nothing writes to it, then run the same command again",
        path=path,
    )


def _settled(fd: int, before: os.stat_result, seen: int, path: str) -> Fingerprint:
    """The fingerprint of an open file, or `Conflict` when it moved under the reader."""
    after = os.fstat(fd)
    if seen != after.st_size or after.st_mtime_ns != before.st_mtime_ns or after.st_size != before.st_size:
        raise changed_while_read(path)
    return fingerprint(after)


def open_regular(path: str) -> tuple[int, os.stat_result]:
    """An open descriptor of a regular file; a FIFO or a device would block for ever, so it is refused."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    st = os.fstat(fd)
    if not stat_bits.S_ISREG(st.st_mode):
        os.close(fd)
        raise InvalidInput(
            f"'{path}' is not a regular file",
            code="not-a-file",
            hint="datasets hold files and folders only; move it out of the dataset",
            path=path,
        )
    return fd, st


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of `data`, however little the kernel takes at a time."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def hash_file(path: str, hash_name: HashName = HashName.MD5) -> Hashed:
    """Hash a file's content; memory stays at one chunk."""
    with translating(path):
        fd, before = open_regular(path)
        try:
            if before.st_size >= CHUNK:
                oid, seen = _pump(fd, -1, hash_name)
            else:
                data = os.read(fd, before.st_size + 1)
                oid, seen = hash_bytes(data, hash_name), len(data)
            return Hashed(oid, _settled(fd, before, seen, path))
        finally:
            os.close(fd)


def hash_pieces(path: str, length: int) -> tuple[list[bytes], Fingerprint]:
    """md5 of each piece of a file, all but the last of them `length` bytes long."""
    with translating(path):
        fd, before = open_regular(path)
        try:
            found, seen, view = [], 0, memoryview(bytearray(CHUNK))
            while seen < before.st_size:
                digest, end = hashlib.md5(), seen + length
                while filled := os.readv(fd, [view[: min(CHUNK, end - seen)]]):
                    digest.update(view[:filled])
                    seen += filled
                found.append(digest.digest())
                if seen < end:
                    break
            return found, _settled(fd, before, seen, path)
        finally:
            os.close(fd)


def copy(source: str, target: str, *, mode: int) -> None:
    """Copy `source`, whose bytes are known to be good, to the new file `target`."""
    with translating(source):
        fd, st = open_regular(source)
    try:
        with translating(target), _new_file(target, mode) as out:
            if st.st_size < CHUNK:
                write_all(out, os.read(fd, st.st_size))
            else:
                _copy_bytes(fd, out)
    finally:
        os.close(fd)


def _copy_bytes(fd: int, out: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # not Linux, or two kinds of file system
        while os.copy_file_range(fd, out, 64 * CHUNK):
            pass
    while block := os.read(fd, CHUNK):
        write_all(out, block)


def copy_hashing(
    source: str,
    target: str,
    hash_name: HashName = HashName.MD5,
    *,
    mode: int = 0o444,
    is_wanted: Callable[[Oid], bool] = lambda _: True,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Hashed:
    """Copy `source` to the new file `target` and hash it in the same pass.

    `target` must not exist. It gets exactly `mode`, whatever the umask, but is not durable yet: see `sync`.
    It does not remain when anything fails or when `is_wanted` of the oid is False (`is_written` then too).
    `on_bytes` hears of each block before it is written.
    """
    with translating(source):
        fd, before = open_regular(source)
        try:
            if before.st_size >= CHUNK:
                return _copy_stream(fd, before, source, target, hash_name, mode, is_wanted, on_bytes)
            data = os.read(fd, before.st_size + 1)
            found = _settled(fd, before, len(data), source)
        finally:
            os.close(fd)
    oid = hash_bytes(data, hash_name)
    if is_wanted(oid):
        on_bytes(len(data))
        write_new(target, data, mode=mode)
        return Hashed(oid, found, is_written=True)
    return Hashed(oid, found)


def _copy_stream(
    fd: int,
    before: os.stat_result,
    source: str,
    target: str,
    hash_name: HashName,
    mode: int,
    is_wanted: Callable[[Oid], bool],
    on_bytes: Callable[[int], None],
) -> Hashed:
    with translating(target), _new_file(target, mode) as out:
        oid, seen = _pump(fd, out, hash_name, on_bytes)
        found = _settled(fd, before, seen, source)
    if not is_wanted(oid):
        os.unlink(target)
    return Hashed(oid, found, is_written=is_wanted(oid))


def write_new(path: str, data: bytes, *, mode: int = 0o666) -> None:
    """Create `path` with `data`; it must not exist. Not durable yet: see `sync`."""
    with translating(path):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            write_all(fd, data)
            _insist(fd, mode)
        except BaseException:
            os.unlink(path)
            raise
        finally:
            os.close(fd)


def _insist(fd: int, mode: int) -> None:
    """An object's mode 0444 is a promise to dvc, so the umask does not apply to it."""
    if mode == 0o444 and os.fstat(fd).st_mode & 0o777 != mode:
        os.fchmod(fd, mode)


@contextlib.contextmanager
def new_file(path: str, mode: int = 0o666) -> Iterator[Callable[[bytes], None]]:
    """A function that appends to the new file `path`, which is removed again when the block fails."""
    with translating(path), _new_file(path, mode) as fd:
        yield lambda data: write_all(fd, data)


@contextlib.contextmanager
def appending(path: str) -> Iterator[Callable[[bytes], None]]:
    """A function that appends to the file `path`, made where absent; what was written stays when the block fails."""
    with translating(path):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            yield lambda data: write_all(fd, data)
        finally:
            os.close(fd)


@contextlib.contextmanager
def _new_file(path: str, mode: int) -> Iterator[int]:
    """A descriptor of the new file `path`, which is removed again when the block fails."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        yield fd
        _insist(fd, mode)
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(fd)


def _pump(fd: int, out: int, hash_name: HashName, on_bytes: Callable[[int], None] = lambda _: None) -> tuple[Oid, int]:
    """Read `fd` to its end, hashing and (for `out` >= 0) writing; the oid and the bytes seen."""
    digest = hashlib.md5()
    seen = 0
    view = memoryview(bytearray(CHUNK))
    while filled := _fill(fd, view):
        block = view[:filled]
        digest.update(block if hash_name is HashName.MD5 else to_unix(bytes(block)))
        if out >= 0:
            on_bytes(filled)
            write_all(out, block)
        seen += filled
    return Oid(digest.hexdigest()), seen


def _fill(fd: int, view: memoryview) -> int:
    """Fill `view` from `fd` as far as the file goes: the 2.x text rule needs whole blocks."""
    filled = 0
    while filled < len(view):
        got = os.readv(fd, [view[filled:]])
        if not got:
            break
        filled += got
    return filled
