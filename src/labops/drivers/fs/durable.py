"""Writing so that a name never points at half a file, and waiting until bytes are on disk."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as stat_bits
from collections.abc import Collection, Sequence
from typing import Final

from labops.drivers.fs.failures import translating
from labops.drivers.fs.folders import make_folder
from labops.drivers.fs.reading import open_regular, write_all, write_new
from labops.drivers.libc import libc
from labops.errors import InvalidInput, LabError

_HERE: Final = -100  # AT_FDCWD of fcntl.h
_NOREPLACE: Final = 1  # RENAME_NOREPLACE of linux/fs.h


def write_atomic(path: str, data: bytes | bytearray, *, mode: int | None = None) -> None:
    """Replace `path` by `data` in one step, durable when this returns.

    An existing file keeps its mode unless `mode` is given; a symlink is followed, so that a file linked
    into place stays a link.
    """
    real = os.path.realpath(path)
    temporary = f"{real}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    with translating(path):
        if mode is None:
            with contextlib.suppress(FileNotFoundError):
                mode = stat_bits.S_IMODE(os.stat(real).st_mode)
        # Made with its final mode: what is for one person only must not be readable for a moment either.
        first_mode = 0o666 if mode is None else mode
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, first_mode)
        try:
            write_all(fd, memoryview(data))
            if mode is not None:
                os.fchmod(fd, mode)
            os.fsync(fd)
            os.rename(temporary, real)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            os.close(fd)
        sync_dir(os.path.dirname(real))


def read_bytes(path: str, *, limit: int | None = None) -> bytes:
    """The content of a file; `InvalidInput` (`file-too-large`) when it has more than `limit` bytes."""
    with translating(path):
        fd, st = open_regular(path)
        try:
            if limit is not None and st.st_size > limit:
                raise InvalidInput(
                    f"'{path}' has {st.st_size} bytes; at most {limit} are expected here",
                    code="file-too-large",
                    hint="is it really a pointer file?",
                    path=path,
                )
            with open(fd, "rb", closefd=False) as stream:
                return stream.read()
        finally:
            os.close(fd)


def sync(folder: str, files: Sequence[str]) -> None:
    """Make `files`, all on the file system of `folder`, durable.

    One `syncfs` for the batch where the kernel has it, else one `fsync` per file. A handful of files is
    always synced one by one: `syncfs` would also wait for everybody else's writes on a shared server.
    """
    syncfs = libc("syncfs")
    with translating(folder):
        if syncfs is None or len(files) <= 8:
            for path in files:
                _fsync(path)
            return
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            import ctypes

            if syncfs(fd) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), folder)
        finally:
            os.close(fd)


def _fsync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_dir(folder: str) -> None:
    """Make the names in `folder` durable; silent where folders cannot be synced (some network mounts)."""
    with contextlib.suppress(OSError):
        _fsync(folder or ".")


def sync_names(folder: str, folders: Collection[str]) -> None:
    """Make the names in `folders`, all below `folder`, durable; in one `syncfs` when they are many."""
    if len(folders) <= 8 or libc("syncfs") is None:
        for path in folders:
            sync_dir(path)
    else:
        sync(folder, list(folders))


def protect(path: str) -> bool:
    """Give an object its mode 0444; a file that another member owns keeps the mode it has.

    True when it had another one.
    """
    with translating(path):
        if stat_bits.S_IMODE(os.stat(path).st_mode) == 0o444:
            return False
        with contextlib.suppress(PermissionError):
            os.chmod(path, 0o444)
        return True


def read_cache_file(path: str) -> bytes:
    """The content of a file that may be absent or unreadable: empty bytes then."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


def write_cache_file(path: str, data: bytes, *, is_shared: bool = False) -> None:
    """Replace a file that can be made again at any time: not durable, and silent when it cannot be written."""
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    with contextlib.suppress(LabError):
        make_folder(os.path.dirname(path), is_shared=is_shared)
        try:
            write_new(temporary, data)
            rename(temporary, path)
        except LabError:
            remove(temporary)
            raise


def remove(path: str) -> None:
    """Remove a file or a link; absent is fine."""
    with translating(path), contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def rename(source: str, target: str) -> None:
    """Give `source` the name `target` in one step, replacing what was there."""
    with translating(target):
        os.rename(source, target)


def rename_new(source: str, target: str) -> bool:
    """Give `source` the name `target`, unless something has it: then False, and nothing is done.

    In one step where the system can, else by a hard link; where the disk has none either, it looks, then renames.
    """
    with translating(target):
        renamed = _rename_noreplace(source, target)
        if renamed is not None:
            return renamed
        try:
            os.link(source, target, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError:
            if os.path.lexists(target):
                return False
            os.rename(source, target)
            return True
        os.unlink(source)
        return True


def _rename_noreplace(source: str, target: str) -> bool | None:
    """As `rename_new`; None where the system or the disk does not know how."""
    import ctypes

    rename = libc("renameat2")
    if rename is None or rename(_HERE, os.fsencode(source), _HERE, os.fsencode(target), _NOREPLACE) == 0:
        return None if rename is None else True
    number = ctypes.get_errno()
    if number == errno.EEXIST:
        return False
    if number in {errno.EINVAL, errno.ENOSYS, errno.EPERM}:
        return None
    raise OSError(number, os.strerror(number), target)


def touch(path: str) -> None:
    """Give a file the present time, as an edit would."""
    with translating(path):
        os.utime(path)


def move(source: str, target: str) -> None:
    """Give `source` the name `target`, also across file systems."""
    import shutil

    with translating(target):
        shutil.move(source, target)
