"""Surveying: what an output holds in the workspace right now, reading only files that changed.

The one way from files to a tree, for `add`, `commit`, `status` and `checkout` alike.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

from labops import transfer
from labops.drivers import fs
from labops.errors import LabError
from labops.formats.dirfile import render_tree, tree_oid
from labops.formats.statefile import StateTable
from labops.model import HERE, Entry, HashName, Oid, OnEvent, RelPath, Tree, ignore
from labops.places.cache import Batch, Cache, Made
from labops.places.workspace import Recall, Scan
from labops.project import Project

_MANY_FILES = 256
"""From here on, looking at the 256 folders of the cache costs less than asking for each object."""


class Survey(NamedTuple):
    """One output as it is in the workspace. `oid` is None when nothing is there.

    `read` names the files that were read to find out, relative to the output, with their bytes.
    """

    path: str
    scan: Scan
    recall: Recall
    oid: Oid | None
    listing: bytes | None = None
    """The bytes of the tree object, where they had to be made to find the oid."""
    read: tuple[tuple[str, int], ...] = ()

    @property
    def is_missing(self) -> bool:
        return self.scan.kind == "missing"

    def tree(self) -> Tree | None:
        """All files with oids and sizes; None when nothing is there."""
        if self.oid is None:
            return None
        if self.scan.kind == "file":
            return self.recall.file_tree()
        return Tree(self.oid, tuple(self.recall.entries()))

    def entries(self) -> Sequence[Entry]:
        tree = self.tree()
        return tree.entries if tree else ()

    def linked_paths(self) -> frozenset[RelPath]:
        """The files that are symbolic links."""
        if self.scan.kind == "file":
            return frozenset([HERE] if self.scan.folders[HERE].links else [])
        folders = self.scan.folders.items()
        return frozenset(RelPath(_joined(folder, name)) for folder, listing in folders for name in listing.links)

    @property
    def is_executable(self) -> bool:
        """True for a single file with an exec bit."""
        return self.scan.kind == "file" and bool(self.scan.folders[HERE].executables)

    def losses(self) -> tuple[str, ...]:
        """Sentences about what is here but cannot be kept in DVC's format."""
        said = []
        for what, names in (
            ("empty folders", self.scan.empty),
            ("symbolic links to folders", self.scan.links),
            ("folders with a dvc project of their own", self.scan.nested),
            ("executable bits", self._executables()),
        ):
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                said.append(f"'{self.path}': {what} are not kept by dvc's format: {', '.join(names[:3])}{more}")
        return tuple(said)

    def _executables(self) -> list[str]:
        """Executable files inside a folder; a single file keeps its bit (`isexec`)."""
        if self.scan.kind == "file":
            return []
        folders = self.scan.folders.items()
        return [_joined(folder, name) for folder, listing in folders for name in listing.executables]


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def witness(cache: Cache, scan: Scan) -> bytes:
    """What tells that the objects of an output are still in the cache; empty where asking for each is as cheap."""
    return cache.witness() if scan.nfiles >= _MANY_FILES else b""


def survey(
    project: Project,
    path: str,
    hash_name: HashName = HashName.MD5,
    *,
    batch: Batch | None = None,
    source: str | None = None,
    remember: bool = True,
    on_event: OnEvent = ignore,
) -> Survey:
    """Find out what is at `path` (relative to the project root).

    With `batch` every file's object is in that batch's cache afterwards, copied in the same pass in which it
    is hashed. With `remember` the next survey reads only what changes from now on. `source` (absolute) is
    looked at in the place of `path`, and not remembered. Raises the first error that reading met: a dataset
    is known as a whole or not at all.
    """
    clock_ns = project.state.clock_ns() if remember else 0
    scan = project.workspace.scan(source or project.absolute(path))
    table = StateTable() if source else project.state.load(path, hash_name)
    recall = Recall(scan, table)
    if scan.kind == "missing":
        return Survey(path, scan, recall, None)
    to_read = list(recall.unknown)
    if batch is not None:
        to_read += _uncached(project, path, hash_name, recall)
    read = _read(recall, to_read, hash_name, batch, on_event)
    oid, listing = (recall.tree_oid, None) if recall.tree_oid else _oid_of(recall)
    if remember and source is None and (to_read or not recall.is_same or recall.tree_oid is None):
        project.state.save(path, hash_name, recall.table(oid, clock_ns))
    return Survey(path, scan, recall, oid, listing, read)


def _uncached(project: Project, path: str, hash_name: HashName, recall: Recall) -> list[tuple[str, int]]:
    """Unchanged files whose object is not in the cache: they are stored like new ones."""
    cache = project.cache(hash_name)
    if recall.remembered is not None and project.state.is_proven(path, recall.remembered, witness(cache, recall.scan)):
        return []
    absent = cache.missing(recall.known_oids())
    if not absent:
        return []
    return [
        (folder, index)
        for folder in recall.scan.folders
        for index, oid in enumerate(recall.oids(folder))
        if oid in absent
    ]


def _read(
    recall: Recall,
    to_read: Sequence[tuple[str, int]],
    hash_name: HashName,
    batch: Batch | None,
    on_event: OnEvent,
) -> tuple[tuple[str, int], ...]:
    """Hash (and store) the files and put what they hold into `recall`; (path, bytes) of each."""
    scan = recall.scan
    lock = threading.Lock()

    def work(place: tuple[str, int]) -> Made:
        folder, index = place
        name = scan.folders[folder].names[index]
        source = scan.absolute(folder, name)
        if batch is None:
            return Made(fs.hash_file(source, hash_name))
        return batch.make(source, is_known=(folder, name) in recall.known_names)

    def keep(place: tuple[str, int], made: Made) -> None:
        if batch is not None:
            batch.keep(made)
        with lock:
            recall.learn(*place, made.hashed)

    def size_of(place: tuple[str, int]) -> int:
        return scan.folders[place[0]].stats[4 * place[1]]

    phase = "hashing" if batch is None else "adding"
    results = transfer.each(to_read, work, phase=phase, forks="files", keep=keep, size_of=size_of, on_event=on_event)
    for result in results:
        if isinstance(result, LabError):
            raise result
    if scan.kind == "file":
        return tuple(("", size_of(place)) for place in to_read)
    return tuple((_joined(place[0], scan.folders[place[0]].names[place[1]]), size_of(place)) for place in to_read)


def _oid_of(recall: Recall) -> tuple[Oid, bytes | None]:
    if recall.scan.kind == "file":
        return recall.file_tree().oid, None
    listing = render_tree(recall.entries())
    return tree_oid(listing), listing
