"""The cache: objects on this machine in DVC's layout, shared by projects and, if so configured, by members.

Bytes enter hashed and under a temporary name; they get their real name, mode 0444, only when they are on
disk. DVC trusts that mode blindly; we keep, in `verified/` of our notes, the fingerprint each one had when
labops last hashed it, so that an object that changed since is noticed before anyone uses it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence

from labops.drivers import fs
from labops.errors import Corrupt, InvalidInput, NotFound
from labops.formats.dirfile import parse_tree
from labops.formats.statefile import (
    Columns,
    StateTable,
    join_names,
    pack_fingerprint,
    parse_state,
    render_state,
)
from labops.model import HashName, Oid, Tree, file_tree, is_tree_oid
from labops.places.cache.batch import Batch, Made

__all__ = ["Batch", "Cache", "Made"]

_TREE_LIMIT = 1 << 32  # bytes: a listing of some forty million files; more is a mistake or an attack


class Cache:
    """Objects of one hash kind below `root`. Thread-safe; every method raises labops errors only.

    `notes` is a folder of our own on the same file system; by default `.lab` beside the objects. With
    `is_looking` nothing is noted, and bad objects stay where they are.
    """

    def __init__(
        self,
        root: str,
        hash_name: HashName = HashName.MD5,
        *,
        link_types: Sequence[str] = ("reflink", "copy"),
        is_shared: bool = False,
        notes: str = "",
        is_looking: bool = False,
    ) -> None:
        self.root = root
        self.hash_name = hash_name
        self.link_types = tuple(link_types)
        self.is_shared = is_shared
        self._is_looking = is_looking
        self.base = os.path.join(root, "files", "md5") if hash_name is HashName.MD5 else root
        self.notes = notes or os.path.join(root, ".lab")
        self._shards: dict[str, dict[str, bytes]] = {}
        self._dirty: set[str] = set()
        self._lock = threading.Lock()
        self._plain_folders: set[str] = set()
        """Folders where a reflink was tried in vain: each try costs more than the copy of a small file."""

    def path(self, oid: Oid) -> str:
        """Where the object lies, whether or not it is there."""
        return f"{self.base}/{oid[:2]}/{oid[2:]}"

    def missing(self, oids: Iterable[Oid]) -> set[Oid]:
        """Those of `oids` that have no object. Lists a fan-out folder once where that beats asking one by one."""
        by_shard: dict[str, list[Oid]] = {}
        for oid in oids:
            by_shard.setdefault(oid[:2], []).append(oid)
        absent: set[Oid] = set()
        for shard, wanted in by_shard.items():
            if len(wanted) < 8:
                absent.update(oid for oid in wanted if not os.path.lexists(self.path(oid)))
            else:
                present = set(fs.names_in(f"{self.base}/{shard}"))
                absent.update(oid for oid in wanted if oid[2:] not in present)
        return absent

    def witness(self) -> bytes:
        """Bytes that stay the same while no object comes or goes; empty when that cannot be told."""
        return fs.witness(self.base)

    def unverified(self, oids: Iterable[Oid]) -> list[Oid]:
        """The present ones among `oids` that nobody hashed since they last changed."""
        found = []
        shard, rows = "", dict[str, bytes]()
        for oid in sorted(oids):
            if oid[:2] != shard:
                shard = oid[:2]
                rows = self._shards.get(shard) or self._read_shard(shard)  # not kept: of a million they are large
            try:
                stat = os.stat(self.path(oid))
            except OSError:
                continue
            if rows.get(oid[2:]) != _packed(stat):
                found.append(oid)
        return found

    def verify(self, oid: Oid) -> None:
        """Hash one object; raises `Corrupt` (`corrupt-object`) after putting a bad one in quarantine."""
        if not self.is_good(oid):
            self.quarantine(oid)

    def is_good(self, oid: Oid, *, twin: str = "") -> bool:
        """Hash one object and remember what came out; a bad one stays where it is, and is trusted no more.

        `twin` is a file just found to be good: where it is the very same file, it is not read again.
        """
        path = self.path(oid)
        if not (twin and fs.is_same_file(twin, path)) and fs.hash_file(path, self.hash_name).oid != oid[:32]:
            with self._lock:
                self._shard(oid[:2]).pop(oid[2:], None)
                self._dirty.add(oid[:2])
            return False
        self.remember([oid])
        return True

    def quarantine(self, oid: Oid) -> None:
        """Move a bad object out of the way and raise `Corrupt`; nothing is deleted."""
        path = self.path(oid)
        if not self._is_looking:
            folder = os.path.join(self.notes, "quarantine")
            fs.make_folder(folder, is_shared=self.is_shared)
            fs.rename(path, os.path.join(folder, f"{oid}.{os.urandom(4).hex()}"))
        with self._lock:
            self._shard(oid[:2]).pop(oid[2:], None)
        fate = "" if self._is_looking else "; it was put in quarantine"
        raise Corrupt(
            f"cache object '{oid}' does not have the content its name promises{fate}",
            code="corrupt-object",
            hint="fetch it again: lab fetch",
            oid=oid,
            path=path,
        )

    def read_tree(self, oid: Oid) -> Tree:
        """The tree an output's oid stands for; a single file is a tree of one entry.

        Raises like `read_listing`, and `InvalidInput` (`unsafe-path`).
        """
        return parse_tree(self.read_listing(oid), oid=oid) if is_tree_oid(oid) else file_tree(oid)

    def read_listing(self, oid: Oid) -> bytes:
        """The bytes of a tree object, checked.

        Raises `NotFound` (`tree-not-in-cache`) or `Corrupt` (a bad listing is put in quarantine).
        """
        path = self.path(oid)
        try:
            data = fs.read_bytes(path, limit=_TREE_LIMIT)
        except NotFound as error:
            raise NotFound(
                f"the listing of folder '{oid}' is not in the cache",
                code="tree-not-in-cache",
                hint="get it with: lab fetch",
                oid=oid,
            ) from error
        if fs.hash_bytes(data, self.hash_name) != oid[:32]:
            self.quarantine(oid)
        return data

    def size(self, oid: Oid) -> int | None:
        """Bytes of one object, None when it is absent."""
        try:
            return os.stat(self.path(oid)).st_size
        except OSError:
            return None

    def list(self) -> Iterator[Oid]:
        """Every object, in no order; names that cannot be objects are passed over."""
        for shard in fs.names_in(self.base):
            if len(shard) != 2:
                continue
            with contextlib.suppress(NotFound):
                for name in fs.names_in(f"{self.base}/{shard}"):
                    if len(name) == 30 or (len(name) == 34 and name.endswith(".dir")):
                        yield Oid(shard + name)

    def batch(self) -> Batch:
        """A context in which many objects enter the cache together; see `Batch`."""
        return Batch(self)

    def link(self, oid: Oid, target: str, *, types: Sequence[str] = (), mode: int = 0o666) -> str:
        """Make the new file `target` from a verified object; returns the link type that worked.

        Tries `types` (default: the configured ones) in order. `mode` is for independent files (reflink, copy).
        """
        source = self.path(oid)
        for kind in types or self.link_types:
            if kind == "copy" or (kind == "hardlink" and fs.stat(source).size == 0):
                fs.copy(source, target, mode=mode)  # an empty file is never hard-linked: links to it would add up
                return "copy"
            if kind == "reflink" and self._reflink(source, target, mode):
                return kind
            if kind == "hardlink" and fs.hardlink(source, target):
                return kind
            if kind == "symlink" and fs.symlink(os.path.abspath(source), target):
                return kind
        raise InvalidInput(
            f"none of the link types '{', '.join(types or self.link_types)}' works between cache and workspace",
            code="no-link-type",
            hint="add copy as the last choice: lab config cache.type hardlink,symlink,copy",
            path=target,
        )

    def _reflink(self, source: str, target: str, mode: int) -> bool:
        folder = os.path.dirname(target)
        if folder in self._plain_folders:
            return False
        is_done = fs.reflink(source, target, mode=mode)
        if not is_done:
            self._plain_folders.add(folder)
        return is_done

    def is_linked(self, oid: Oid, path: str, kind: str) -> bool:
        """True when the workspace file `path` is that kind of link to the object."""
        source = self.path(oid)
        try:
            if kind == "symlink":
                return os.path.islink(path) and os.readlink(path) == os.path.abspath(source)
            return os.path.samefile(path, source) and not os.path.islink(path)
        except OSError:
            return False

    def save(self) -> None:
        """Write down what was verified; silent for members who may only read the cache."""
        if self._is_looking:
            return
        with self._lock:
            for shard in self._dirty:
                names = list(self._shards[shard])
                columns = Columns(
                    join_names(names),
                    b"".join(self._shards[shard].values()),
                    b"".join(bytes.fromhex(shard + name[:30]) for name in names),
                )
                table = StateTable({shard: columns} if names else {})
                fs.write_cache_file(self._shard_path(shard), render_state(table), is_shared=self.is_shared)
            self._dirty.clear()

    def let_go(self) -> None:
        """Hold no longer what was verified: for a million objects that is a hundred megabytes."""
        with self._lock:
            for shard in self._shards.keys() - self._dirty:
                del self._shards[shard]

    def _shard_path(self, shard: str) -> str:
        return os.path.join(self.notes, "verified", self.hash_name, shard)

    def _shard(self, shard: str) -> dict[str, bytes]:
        """Object name → packed fingerprint, for one fan-out folder."""
        rows = self._shards.get(shard)
        if rows is None:
            rows = self._shards[shard] = self._read_shard(shard)
        return rows

    def _read_shard(self, shard: str) -> dict[str, bytes]:
        columns = parse_state(fs.read_cache_file(self._shard_path(shard))).directories.get(shard)
        return {name: packed for name, (packed, _) in columns.rows().items()} if columns else {}

    def remember(self, oids: Collection[Oid]) -> None:
        """These were hashed and are in place: note their fingerprints."""
        with self._lock:
            for oid in oids:
                self._shard(oid[:2])[oid[2:]] = _packed(os.stat(self.path(oid)))
                self._dirty.add(oid[:2])


def _packed(stat: os.stat_result) -> bytes:
    return pack_fingerprint(stat.st_size, stat.st_mtime_ns, 0, stat.st_ino)
