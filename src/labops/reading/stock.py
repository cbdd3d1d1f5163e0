"""The stock: where the objects of a source lie on this machine, and folders that hold one version of a dataset.

Objects go into the cache of the project they belong to, as `lab fetch` would put them there; where there is none,
or one that this member may only read, into the member's own cache (`~/.cache/labops/sources/objects`).
"""

from __future__ import annotations

import functools
import os
import posixpath
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from labops import exchange
from labops.drivers import fs
from labops.errors import Conflict, Corrupt, LabError
from labops.formats.dvcconfig import ConfigLevel, merge_config
from labops.formats.dvcfile import render_dvcfile
from labops.materialise import materialise, refuse_private_names
from labops.model import (
    HERE,
    DvcFile,
    Entry,
    HashName,
    Oid,
    OnEvent,
    Outcome,
    RelPath,
    Selected,
    Tracked,
    Tree,
    ignore,
)
from labops.places.cache import Cache
from labops.project import Project
from labops.source import Source, Want
from labops.source.settings import cache_folder
from labops.survey import survey

_LINKS = ("hardlink", "symlink", "copy")
"""Of the files in a folder of ours: the first two cost neither time nor room, and cannot be written to."""


class TreeIndex:
    """The entries of a tree by folder and name, so that one of a million is found at once."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._folders: dict[str, dict[str, Entry | None]] = {HERE: {}}
        for entry in entries:
            folder, name = posixpath.split(entry.path)
            self._folder(folder)[name] = entry

    def _folder(self, path: str) -> dict[str, Entry | None]:
        found = self._folders.get(path)
        if found is None:
            found = self._folders[path] = {}
            parent, name = posixpath.split(path)
            self._folder(parent).setdefault(name, None)
        return found

    def get(self, path: str) -> Entry | Mapping[str, Entry | None] | None:
        """The file at `path`, or the names in the folder there (None for folders), or None."""
        folder, name = posixpath.split(path)
        entry = self._folders.get(folder, {}).get(name)
        return entry if entry is not None else self._folders.get(path)

    def folder(self, path: str) -> Mapping[str, Entry | None]:
        """The names in a folder: its files with their entries, its folders with None."""
        return self._folders.get(path, {})


class Elsewhere(Protocol):
    """Another process that talks to remotes in place of this one; what it gets is in a cache then."""

    def fetch(self, wants: Sequence[Want]) -> None:
        """Bring objects of one output."""
        ...

    def listing(self, item: Tracked) -> None:
        """Bring the listing of an output."""
        ...


class Stock:
    """The objects of one source; `elsewhere` talks to remotes in its place. Safe beside other threads and processes."""

    def __init__(self, source: Source, elsewhere: Elsewhere | None = None) -> None:
        self.source = source
        self._elsewhere = elsewhere
        self._lock = threading.Lock()
        self._placed: dict[str, fs.Fingerprint] = {}

    @functools.lru_cache(maxsize=4)  # noqa: B019 - lives as long as its source
    def _kept(self, hash_name: HashName) -> Cache:
        return Cache(os.path.join(cache_folder(), "objects"), hash_name)

    def caches(self, item: Tracked) -> list[Cache]:
        """The caches that may hold objects of `item`, the one that new ones go to last."""
        own = self.source.places.caches(item)
        return own if own and _is_writable(own[0].root) else [*own, self._kept(item.output.hash_name)]

    # -- objects --------------------------------------------------------------------------------------

    def object_path(self, item: Tracked, entry: Entry) -> str:
        """Where a verified object lies on this machine, fetched if it was not there; raises what prevents that."""
        caches = self.caches(item)
        for cache in caches:
            if not _lacking(cache, [entry.oid]):
                return cache.path(entry.oid)
        self.bring([Want(item, entry)])
        return caches[-1].path(entry.oid)

    def fetch(self, item: Tracked, entries: Sequence[Entry], *, on_event: OnEvent = ignore) -> Cache:
        """A cache that holds all of `entries`, verified; what none has is fetched. Raises the first error."""
        caches = self.caches(item)
        lacking: set[Oid] = set()
        for cache in caches:
            lacking = _lacking(cache, [entry.oid for entry in entries])
            if not lacking:
                return cache
        wants = [Want(item, entry) for entry in entries if entry.oid in lacking]
        self.bring(wants, on_event=on_event)
        return caches[-1]

    def bring(self, wants: Sequence[Want], *, on_event: OnEvent = ignore) -> None:
        """Objects of one output into the cache that new ones go to; raises the first error."""
        if self._elsewhere is not None:
            self._elsewhere.fetch(wants)
            return
        here = self.source.places.here("") if self.source.is_local else None
        if here is not None and wants[0].tracked.is_repo_import:
            parts = tuple(want.entry.path for want in wants if want.entry.path)
            fetched = exchange.fetch(here, [Selected(wants[0].tracked, parts)], on_event=on_event)
            raise_first(fetched.outcomes)
            return
        with self.caches(wants[0].tracked)[-1].batch() as batch:
            outcomes = self.source.bring(wants, batch, on_event=on_event)
        raise_first(outcomes)

    # -- folders that hold a version ------------------------------------------------------------------

    def place(self, item: Tracked, inside: RelPath, entries: Sequence[Entry], *, on_event: OnEvent = ignore) -> str:
        """The path of a read-only file or folder that holds just `entries`: those of `item` at or below `inside`.

        Made of links into a cache, in a folder named after the oid, where it is found the next time. Several
        processes may ask at once: one makes it, the others wait. Raises the first error.
        """
        oid = item.output.oid
        assert oid is not None
        folder = os.path.join(self._versions_folder(), oid.removesuffix(".dir"))
        path = os.path.join(folder, posixpath.basename(item.path), inside) if inside else ""
        if path and len(entries) == 1 and entries[0].path == inside:
            self._place_file(item, entries[0], path)
            return path
        selected = Selected(item, (inside,) if inside else ())
        for attempt in (1, 2):
            cache = self.fetch(item, entries, on_event=on_event)
            self.keep_listing(item, cache)
            try:
                made = _make(folder, selected, cache, on_event)
            except Corrupt:  # it is in quarantine now, so that a good one is fetched
                if attempt == 2:
                    raise
            else:
                break
        return path or made

    def _place_file(self, item: Tracked, entry: Entry, path: str) -> None:
        """One file of a folder to its place, without looking at the others."""
        with self._lock:
            known = self._placed.get(path)
        if known is not None and looks(path) == known:
            return
        refuse_private_names(item.path, Tree(entry.oid, (entry,)))
        cache = self.fetch(item, [entry])
        if not any(cache.is_linked(entry.oid, path, kind) for kind in _LINKS):
            fs.make_folder(os.path.dirname(path))
            made = f"{path}.{os.urandom(6).hex()}"
            cache.link(entry.oid, made, types=_LINKS, mode=0o444)
            fs.rename(made, path)
        with self._lock:
            self._placed[path] = fs.stat(path)

    def bring_listing(self, item: Tracked) -> None:
        """What must be done before the source is asked for a listing: that of an import lies on no remote of ours."""
        if self._elsewhere is not None:
            self._elsewhere.listing(item)
            return
        here = self.source.places.here("") if self.source.is_local else None
        oid = item.output.oid
        if here is None or not item.is_repo_import or oid is None or not oid.endswith(".dir"):
            return
        if all(cache.missing([oid]) for cache in self.caches(item)):
            raise_first(exchange.fetch(here, [Selected(item)]).outcomes)

    def keep_listing(self, item: Tracked, cache: Cache | None = None) -> None:
        """The listing of an output into `cache` (default: the one that new objects go to), where it lacks it."""
        from labops.formats.dirfile import render_tree

        cache = cache or self.caches(item)[-1]
        oid = item.output.oid
        assert oid is not None
        if oid.endswith(".dir") and cache.missing([oid]):
            data = render_tree(self.source.listing(item).entries)
            if fs.hash_bytes(data) == oid[:32]:
                with cache.batch() as batch:
                    batch.store_bytes(oid, data)

    def _versions_folder(self) -> str:
        here = self.source.places.here("") if self.source.is_local else None
        if here is not None and _is_writable(here.state.folder):
            return os.path.join(here.state.folder, "versions")
        return os.path.join(cache_folder(), "versions")


def _make(folder: str, selected: Selected, cache: Cache, on_event: OnEvent) -> str:
    """Make `folder` a small project that holds the output at `selected`, from objects that `cache` has; its path."""
    item = selected.tracked
    name = posixpath.basename(item.path)
    output = item.output._replace(path=name, remote=None)
    inside = replace(item, path=name, file=f"{name}.dvc", output=output, stage="", is_repo_import=False, deps=())
    dvc_dir = os.path.join(folder, ".dvc")
    fs.make_folder(os.path.join(dvc_dir, "tmp"))
    level = ConfigLevel({"core": {"no_scm": "true"}, "cache": {"dir": cache.root, "type": ",".join(_LINKS)}})
    settings = merge_config([(level, dvc_dir)], home=os.path.expanduser("~"))
    project = Project(folder, settings, wait_for_lock=True)
    with project.lock():
        pointer = os.path.join(folder, inside.file)
        if not os.path.exists(pointer):  # the data is not searched for projects, then
            fs.write_atomic(pointer, render_dvcfile(DvcFile(outs=(output,))).encode())
        if not selected.is_whole or survey(project, name, output.hash_name, on_event=on_event).oid != output.oid:
            done = materialise(project, [selected._replace(tracked=inside)], is_forced=True, on_event=on_event)
            raise_first(done.outcomes)
            if done.warnings:
                raise Corrupt(done.warnings[0], code="corrupt-object", hint="fetch it again: lab fetch")
    return os.path.join(folder, name)


def _lacking(cache: Cache, oids: Sequence[Oid]) -> set[Oid]:
    """Those that `cache` does not have, or has badly: then they are in quarantine."""
    absent = cache.missing(oids)
    doubtful = cache.unverified(oid for oid in oids if oid not in absent)
    for oid in doubtful:
        try:
            cache.verify(oid)
        except (Corrupt, Conflict):
            absent.add(oid)
    if doubtful:
        cache.save()
    return absent


def looks(path: str) -> fs.Fingerprint | None:
    """The fingerprint of a file, None where none can be had."""
    try:
        return fs.stat(path)
    except LabError:
        return None


def _is_writable(path: str) -> bool:
    """True when this member can make files in the folder, or make the folder."""
    while not os.path.isdir(path):
        parent = os.path.dirname(path)
        if parent == path:
            return False
        path = parent
    return os.access(path, os.W_OK | os.X_OK)


def raise_first(outcomes: Iterable[Outcome]) -> None:
    """Raise the first error among the outcomes, where there is one."""
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
