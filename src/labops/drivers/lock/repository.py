"""The repository lock of dvc, so that labops and dvc never write the same repository at once.

Two variants, chosen by `core.hardlink_lock`: an exclusive `flock` on `.dvc/tmp/lock` (the file itself means
nothing), or a link-count lock of that name for file systems without `flock` (the file *is* the lock). Beside
it a note says who holds the lock; it serves messages only and is never trusted to decide anything.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

from labops.errors import AccessDenied, Conflict, LabError, NoSpace, Unavailable, Unsupported

WAIT_SECONDS = 3.0
"""How long dvc tries before it gives up (6 retries of 0.5 s)."""
FOREVER = math.inf

_LIFETIME_SECONDS = 365 * 24 * 3600
"""dvc dates a link lock a year ahead; an older date lets it break ours."""
_BREAKER_SECONDS = 60
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EBADF})
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FLOCK_CONTENT = re.compile(r"\s*(\d+)\n?")


class Holder(NamedTuple):
    """Who holds a lock, as far as it can be known; empty or None where it cannot."""

    pid: int | None = None
    host: str = ""
    member: str = ""
    since: str = ""

    def __str__(self) -> str:
        parts = [f"process {self.pid}" if self.pid else "", f"of {self.member}" if self.member else ""]
        parts += [f"on {self.host}" if self.host else "", f"since {self.since}" if self.since else ""]
        return " ".join(part for part in parts if part) or "another process"


def is_alive(pid: int) -> bool:
    """True while a process of that number runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


class _Strategy(Protocol):
    def __init__(self, path: str, note: _Note) -> None: ...
    def try_take(self) -> bool: ...
    def release(self) -> None: ...
    def holder(self) -> Holder: ...
    def hint(self, holder: Holder) -> str: ...


class RepositoryLock:
    """Context manager that holds the lock at `path`; not re-entrant, not inherited by child processes.

    Tries for `wait_seconds` (`FOREVER` for `--wait-for-lock`), calling `on_wait` once with the holder when
    it has to wait, then raises `Conflict` (`lock-busy`) naming who holds it. A place that cannot be written
    raises `AccessDenied` (`lock-denied`).
    """

    def __init__(
        self,
        path: str,
        *,
        use_hardlink: bool = False,
        owner: str = "",
        wait_seconds: float = WAIT_SECONDS,
        on_wait: Callable[[Holder], None] | None = None,
        guards: str = "the repository",
    ) -> None:
        """`guards` is what a message calls that which is locked."""
        self.path = path
        self._guards = guards
        self._note = _Note(f"{path}.holder", owner)
        strategy: type[_Strategy] = _LinkLock if use_hardlink else _FileLock
        self._strategy = strategy(path, self._note)
        self._wait_seconds = wait_seconds
        self._on_wait = on_wait

    def __enter__(self) -> Self:
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            self._take()
        except LabError:
            raise
        except OSError as error:
            raise _translate(self.path, error) from error
        try:
            self._note.write()
        except BaseException:  # Ctrl-C just now: nobody would call __exit__
            self._strategy.release()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self._note.clear()
        self._strategy.release()

    def _take(self) -> None:
        deadline = time.monotonic() + self._wait_seconds
        has_told = False
        while not self._strategy.try_take():
            if time.monotonic() >= deadline:
                raise self._busy()
            if self._on_wait and not has_told:
                has_told = True
                self._on_wait(self._strategy.holder())
            # An uneven pause: two waiters must not meet again and again.
            time.sleep(0.05 + os.urandom(1)[0] / 2560)

    def _busy(self) -> Conflict:
        holder = self._strategy.holder()
        return Conflict(
            f"{self._guards} is busy: its lock is held by {holder}",
            code="lock-busy",
            hint=self._strategy.hint(holder),
            path=self.path,
            pid=holder.pid,
            host=holder.host or None,
            member=holder.member or None,
            since=holder.since or None,
        )


def _translate(path: str, error: OSError) -> LabError:
    if error.errno in _FULL:
        return NoSpace(f"no room to lock '{path}'", code="no-space", path=path)
    if error.errno in _NO_LOCKS:
        hint = "lab config core.hardlink_lock true"
        return Unsupported(f"the file system of '{path}' has no file locks", code="no-file-locks", hint=hint)
    if error.errno == errno.EROFS:
        hint = "mount the disk writable, or work in a copy on another one"
        return AccessDenied(f"cannot lock '{path}': the disk is read-only", code="lock-denied", hint=hint, path=path)
    if error.errno in {errno.EACCES, errno.EPERM}:
        hint = f"ask its owner for write access to '{os.path.dirname(path)}'"
        return AccessDenied(f"cannot lock '{path}': permission denied", code="lock-denied", hint=hint, path=path)
    hint = "check the disk or the network mount, then run the same command again"
    return Unavailable(f"cannot lock '{path}': {error.strerror}", code="lock-failed", hint=hint, path=path)


class _Note:
    """Who holds the lock, in a small file beside it. Written and read on a best-effort basis."""

    def __init__(self, path: str, owner: str) -> None:
        self.path = path
        self.owner = owner

    def write(self) -> None:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        facts = {"pid": os.getpid(), "host": _hostname(), "member": self.owner, "since": since}
        with contextlib.suppress(OSError):
            descriptor = _open_shared(self.path, os.O_RDWR)
            with open(descriptor, "w", encoding="utf-8") as stream:
                stream.write(json.dumps(facts))

    def clear(self) -> None:
        # Emptied, not deleted: in a shared folder only its owner may delete it.
        with contextlib.suppress(OSError):
            os.truncate(self.path, 0)

    def read(self) -> Holder:
        try:
            with open(self.path, encoding="utf-8") as stream:
                facts = json.loads(stream.read(10_000))
            return Holder(int(facts["pid"]), str(facts["host"]), str(facts["member"]), str(facts["since"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Holder()


def _hostname() -> str:
    return os.uname().nodename  # what socket.gethostname() answers, without the import


def _open_shared(path: str, flags: int) -> int:
    """Open `path`; when that creates it, everyone may write it, whatever the umask.

    The mode of a file that exists stays as it is: it may belong to somebody else.
    """
    while True:
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, flags | os.O_CLOEXEC)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            with contextlib.suppress(OSError):
                os.fchmod(descriptor, 0o666)
            return descriptor


class _FileLock:
    """`flock` on a file that is never deleted, with ` PID\\n` in it as zc.lockfile writes."""

    def __init__(self, path: str, note: _Note) -> None:
        self._path = path
        self._note = note
        self._descriptor: int | None = None

    def try_take(self) -> bool:
        import fcntl

        descriptor, is_writable = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_writable:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f" {os.getpid()}\n".encode("ascii"), 0)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def _open(self) -> tuple[int, bool]:
        try:
            return _open_shared(self._path, os.O_RDWR), True
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EPERM} or not os.path.exists(self._path):
                raise
        # dvc made the file 0644 under another member's name: a read-only descriptor still takes the lock.
        return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC), False

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> Holder:
        pid = _pid_in(self._path)
        note = self._note.read()
        # A note that survived a killed process must not be blamed for what a dvc now holds.
        return note if note.pid is not None and pid in (None, note.pid) else Holder(pid)

    def hint(self, holder: Holder) -> str:
        where = f" on {holder.host}" if holder.host else ""
        look = f"; look at it with `ps -fp {holder.pid}`{where}" if holder.pid else ""
        return f"wait for it, or run `lab --wait-for-lock …`{look}"


def _pid_in(path: str) -> int | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            match = _FLOCK_CONTENT.fullmatch(stream.read(100))
    except OSError:
        return None
    return int(match[1]) if match else None


class _LinkLock:
    """A second hard link to a claim file is the lock: atomic on NFS, compatible with flufl.lock.

    The claim says `LOCKFILE|HOST|PID|RANDOM`. A claim of a process of this host that is dead is broken.
    """

    def __init__(self, path: str, note: _Note) -> None:
        self._path = path
        self._note = note
        nonce = int.from_bytes(os.urandom(8), "big")
        self._claim = f"{path}|{_hostname()}|{os.getpid()}|{nonce}"

    def try_take(self) -> bool:
        self._lay_claim()
        is_taken = False
        try:
            is_taken = self._link(self._path)
            if not is_taken and self._is_stale():
                self._break()
                is_taken = self._link(self._path)
        finally:
            if not is_taken:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._claim)
        return is_taken

    def _lay_claim(self) -> None:
        with open(_open_shared(self._claim, os.O_RDWR), "w", encoding="utf-8") as stream:
            stream.write(self._claim)
        expiry = time.time() + _LIFETIME_SECONDS
        os.utime(self._claim, (expiry, expiry))

    def _link(self, name: str) -> bool:
        try:
            os.link(self._claim, name)
        except FileExistsError:
            pass
        except OSError as error:
            if error.errno in _NO_LINKS:
                hint = "lab config core.hardlink_lock false"
                message = f"the file system of '{self._path}' has no hard links"
                raise Unsupported(message, code="no-hard-links", hint=hint) from error
            if error.errno not in {errno.ENOENT, errno.ESTALE}:
                raise
        # The answer of link() may be lost on NFS; the link count cannot lie.
        return os.stat(self._claim).st_nlink == 2

    def _is_stale(self) -> bool:
        holder = self._named_holder()
        return holder.pid is not None and holder.host == _hostname() and not is_alive(holder.pid)

    def _break(self) -> None:
        """Remove the stale lock, under a lock of its own: two breakers must not remove each other's."""
        guard = f"{self._path}.break"
        with contextlib.suppress(OSError):
            if time.time() + _LIFETIME_SECONDS - os.stat(guard).st_mtime > _BREAKER_SECONDS:
                os.unlink(guard)
        if not self._link(guard):
            return
        try:
            if self._is_stale():
                claim = self._content()
                os.unlink(self._path)
                if claim.startswith(f"{self._path}|"):
                    with contextlib.suppress(OSError):
                        os.unlink(claim)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(guard)

    def _content(self) -> str:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as stream:
                return stream.read(10_000)
        except OSError:
            return ""

    def _named_holder(self) -> Holder:
        parts = self._content().split("|")
        if len(parts) == 4 and parts[2].isdigit():
            return Holder(int(parts[2]), parts[1])
        return Holder()

    def release(self) -> None:
        for name in (self._path, self._claim):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def holder(self) -> Holder:
        named, note = self._named_holder(), self._note.read()
        return note if named.pid is not None and (note.pid, note.host) == (named.pid, named.host) else named

    def hint(self, holder: Holder) -> str:
        if _pid_in(self._path) is not None:
            return f"a leftover of the time before core.hardlink_lock; with no dvc running: rm '{self._path}'"
        where = f" on {holder.host}" if holder.host else ""
        return f"wait for it, or, when no lab or dvc is running{where}: rm '{self._path}'"
