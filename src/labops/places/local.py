"""The folder on this machine that is linked to a home: scan it, read it, put files into it, lose none of them.

Nothing is ever overwritten or removed: what has to go is renamed into `.lab/trash/`, and only when it is still
what was looked at.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat as stat_bits
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from labops.agreement import Here, Known, digest_of_parts, is_of_parts, part_size
from labops.drivers import fs
from labops.errors import Conflict, LabError, NotFound
from labops.planning.home import name_clash

PRIVATE: Final = ".lab"
"""Our own folder inside: never synced, whatever a listing says."""
MACHINES: Final = ".lab/machines/"
"""Where, at the top of a member's home, each machine that joined has left a note."""
KEYS: Final = ".lab/keys/"
"""Where an administrator notes when a key was made, for stores that do not tell."""
_FINE_TICK_NS: Final = 20_000_000
_COARSE_TICK_NS: Final = 2_000_000_000

IsIgnored = Callable[[str, str, bool], bool]
"""(path, name, is a folder) → is it to be left out?"""


class Scan(NamedTuple):
    """What one look at the folder saw. Paths are relative; folders end with `/`."""

    files: dict[str, Here]
    ignored: list[str]
    odd: list[tuple[str, str]]
    """Names that cannot be synced, and why."""
    unreadable: list[str]
    """Folders whose content nobody knows: what is below them is neither there nor gone."""
    mounts: list[str]
    """Folders that are on another disk."""
    clock_ns: int


class LocalFolder:
    """One folder. Safe to use from many threads."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._numbers = itertools.count()
        self._token = os.urandom(6).hex()
        self._bench = ""
        self._real: set[str] = set()
        """Folders that were seen to be real ones by this run."""

    # -- looking ----------------------------------------------------------------------------------------

    def scan(
        self, is_ignored: IsIgnored, known: Mapping[str, Known] = MappingProxyType({}), *, is_looking: bool = False
    ) -> Scan:
        """Every file and symbolic link below the root with one lstat each; links are not followed.

        What is as in `known` shares its numbers, so that a hundred thousand of them need little memory.
        """
        import time

        self._real.clear()
        clock = time.time_ns() if is_looking else fs.clock_ns(self._private())
        found = Scan({}, [], [], [], [], clock)
        with fs.translating(self.root):
            device = os.lstat(self.root).st_dev
        todo = [""]
        while todo:
            folder = todo.pop()
            try:
                with fs.translating(self.root + "/" + folder), os.scandir(self.root + "/" + folder) as entries:
                    self._scan_folder(folder, entries, is_ignored, known, found, todo, device)
            except LabError as error:
                if not folder:
                    raise
                if not isinstance(error, NotFound):  # removed since it was listed
                    found.unreadable.append(folder)
        return found

    def _scan_folder(
        self,
        folder: str,
        entries: Iterable[os.DirEntry[str]],
        is_ignored: IsIgnored,
        known: Mapping[str, Known],
        found: Scan,
        todo: list[str],
        device: int,
    ) -> None:
        for entry in entries:
            name = entry.name
            path = folder + name
            if entry.is_dir(follow_symlinks=False):
                if name == PRIVATE or path == ".trash":
                    continue
                if is_ignored(path, name, True):
                    found.ignored.append(path + "/")
                    continue
                todo.append(path + "/")
                if entry.stat(follow_symlinks=False).st_dev != device:
                    found.mounts.append(path + "/")
            elif is_ignored(path, name, False):
                found.ignored.append(path)
            else:
                with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                    _take(sys.intern(path), entry.stat(follow_symlinks=False), known, found)

    def look(self, path: str) -> tuple[Here, int] | None:
        """One file now, and its mode; None when it is absent, or a folder."""
        full = self.full(path)
        with fs.translating(full):
            try:
                st = os.lstat(full)
            except (FileNotFoundError, NotADirectoryError):
                return None
        if stat_bits.S_ISDIR(st.st_mode):
            return None
        here = Here(st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_ino, "", stat_bits.S_ISLNK(st.st_mode))
        return here, st.st_mode

    def digest(self, path: str, here: Here, like: str = "") -> Here:
        """`here` with the digest of what the file holds now, and the fingerprint it had while it was read.

        It is the md5, unless `like`, with which it will be compared, is of parts.
        """
        if here.is_link:
            with fs.translating(path):
                target = os.readlink(self.full(path))
            return here._replace(digest=fs.hash_bytes(os.fsencode(target)))
        full = self.full(path)
        fs.require_readable(full)
        digest, size = digest_file(full, like)
        now = self.look(path)
        if now is None or now[0].is_link or now[0].size != size:
            raise fs.changed_while_read(full)
        return now[0]._replace(digest=digest)

    def full(self, path: str) -> str:
        """The absolute path."""
        return f"{self.root}/{path}"

    def unchanged(self, path: str, here: Here) -> None:
        """Raise `Conflict` (`changed-while-read`) unless the file is still `here`."""
        now = self.look(path)
        if now is None or now[0][:4] != here[:4]:
            raise fs.changed_while_read(self.full(path))

    # -- writing ----------------------------------------------------------------------------------------

    def temporary(self) -> str:
        """A new path for half-done work, on the same disk; a forked child gets others than its parent."""
        if not self._bench:
            folder = self._private("tmp")
            fs.make_folder(folder)
            self._bench = folder
        return f"{self._bench}/{self._token}-{os.getpid()}-{next(self._numbers)}"

    def place(self, temporary: str, path: str, expected: Here | None, stamp: str) -> Here:
        """Give the finished file `temporary` the name `path`; what was there goes into the trash.

        `expected` is what must be there now (None: nothing), else `Conflict` (`changed-here`), with nothing
        done but the name perhaps free for a moment. Returns the fingerprint the file has under its name.
        """
        target = self.full(path)
        folder = os.path.dirname(path)
        if folder not in self._real:
            self._make_real(path, target)
            self._real.add(folder)
        if expected is not None:
            self.bury(path, expected, stamp)
        with fs.translating(target):
            before = os.lstat(temporary)
        if not fs.rename_new(temporary, target):
            self._require_no_folder(path, target)  # an empty one makes room
            _name_new(temporary, target, path)
        now = self.look(path)
        if now is None or now[0].mtime_ns != before.st_mtime_ns or now[0].size != before.st_size:
            # Somebody wrote to it at once: it is read again next time.
            return Here(before.st_size, before.st_mtime_ns, 0, 0)
        return now[0]

    def bury(self, path: str, expected: Here, stamp: str) -> None:
        """Rename the file into `.lab/trash/<stamp>/`, if it is still `expected`."""
        full, grave = self.full(path), self.grave(path, stamp)
        now = self.look(path)
        if now is None or now[0][:4] != expected[:4]:
            raise changed_here(path)
        fs.make_folder(os.path.dirname(grave))
        with fs.translating(full):
            try:
                os.rename(full, grave)
            except OSError as error:
                import errno

                if error.errno != errno.EXDEV:
                    raise
                fs.copy(full, grave, mode=0o600)
                fs.sync(os.path.dirname(grave), [grave])
                os.unlink(full)
                return
            st = os.lstat(grave)
        if (st.st_size, st.st_mtime_ns, st.st_ino) != (expected.size, expected.mtime_ns, expected.ino):
            # Saved by an editor between our look and our rename: give it back.
            _name_new(grave, full, path)
            raise changed_here(path)

    def also_as(self, path: str, new_path: str) -> None:
        """Give the file a second name, which must be free."""
        with fs.translating(self.full(new_path)):
            if os.path.islink(self.full(path)):
                os.symlink(os.readlink(self.full(path)), self.full(new_path))
                return
        try:
            if fs.hardlink(self.full(path), self.full(new_path)):
                return
        except LabError as error:
            if os.path.lexists(self.full(new_path)):
                raise changed_here(new_path) from error
            raise
        fs.copy(self.full(path), self.full(new_path), mode=0o644)

    def remove_empty_folders(self, path: str) -> None:
        """Remove the folders above `path` that nothing is left in."""
        folder = os.path.dirname(path)
        while folder and fs.remove_folder(self.full(folder)):
            self._real.discard(folder)
            folder = os.path.dirname(folder)

    def grave(self, path: str, stamp: str) -> str:
        """Where `path` lies in the trash of `stamp`."""
        return self._private("trash", stamp, path)

    def forget_grave(self, path: str, stamp: str) -> None:
        """Take the name in the trash off bytes that have another one: an edit in place would change them there too."""
        with contextlib.suppress(LabError):
            fs.remove(self.grave(path, stamp))

    def sweep(self) -> None:
        """Remove the half-done work of processes that were killed."""
        for name in fs.names_in(self._private("tmp")):
            with contextlib.suppress(LabError):
                fs.remove(self._private("tmp", name))

    def _private(self, *parts: str) -> str:
        return "/".join((self.root, PRIVATE, *parts))

    def _require_no_folder(self, path: str, full: str) -> None:
        """A folder that holds nothing makes room; `Conflict` (`name-clash`) for one that does."""
        if os.path.isdir(full) and not os.path.islink(full) and not _remove_hollow(full):
            raise name_clash(path, "a folder has its name here")

    def _make_real(self, path: str, full: str) -> None:
        link = fs.link_parents(full, self.root)
        if link is not None:
            raise name_clash(path, f"'{os.path.relpath(link, self.root)}' is a symbolic link here, not a folder")
        try:
            fs.make_folder(os.path.dirname(full))
        except NotFound:
            raise name_clash(path, "a file has the name of its folder here") from None
        if not os.path.isdir(os.path.dirname(full)):
            raise name_clash(path, "a file has the name of its folder here")


def digest_file(path: str, like: str = "") -> tuple[str, int]:
    """The digest of a file in the kind of `like`, where that is one of parts, and its size."""
    size = fs.stat(path).size
    if is_of_parts(like, size):
        pieces, seen = fs.hash_pieces(path, part_size(size))
        return digest_of_parts(pieces), seen.size
    hashed = fs.hash_file(path)
    return hashed.oid, hashed.fingerprint.size


def _remove_hollow(folder: str) -> bool:
    """Remove a folder that holds nothing but folders; False, with nothing done, when it holds anything else."""
    found = list(os.walk(folder, topdown=False))
    if any(names for _, _, names in found) or any(
        os.path.islink(f"{at}/{name}") for at, names, _ in found for name in names
    ):
        return False
    return all(fs.remove_folder(at) for at, _, _ in found)


def _take(path: str, st: os.stat_result, known: Mapping[str, Known], found: Scan) -> None:
    kind = st.st_mode & 0o170000
    if kind == stat_bits.S_IFREG:
        fingerprint = (st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_ino)
        row = known.get(path)
        found.files[path] = Here(*row[:4]) if row is not None and row[:4] == fingerprint else Here(*fingerprint)
    elif kind == stat_bits.S_IFLNK:
        found.files[path] = Here(st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_ino, "", True)
    else:
        found.odd.append((path, "neither a file nor a folder"))


def row_of(here: Here, digest: str, mark: str, clock_ns: int) -> Known:
    """The base row of a file; one that may have changed within a tick of the clock never matches (git's rule)."""
    tick = _COARSE_TICK_NS if here.mtime_ns % 1_000_000_000 == 0 else _FINE_TICK_NS
    ino = 0 if here.mtime_ns + tick >= clock_ns else here.ino
    # Most objects are marked by their md5: one text then serves for both, in the memory of a large home.
    return Known(here.size, here.mtime_ns, here.ctime_ns, ino, digest, digest if mark == digest else mark)


def changed_here(path: str) -> Conflict:
    """The error for a file that is not what it was when the plan was made."""
    return Conflict(
        f"'{path}' was changed here meanwhile",
        code="changed-here",
        hint="run the command again: it looks anew",
        path=path,
    )


def _name_new(source: str, target: str, path: str) -> None:
    """Give a file its name, which nobody may have taken meanwhile."""
    if not fs.rename_new(source, target):
        raise changed_here(path)
