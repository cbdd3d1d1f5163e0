"""Links between cache and workspace: each answers False where the file system cannot."""

from __future__ import annotations

import errno
import os
import stat as stat_bits

from labops.drivers.fs.failures import translate, translating

_FICLONE = 0x40049409  # linux/fs.h: share the extents of another file
_NO_REFLINK = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ENOSYS, errno.EPERM}


def reflink(source: str, target: str, *, mode: int = 0o444) -> bool:
    """Make the new file `target` share the blocks of `source`; False where the file system cannot."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    with translating(source):
        src = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with translating(target):
            dst = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            try:
                fcntl.ioctl(dst, _FICLONE, src)
                os.fchmod(dst, mode)
                return True
            except OSError as error:
                os.unlink(target)
                if error.errno in _NO_REFLINK:
                    return False
                raise
            finally:
                os.close(dst)
    finally:
        os.close(src)


def hardlink(source: str, target: str) -> bool:
    """Give `source` the second name `target`; False across file systems or where links are not allowed."""
    try:
        os.link(source, target)
        return True
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            return False
        raise translate(error, target) from error


def symlink(source: str, target: str) -> bool:
    """Make `target` a symbolic link to the absolute path `source`; False where the system has none."""
    try:
        os.symlink(source, target)
        return True
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            return False
        raise translate(error, target) from error


def is_protected(path: str) -> bool:
    """True for a file that must not be edited in place: a link of any kind, or read-only."""
    with translating(path):
        st = os.lstat(path)
    return stat_bits.S_ISLNK(st.st_mode) or st.st_nlink > 1 or not st.st_mode & 0o200
