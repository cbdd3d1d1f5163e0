"""A batch: objects on their way into a cache, made durable together before any of them gets its name."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from labops.drivers import fs
from labops.errors import NotFound
from labops.model import Oid, is_tree_oid

if TYPE_CHECKING:
    from labops.places.cache import Cache

_FLUSH_FILES = 4_000
_FLUSH_BYTES = 1 << 29


class Download(Protocol):
    """`Remote.download`."""

    def __call__(self, oid: Oid, target: str, *, mode: int) -> int: ...


class Made(NamedTuple):
    """A file that was read, and the finished object that came of it, if the cache had none."""

    hashed: fs.Hashed
    path: str = ""


class Batch:
    """Objects on their way into a cache: written under temporary names, made durable together, then renamed.

    Leaving the `with` block names everything that was finished, also when an error or Ctrl-C ends it. A kill
    loses at most the objects since the last flush; their temporary folder is swept by a later batch.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._folder = ""
        self._pending: dict[Oid, str] = {}
        self._pending_bytes = 0
        self._numbers = itertools.count()
        self._listed: dict[str, set[str]] = {}
        self._made: set[str] = set()
        self._no_reflink = "reflink" not in cache.link_types
        self._lock = threading.Lock()
        self._witness = b""
        self._modes_change = True

    def __enter__(self) -> Self:
        self._witness = self._cache.witness()
        parent = os.path.join(self._cache.notes, "tmp")
        fs.make_folder(parent, is_shared=self._cache.is_shared)
        fs.sweep_workbenches(parent)
        self._folder = fs.make_workbench(parent)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()
            self._cache.save()
            self._cache.let_go()
        finally:
            fs.remove_workbench(self._folder)

    def temporary(self) -> str:
        """A path that nobody else uses, on the cache's file system."""
        return f"{self._folder}/{os.getpid()}-{next(self._numbers)}"

    def store_file(self, source: str, *, is_known: bool = False) -> fs.Hashed:
        """Take `source` into the cache; the file itself stays as it is (with `hardlink` first, it is linked in).

        See `make`.
        """
        made = self.make(source, is_known=is_known)
        self.keep(made)
        return made.hashed

    def make(self, source: str, *, is_known: bool = False) -> Made:
        """Hash `source`, and make the object where the cache has none; `keep` takes it in, in this process.

        `is_known` says that the content is probably there already, so that a large file is hashed before
        anything is copied. Nothing is noted: a forked child may do it.
        """
        if self._cache.link_types[:1] == ("hardlink",):
            return self._make_link(source)
        if is_known:
            hashed = fs.hash_file(source, self._cache.hash_name)
            if self._has(hashed.oid):
                return Made(hashed)
        target = self.temporary()
        if not self._no_reflink:
            cloned = self._make_clone(source, target)
            if cloned is not None:
                return Made(cloned, target)
        hashed = fs.copy_hashing(source, target, self._cache.hash_name, is_wanted=lambda oid: not self._has(oid))
        return Made(hashed, target if hashed.is_written else "")

    def keep(self, made: Made) -> None:
        """Take in what `make` has made."""
        if made.path:
            self._add(made.hashed.oid, made.path, made.hashed.fingerprint.size)

    def _make_clone(self, source: str, target: str) -> fs.Hashed | None:
        """Share the blocks of `source` and hash the clone, which nobody else can change meanwhile."""
        before = fs.stat(source)
        if not fs.reflink(source, target):
            self._no_reflink = True
            return None
        oid = fs.hash_file(target, self._cache.hash_name).oid
        if fs.stat(source) != before:
            fs.remove(target)
            raise fs.changed_while_read(source)
        return fs.Hashed(oid, before)

    def _make_link(self, source: str) -> Made:
        """Give the workspace file a second name in the cache."""
        hashed = fs.hash_file(source, self._cache.hash_name)
        target = self.temporary()
        if self._has(hashed.oid) or hashed.fingerprint.size == 0 or not fs.hardlink(os.path.realpath(source), target):
            if self._has(hashed.oid):
                return Made(hashed)
            fs.copy_hashing(source, target, self._cache.hash_name)
            return Made(hashed, target)
        fs.protect(target)
        return Made(fs.Hashed(hashed.oid, fs.stat(source)), target)

    def store_bytes(self, oid: Oid, data: bytes) -> None:
        """Take `data`, whose oid is `oid`, into the cache."""
        if not self._has(oid):
            target = self.temporary()
            fs.write_new(target, data, mode=0o444)
            self._add(oid, target, len(data))

    def fetch(self, oid: Oid, download: Download) -> tuple[str, int]:
        """A finished object that `download` filled with the verified bytes of `oid`, and their number; see `enter`.

        Nothing is noted: a forked child may do it.
        """
        path = self.temporary()
        size = download(oid, path, mode=0o444)
        if self._modes_change:  # only a umask or an ACL can change the mode, and it changes all or none
            self._modes_change = fs.protect(path)
        return path, size

    def enter(self, oid: Oid, path: str, size: int) -> None:
        """Take in what `fetch` has made."""
        self._add(oid, path, size)

    def adopt(self, oid: Oid, path: str, size: int) -> None:
        """Take over a file made at `temporary()`, whose content the caller has just verified to be `oid`."""
        fs.protect(path)
        self._add(oid, path, size)

    def _has(self, oid: Oid) -> bool:
        """True when the object needs not be written. One that another process adds meanwhile is written again."""
        shard = oid[:2]
        listed = self._listed.get(shard)
        if listed is None:
            listed = self._listed[shard] = set(fs.names_in(f"{self._cache.base}/{shard}"))
        return oid[2:] in listed or oid in self._pending

    def _add(self, oid: Oid, path: str, size: int) -> None:
        with self._lock:
            if self._has(oid):  # the same content twice in a dataset, made by two hands at once
                fs.remove(path)
                return
            self._pending[oid] = path
            self._pending_bytes += size
            if len(self._pending) >= _FLUSH_FILES or self._pending_bytes >= _FLUSH_BYTES:
                self._flush()

    def proof(self, oids: Iterable[Oid]) -> bytes:
        """The cache's witness for holding all of `oids`, which were seen there or stored while the batch was open.

        Empty when that cannot be told. Only the folders that changed meanwhile, by us or others, are looked at.
        """
        now = self._cache.witness()
        changed = {row.split(b" ", 1)[0].decode() for row in {*now.split(b"\n")} - {*self._witness.split(b"\n")}}
        return b"" if self._cache.missing(oid for oid in oids if oid[:2] in changed) else now

    def flush(self) -> None:
        """Make everything stored so far durable and give it its name. Tree objects come last."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        cache = self._cache
        ordered = sorted(self._pending, key=is_tree_oid)
        fs.sync(self._folder, [self._pending[oid] for oid in ordered])
        for shard in {oid[:2] for oid in ordered} - self._made:
            fs.make_folder(f"{cache.base}/{shard}", is_shared=cache.is_shared)
            self._made.add(shard)
        for oid in ordered:
            self._give_name(oid)
            if oid[:2] in self._listed:
                self._listed[oid[:2]].add(oid[2:])
        fs.sync_names(cache.base, {f"{cache.base}/{oid[:2]}" for oid in ordered})
        cache.remember(ordered)
        self._pending.clear()
        self._pending_bytes = 0

    def _give_name(self, oid: Oid) -> None:
        target = self._cache.path(oid)
        try:
            fs.rename(self._pending[oid], target)
        except NotFound:
            if not os.path.lexists(target):  # else a flush that Ctrl-C broke off has come as far as this
                raise
