"""Folders: list with one stat a file, make with the right mode, work in without leaving rubbish."""

from __future__ import annotations

import contextlib
import os
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from labops.drivers.fs.failures import translating

_U64 = (1 << 64) - 1


class Listing(NamedTuple):
    """One folder, not recursive, in the order of the file system.

    `stats` holds four numbers a file, in the order of `names`: size, mtime_ns, ctime_ns, ino, as in
    `Fingerprint`. `links` and `executables` are those among `names` that are symbolic links or have an exec
    bit. `odd` are names that are neither a file nor a folder, with what they are.
    """

    names: list[str]
    stats: array[int]
    folders: list[str]
    links: list[str]
    executables: list[str]
    odd: list[tuple[str, str]]


def list_folder(path: str) -> Listing:
    """List one folder with a single stat a file.

    Symbolic links to files are files (with the target's size and times); `odd` kinds are `folder link`,
    `broken link` and `special`.
    """
    names: list[str] = []
    folders: list[str] = []
    links: list[str] = []
    executables: list[str] = []
    odd: list[tuple[str, str]] = []
    numbers: list[int] = []
    push = numbers.extend
    with translating(path), _scan(path) as entries:
        for entry in entries:
            is_link = entry.is_symlink()
            if entry.is_file(follow_symlinks=is_link):
                st = entry.stat(follow_symlinks=is_link)
                name = entry.name
                names.append(name)
                mode = st.st_mode
                is_private = mode & 0o222 or st.st_nlink == 1
                push((st.st_size, st.st_mtime_ns, st.st_ctime_ns if is_private else 0, st.st_ino))
                if mode & 0o111:
                    executables.append(name)
                if is_link:
                    links.append(name)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                odd.append((entry.name, _odd_kind(entry)))
    try:
        stats = array("Q", numbers)
    except OverflowError:  # times before 1970
        stats = array("Q", [number & _U64 for number in numbers])
    return Listing(names, stats, folders, links, executables, odd)


@contextlib.contextmanager
def _scan(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """`os.scandir` by descriptor where the system can: a `stat` then looks up one name, not the whole path."""
    if os.scandir not in os.supports_fd:
        with os.scandir(path) as entries:
            yield entries
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.scandir(fd) as entries:
            yield entries
    finally:
        os.close(fd)


def _odd_kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "folder link" if entry.is_dir() else "broken link"
    return "special"


def names_in(path: str) -> list[str]:
    """The names in a folder; none when it does not exist."""
    with translating(path):
        try:
            return os.listdir(path)
        except FileNotFoundError:
            return []


def witness(path: str) -> bytes:
    """Bytes that stay the same while no name enters or leaves any folder directly in `path`.

    Empty when that cannot be told: no such folder, or one that changed within the last clock tick.
    """
    import time

    rows = []
    now = time.time_ns()
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                st = entry.stat(follow_symlinks=False)
                tick = 2_000_000_000 if st.st_mtime_ns % 1_000_000_000 == 0 else 20_000_000
                if st.st_mtime_ns + tick >= now:
                    return b""
                rows.append(f"{entry.name} {st.st_ino} {st.st_mtime_ns}")
    except OSError:
        return b""
    return "\n".join(sorted(rows)).encode("utf-8", "surrogateescape")


def clock_ns(folder: str) -> int:
    """Now, by the clock that stamps files in `folder` (a server's, on a network mount).

    Falls back to this machine's clock where the folder cannot be written.
    """
    import time

    probe = os.path.join(folder, f".clock-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return time.time_ns()
    try:
        return os.fstat(fd).st_mtime_ns
    finally:
        os.close(fd)
        with contextlib.suppress(OSError):  # a probe that stays is no reason to fail
            os.unlink(probe)


def make_folder(path: str, *, is_shared: bool = False) -> None:
    """Create `path` and its missing parents; what exists is left as it is.

    With `is_shared` each new folder is group-writable with the setgid bit, whatever the umask (02775), so
    that group mates may add to it; a folder that another member made is never touched.
    """
    with translating(path):
        try:
            os.mkdir(path)
        except FileExistsError:
            return
        except FileNotFoundError:
            make_folder(os.path.dirname(path), is_shared=is_shared)
            make_folder(path, is_shared=is_shared)
            return
        if is_shared:
            os.chmod(path, 0o2775)  # noqa: S103 - the group may write: that is what sharing means


def make_workbench(parent: str) -> str:
    """A new private folder below `parent` for half-done files; its name says whose it is."""
    path = os.path.join(parent, f"{_hostname()}-{os.getpid()}-{os.urandom(4).hex()}")
    with translating(path):
        os.mkdir(path)
    return path


def remove_workbench(path: str) -> None:
    """Remove a workbench and what is left on it."""
    with contextlib.suppress(OSError):
        os.rmdir(path)
        return
    import shutil  # with it come all archive formats: 10 ms that an empty bench need not pay

    shutil.rmtree(path, ignore_errors=True)


def sweep_workbenches(parent: str) -> None:
    """Remove what processes of this machine left behind when they were killed.

    Those of other machines on a shared disk are left alone: their processes cannot be seen from here.
    """
    prefix = _hostname() + "-"
    for name in names_in(parent):
        pid = name.removeprefix(prefix).partition("-")[0]
        if name.startswith(prefix) and pid.isdigit() and int(pid) != os.getpid() and not _is_alive(int(pid)):
            remove_workbench(os.path.join(parent, name))


def _hostname() -> str:
    return os.uname().nodename  # what socket.gethostname() answers, without the import


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def link_parents(path: str, root: str) -> str | None:
    """The first symbolic link among the folders from `root` (excluded) down to `path`'s parent, or None."""
    inside = os.path.relpath(os.path.dirname(path), root)
    current = root
    for part in [] if inside == "." else inside.split(os.sep):
        current = os.path.join(current, part)
        if os.path.islink(current):
            return current
    return None


def remove_folder(path: str) -> bool:
    """Remove an empty folder; False when it is not empty, not there, or not ours to remove."""
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


def remove_all(path: str) -> None:
    """Remove a folder and everything in it; links in it are removed, not followed."""
    import shutil

    with translating(path), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
