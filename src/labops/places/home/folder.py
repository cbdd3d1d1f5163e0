"""A home in a folder: a lab server's disk, or a network mount. Plain files with their real times and modes."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import stat as stat_bits
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from labops.drivers import fs
from labops.drivers.pace import Pace
from labops.errors import LabError, NotFound, Unsupported
from labops.places.home.words import ABSENT, ALL_CONDITIONS, Address, Facts, Got, Source, Stored, Version, changed_there
from labops.planning.home import name_clash

_LOCK: Final = ".trash/.lock"
_BENCH: Final = ".trash/.tmp"


class FolderStore:
    """Files below `root`, keys are relative paths. Safe to use from many threads and machines.

    Look and write happen under one lock file, so that two syncs never overwrite each other; other programs do
    not know the lock, and what they write in between is kept all the same: nothing is replaced without a
    second name in the trash.
    """

    forks: Final = None  # what it has written must be known in the end, to be made durable
    keeps_versions = False
    conditions = ALL_CONDITIONS

    def __init__(self, root: str, pace: Pace | None = None) -> None:
        self._root = root
        self._pace = pace or Pace()
        self._numbers = itertools.count()
        self._token = os.urandom(6).hex()
        self._fresh: list[str] = []

    # -- looking ----------------------------------------------------------------------------------------

    def pages(self, prefix: str, known: Sequence[str] = (), skip: str = "") -> Iterator[Sequence[Stored]]:  # noqa: ARG002
        """One page for each folder."""
        self.check()
        todo = [prefix.rstrip("/")]
        while todo:
            folder = todo.pop()
            rows = []
            if not self._is_real_folder(folder):
                continue  # nobody wrote to it yet, or deleted since it was listed
            with fs.translating(self._path(folder)), os.scandir(self._path(folder)) as entries:
                for entry in entries:
                    key = f"{folder}/{entry.name}" if folder else entry.name
                    if skip and (key + "/").startswith(skip):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(key)
                        continue
                    with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                        st = entry.stat(follow_symlinks=False)
                        if stat_bits.S_ISREG(st.st_mode) or stat_bits.S_ISLNK(st.st_mode):
                            when = datetime.fromtimestamp(st.st_mtime, UTC).isoformat()
                            rows.append(Stored(key, st.st_size, _mark(st), "", when))
            yield rows

    def look(self, key: str, version: str = "") -> Got | None:  # noqa: ARG002 - a folder keeps none
        """One lstat."""
        path = self._path(key)
        with fs.translating(path):
            try:
                st = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            if stat_bits.S_ISDIR(st.st_mode):
                return None
            return Got(st.st_size, _mark(st), "", _facts(path, st), st.st_mtime)

    can_expect = False

    def expect(self, key: str) -> None:
        """Nothing."""

    def get(self, key: str, target: str, *, version: str = "", partial: str | None = None) -> Got:  # noqa: ARG002
        """A copy, hashed on the way."""
        path = self._path(key)
        with fs.translating(path):
            st = os.lstat(path)
            if stat_bits.S_ISLNK(st.st_mode):
                data = os.fsencode(os.readlink(path))
                fs.write_new(target, data)
                return Got(len(data), _mark(st), hashlib.md5(data).hexdigest(), _facts(path, st), st.st_mtime)
        fs.require_readable(path)
        copied = fs.copy_hashing(path, target, mode=0o644, on_bytes=self._pace.take)
        mark = f"{copied.fingerprint.size:x}-{copied.fingerprint.mtime_ns:x}-{copied.fingerprint.ino:x}"
        return Got(copied.fingerprint.size, mark, copied.oid, _facts(path, st), st.st_mtime)

    def read(self, key: str, write: Callable[[bytes | memoryview], None]) -> int:
        """A symbolic link's bytes are its target, as in a bucket."""
        path = self._path(key)
        if self.look(key) is None:
            raise NotFound(f"there is no file '{path}'", code="no-such-object", hint="lab home ls", path=key)
        size = 0
        with fs.translating(path):
            if os.path.islink(path):
                data = os.fsencode(os.readlink(path))
                write(data)
                return len(data)
            with open(path, "rb", buffering=0) as file:
                while data := file.read(fs.CHUNK):
                    self._pace.take(len(data))
                    write(data)
                    size += len(data)
        return size

    def sign(self, key: str, seconds: int) -> Address:  # noqa: ARG002
        """A folder has no addresses."""
        raise Unsupported(
            f"'{self._root}' is a folder, which has no links to share",
            code="no-links",
            hint=f"tell the others its path, and give them the right to read it: chmod g+r '{self._path(key)}'",
        )

    # -- writing ----------------------------------------------------------------------------------------

    def put(self, key: str, source: Source, condition: str | None, journal: str | None = None) -> Got:  # noqa: ARG002
        """A copy under a name of its own, on disk, then renamed."""
        self._require_root()
        temporary = self._temporary()
        try:
            digest = self._write(temporary, source)
            with self._locked(), fs.translating(self._path(key)):
                self._require(key, condition)
                self._make_parent(key)
                if condition == ABSENT:
                    if not fs.rename_new(temporary, self._path(key)):
                        raise changed_there(key)
                else:
                    os.rename(temporary, self._path(key))
                st = os.lstat(self._path(key))
        finally:
            fs.remove(temporary)
        self._fresh.append(os.path.dirname(self._path(key)))
        return Got(source.size, _mark(st), digest, source.facts)

    def _write(self, temporary: str, source: Source) -> str:
        facts = source.facts
        if facts.link is not None:
            with fs.translating(temporary):
                os.symlink(facts.link, temporary)
            return hashlib.md5(os.fsencode(facts.link)).hexdigest()
        if isinstance(source.content, bytes):
            fs.write_new(temporary, source.content)
            digest: str = hashlib.md5(source.content).hexdigest()
        else:
            copied = fs.copy_hashing(source.content, temporary, mode=0o666, on_bytes=self._pace.take)
            digest = copied.oid
            if copied.fingerprint.size != source.size:
                raise fs.changed_while_read(source.content)
        source.check()
        with fs.translating(temporary):
            if facts.is_executable:
                os.chmod(temporary, 0o755)  # noqa: S103 - as executable as it was
            if facts.mtime_ns:
                os.utime(temporary, ns=(facts.mtime_ns, facts.mtime_ns))
        fs.sync(os.path.dirname(temporary), [temporary])
        return digest

    can_rename = True

    def rename(self, key: str, new_key: str, condition: str | None, new_condition: str | None) -> None:
        """One rename under the lock."""
        self._require_root()
        with self._locked(), fs.translating(self._path(key)):
            self._require(key, condition)
            self._require(new_key, new_condition)
            self._make_parent(new_key)
            os.rename(self._path(key), self._path(new_key))
        self._fresh.append(os.path.dirname(self._path(new_key)))
        self._remove_empty(os.path.dirname(key))

    def copy(self, key: str, new_key: str, size: int, condition: str | None, new_condition: str | None) -> None:  # noqa: ARG002
        """A second name for the same bytes: what is copied here is about to be replaced by a rename."""
        self._require_root()
        with self._locked(), fs.translating(self._path(key)):
            self._require(key, condition)
            self._require(new_key, new_condition)
            self._make_parent(new_key)
            path, new_path = self._path(key), self._path(new_key)
            if not os.path.islink(path) and fs.hardlink(path, new_path):
                return
            temporary = self._temporary()
            try:
                self._copy(path, temporary)
                os.rename(temporary, new_path)
            finally:
                fs.remove(temporary)

    def _copy(self, path: str, temporary: str) -> None:
        st = os.lstat(path)
        if stat_bits.S_ISLNK(st.st_mode):
            os.symlink(os.readlink(path), temporary)
            return
        fs.copy(path, temporary, mode=0o644)
        os.chmod(temporary, stat_bits.S_IMODE(st.st_mode))
        os.utime(temporary, ns=(st.st_mtime_ns, st.st_mtime_ns))
        fs.sync(os.path.dirname(temporary), [temporary])

    def delete(self, key: str, condition: str | None) -> None:
        """The file, and folders that are empty without it."""
        self._require_root()
        with self._locked():
            if condition is not None and self.look(key) is None:
                return
            self._require(key, condition)
            fs.remove(self._path(key))
        self._remove_empty(os.path.dirname(key))

    def _remove_empty(self, folder: str) -> None:
        while folder and fs.remove_folder(self._path(folder)):
            folder = os.path.dirname(folder)

    def versions(self, prefix: str) -> Iterator[Version]:  # noqa: ARG002
        """None: a folder keeps no versions."""
        return iter(())

    def sweep(self, prefix: str, before: float) -> None:  # noqa: ARG002
        """Temporary files of killed processes."""
        folder = self._path(_BENCH)
        for name in fs.names_in(folder):
            with contextlib.suppress(LabError, FileNotFoundError):
                if os.lstat(f"{folder}/{name}").st_mtime < before:
                    fs.remove(f"{folder}/{name}")

    def finish(self) -> None:
        """Make the new names durable."""
        fresh, self._fresh = self._fresh, []
        fs.sync_names(self._root, set(fresh))

    def check(self) -> None:
        """The folder itself is there, or else at least the one it would be made in."""
        self._require_root(makes=False)

    def close(self) -> None:
        """Nothing is open."""

    # -- inside -----------------------------------------------------------------------------------------

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root

    def _is_real_folder(self, key: str) -> bool:
        """True for a folder that is reached without a symbolic link: what is behind one is not ours."""
        path = self._path(key)
        return os.path.isdir(path) and (not key or fs.link_parents(f"{path}/x", self._root) is None)

    def _require_root(self, *, makes: bool = True) -> None:
        """A home that nobody wrote to yet is made, but not on a disk that is not mounted."""
        if fs.mode_of(self._root) is not None:
            return
        above = os.path.dirname(self._root)
        if fs.mode_of(above) is None and fs.mode_of(os.path.dirname(above)) is None:
            raise NotFound(
                f"'{self._root}' does not exist; is its disk mounted?",
                code="no-such-folder",
                hint=f"mount it, or make it: mkdir -p '{self._root}'",
                path=self._root,
            )
        if makes:
            fs.make_folder(self._root)

    def _temporary(self) -> str:
        folder = self._path(_BENCH)
        fs.make_folder(folder)
        return f"{folder}/{self._token}-{next(self._numbers)}"

    def _make_parent(self, key: str) -> None:
        link = fs.link_parents(self._path(key), self._root)
        if link is not None:
            raise name_clash(key, f"'{link}' is a symbolic link in the home")
        if os.path.isdir(self._path(key)) and not os.path.islink(self._path(key)):
            raise name_clash(key, "the home has a folder of that name")
        fs.make_folder(os.path.dirname(self._path(key)))

    def _require(self, key: str, condition: str | None) -> None:
        if condition is None:
            return
        found = self.look(key)
        if (found.mark if found else ABSENT) != condition:
            raise changed_there(key)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        import fcntl

        path = self._path(_LOCK)
        fs.make_folder(os.path.dirname(path))
        with fs.translating(path):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with contextlib.suppress(OSError):  # a mount without locks: the conditions are then only nearly safe
                fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _mark(st: os.stat_result) -> str:
    return f"{st.st_size:x}-{st.st_mtime_ns:x}-{st.st_ino:x}"


def _facts(path: str, st: os.stat_result) -> Facts:
    if stat_bits.S_ISLNK(st.st_mode):
        return Facts(st.st_mtime_ns, False, os.readlink(path))
    return Facts(st.st_mtime_ns, bool(st.st_mode & 0o100))
