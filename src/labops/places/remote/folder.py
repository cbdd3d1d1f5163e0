"""A remote in a folder: a shared disk or a network mount, in DVC's layout."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from labops.drivers import fs
from labops.errors import NotFound
from labops.model import Event, HashName, Oid, OnEvent, ignore, is_tree_oid
from labops.places.remote.layout import FANS, NOTES, TRASH, Access, base_of, corrupt, oid_at, other, tail_of
from labops.places.trash import FolderTrash, Stored, Trashed
from labops.planning.proof import Held

_TRUSTED = 0o444
_FRESH = 0o644


class FolderRemote:
    """Objects of one layout below a folder. Safe to use from many threads.

    An object has mode 0444 exactly when its bytes are known to be on disk: dvc trusts that mode and hashes
    anything else again. So an upload appears as 0644 and becomes 0444 in `finish`, after one `syncfs`; what a
    power cut leaves behind is then never believed, neither by dvc nor by us.
    """

    is_read_only = False
    forks: Final = "files"
    requests = 0

    def __init__(
        self, name: str, root: str, hash_name: HashName, *, is_shared: bool = False, is_looking: bool = False
    ) -> None:
        self.name, self.url = name, root
        self._root = root
        self._hash_name = hash_name
        self._base = os.path.join(root, base_of("", hash_name)).rstrip("/")
        self._is_shared = is_shared
        self._is_looking = is_looking
        self._fresh: list[str] = []
        self._made: set[str] = set()
        self._lock = threading.Lock()
        self._token = os.urandom(12).hex()  # whose temporary files these are: nobody else's
        self._numbers = itertools.count()
        self._trash = FolderTrash(os.path.join(root, TRASH), hash_name, self._path, is_shared=is_shared)

    def __repr__(self) -> str:
        return f"FolderRemote({self.name!r}, {self._root!r}, {self._hash_name})"

    # -- many objects ---------------------------------------------------------------------------------

    def contains(self, oids: Collection[Oid], *, on_event: OnEvent = ignore) -> set[Oid]:
        """Which of `oids` the folder holds: one listing for each of the 256 folders that matter.

        An object that is not marked as verified (mode 0444) is hashed first, and counts only if it is right.
        """
        wanted: dict[str, list[Oid]] = {}
        for oid in set(oids):
            wanted.setdefault(oid[:2], []).append(oid)
        if not wanted:
            return set()
        found: set[Oid] = set()
        if not self._is_begun():
            return found
        on_event(Event("started", "query", total=len(oids)))
        for fan, some in wanted.items():
            names = set(fs.names_in(os.path.join(self._base, fan)))
            found.update(oid for oid in some if oid[2:] in names and self._is_sound(oid))
        on_event(Event("finished", "query"))
        return found

    def fingerprints(self, oids: Collection[Oid], *, on_event: OnEvent = ignore) -> dict[Oid, Held]:
        """The size of each object that is there."""
        wanted = set(oids)
        found: dict[Oid, Held] = {}
        if not wanted or not self._is_begun():
            return found
        on_event(Event("started", "query", total=len(wanted)))
        for oid in wanted:
            with contextlib.suppress(NotFound):
                found[oid] = Held(fs.stat(self._path(oid)).size)
        on_event(Event("finished", "query"))
        return found

    def checksums(self, oid: Oid) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """A folder keeps none."""
        return {}

    def verify(self, oid: Oid) -> int:
        """Hash the object where it lies; its bytes."""
        with self._reading(oid):
            hashed = fs.hash_file(self._path(oid), self._rule(oid))
        if hashed.oid != oid[:32]:
            raise corrupt(oid, "corrupt-download", self._root)
        return hashed.fingerprint.size

    def _is_begun(self) -> bool:
        """False for a remote that nobody pushed to yet; raises when even its parent is absent (not mounted)."""
        if fs.mode_of(self._root) is not None:
            return True
        self._require_parent()
        return False

    def _is_sound(self, oid: Oid) -> bool:
        path = self._path(oid)
        mode = fs.mode_of(path)
        if mode is None or mode == _TRUSTED:
            return mode is not None
        if fs.hash_file(path, self._rule(oid)).oid != oid[:32]:
            return False
        if not self._is_looking:
            fs.sync(os.path.dirname(path), [path])
            fs.protect(path)
        return True

    def list(self) -> Iterator[tuple[Oid, int]]:
        """Every object of the layout with its size in bytes; foreign files are skipped."""
        return ((item.oid, item.size) for item in self.inventory())

    def inventory(self) -> Iterator[Stored]:
        """The same with the time at which each got its name: of its last change, or of its rename."""
        self._require_root()
        for fan in FANS:
            folder = os.path.join(self._base, fan)
            for name in fs.names_in(folder):
                oid = oid_at(f"{fan}/{name}")
                if oid is not None:
                    with contextlib.suppress(NotFound):  # deleted since it was listed
                        seen = fs.stat(os.path.join(folder, name))
                        yield Stored(oid, seen.size, max(seen.mtime_ns, seen.ctime_ns) / 1e9)

    def delete(self, oids: Collection[Oid]) -> None:
        """Delete objects; absent ones are no error."""
        self._require_root()
        for oid in oids:
            fs.remove(self._path(oid))

    # -- the trash ------------------------------------------------------------------------------------

    def trash(self, sizes: Mapping[Oid, int], day: str) -> None:
        """Set objects aside, by renaming."""
        self._require_root()
        self._trash.take(list(sizes), day)

    def trashed(self) -> Iterator[Trashed]:
        """Every object of the layout in the trash."""
        self._require_root()
        return self._trash.list()

    def restore(self, items: Collection[Trashed]) -> None:
        """Rename objects of the trash back, in the order given."""
        self._require_root()
        self._trash.give_back(items)

    def purge(self, items: Collection[Trashed]) -> None:
        """Delete objects of the trash for good."""
        self._require_root()
        self._trash.purge(items)

    # -- notes ----------------------------------------------------------------------------------------

    def notes(self, kind: str) -> dict[str, bytes]:
        """The small files of labops of one kind, by name."""
        self._require_root()
        folder = os.path.join(self._root, NOTES, kind)
        names = [name for name in fs.names_in(folder) if not name.endswith(".tmp")]
        return {name: fs.read_bytes(os.path.join(folder, name)) for name in names}

    def put_note(self, kind: str, name: str, data: bytes) -> None:
        """Write one of them."""
        self._require_root()
        folder = os.path.join(self._root, NOTES, kind)
        fs.make_folder(folder, is_shared=self._is_shared)
        fs.write_atomic(os.path.join(folder, name), data)

    def remove_note(self, kind: str, name: str) -> None:
        """Remove one of them."""
        self._require_root()
        fs.remove(os.path.join(self._root, NOTES, kind, name))

    # -- one object -----------------------------------------------------------------------------------

    def upload(self, oid: Oid, source: str, size: int) -> None:
        """Copy the file `source`, hashed on the way; `Corrupt` (`corrupt-object`) before it gets its name."""
        with self._new_object(oid) as temporary:
            copied = fs.copy_hashing(
                source, temporary, self._rule(oid), mode=_FRESH, is_wanted=lambda seen: seen == oid[:32]
            )
            if not copied.is_written:
                raise corrupt(oid, "corrupt-object", source)
            if copied.fingerprint.size != size:
                raise fs.changed_while_read(source)

    def upload_bytes(self, oid: Oid, data: bytes) -> None:
        """Store `data`, after the same check."""
        if fs.hash_bytes(data, self._rule(oid)) != oid[:32]:
            raise corrupt(oid, "corrupt-object", "memory")
        with self._new_object(oid) as temporary:
            fs.write_new(temporary, data, mode=_FRESH)

    def adopt(self, oid: Oid, size: int) -> None:
        """Copy the other layout's object of that name, hashed on the way."""
        base = os.path.join(self._root, base_of("", other(self._hash_name))).rstrip("/")
        self.upload(oid, f"{base}/{tail_of(oid)}", size)

    @contextlib.contextmanager
    def _new_object(self, oid: Oid) -> Iterator[str]:
        """A temporary name to fill, which becomes the object when the block ends well."""
        path = self._path(oid)
        folder = os.path.dirname(path)
        temporary = os.path.join(folder, f".{self._token}{os.getpid()}-{next(self._numbers)}.tmp")
        self._make(folder)
        try:
            yield temporary
            fs.rename(temporary, path)
        except BaseException:
            fs.remove(temporary)
            raise
        with self._lock:
            self._fresh.append(path)

    def _make(self, folder: str) -> None:
        with self._lock:
            if folder in self._made:
                return
            self._require_parent()
            fs.make_folder(folder, is_shared=self._is_shared)
            self._made.add(folder)

    def finish(self, forked: Collection[Oid] = ()) -> None:
        """Make what was uploaded so far durable, then mark it as verified (0444)."""
        with self._lock:
            fresh = [*dict.fromkeys([*self._fresh, *map(self._path, forked)])]
            self._fresh.clear()
        if not fresh:
            return
        fs.sync(self._root, fresh)
        fs.sync_names(self._root, {os.path.dirname(path) for path in fresh})
        for path in fresh:
            with contextlib.suppress(NotFound):  # somebody deleted it meanwhile
                fs.protect(path)

    can_expect = False

    def expect(self, oid: Oid) -> None:
        """Nothing."""

    def download(self, oid: Oid, target: str, *, mode: int = 0o666) -> int:
        """Copy into the new file `target`; `Corrupt` (`corrupt-download`), and no file, when it is damaged."""
        with self._reading(oid):
            copied = fs.copy_hashing(
                self._path(oid), target, self._rule(oid), mode=mode, is_wanted=lambda seen: seen == oid[:32]
            )
        if not copied.is_written:
            raise corrupt(oid, "corrupt-download", self._root)
        return copied.fingerprint.size

    def read(self, oid: Oid) -> bytes:
        """The bytes of a small object, checked."""
        with self._reading(oid):
            data = fs.read_bytes(self._path(oid))
        if fs.hash_bytes(data, self._rule(oid)) != oid[:32]:
            raise corrupt(oid, "corrupt-download", self._root)
        return data

    @contextlib.contextmanager
    def _reading(self, oid: Oid) -> Iterator[None]:
        """Tell an absent object from a share that is not mounted."""
        try:
            yield
        except NotFound as error:
            self._require_root()
            raise NotFound(
                f"object '{oid}' is missing in '{self._root}'", code="no-such-object", oid=oid, place=self._root
            ) from error

    def check(self) -> None:
        """The folder is there, or its parent is, in which the first push makes it."""
        self._is_begun()

    def access(self) -> Access:
        """Only a folder."""
        return Access(prefix=self._root)

    def clock(self) -> float | None:
        """The time by the file server's clock."""
        self._require_root()
        return fs.clock_ns(self._root) / 1e9

    def close(self) -> None:
        """Nothing is held open."""

    def _require_root(self) -> None:
        if fs.mode_of(self._root) is None:
            raise self._absent(self._root)

    def _require_parent(self) -> None:
        parent = os.path.dirname(self._root.rstrip("/")) or "/"
        if fs.mode_of(self._root) is None and fs.mode_of(parent) is None:
            raise self._absent(parent)

    def _absent(self, folder: str) -> NotFound:
        return NotFound(
            f"the folder '{folder}' of remote '{self.name}' does not exist",
            code="no-such-folder",
            hint="is the disk mounted on this machine? a first push makes the folder if its parent exists",
            path=folder,
        )

    def _path(self, oid: Oid) -> str:
        return f"{self._base}/{tail_of(oid)}"

    def _rule(self, oid: Oid) -> HashName:
        return HashName.MD5 if is_tree_oid(oid) else self._hash_name
