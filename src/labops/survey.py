"""Surveying: what an output holds in the workspace right now, reading only files that changed.

The one way from files to a tree, for `add`, `commit`, `status` and `checkout` alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labops import transfer
from labops.drivers import fs
from labops.errors import LabError
from labops.formats.dirfile import render_tree, tree_oid
from labops.model import Entry, HashName, Oid, OnEvent, Tree, ignore
from labops.places.cache import Batch
from labops.places.workspace import Recall, Scan
from labops.project import Project


@dataclass(frozen=True, slots=True)
class Survey:
    """One output as it is in the workspace. `oid` is None when nothing is there.

    `hashed` counts the files that were read to find out.
    """

    path: str
    scan: Scan
    recall: Recall
    oid: Oid | None
    hashed: int = 0

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
        return [f"{folder}/{name}".lstrip("/") for folder, listing in folders for name in listing.executables]


def survey(
    project: Project,
    path: str,
    hash_name: HashName = HashName.MD5,
    *,
    batch: Batch | None = None,
    jobs: int = transfer.DISK_JOBS,
    remember: bool = True,
    on_event: OnEvent = ignore,
) -> Survey:
    """Find out what is at `path` (relative to the project root).

    With `batch` every file's object is in that batch's cache afterwards, copied in the same pass in which it
    is hashed. With `remember` the next survey reads only what changes from now on. Raises the first error
    that reading met: a dataset is known as a whole or not at all.
    """
    clock_ns = project.state.clock_ns()
    scan = project.workspace.scan(project.absolute(path))
    table = project.state.load(path, hash_name)
    recall = Recall(scan, table)
    if scan.kind == "missing":
        return Survey(path, scan, recall, None)
    to_read = list(recall.unknown)
    if batch is not None:
        to_read += _uncached(recall, project.cache(hash_name).missing(recall.known_oids()))
    _read(recall, to_read, hash_name, batch, jobs, on_event)
    oid = recall.tree_oid or _oid_of(recall)
    if remember and (to_read or not recall.is_same or recall.tree_oid is None):
        project.state.save(path, hash_name, recall.table(oid, clock_ns))
    return Survey(path, scan, recall, oid, len(to_read))


def _uncached(recall: Recall, absent: set[Oid]) -> list[tuple[str, int]]:
    """Unchanged files whose object is not in the cache: they are stored like new ones."""
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
    jobs: int,
    on_event: OnEvent,
) -> None:
    """Hash (and store) the files and put what they hold into `recall`."""
    scan = recall.scan

    def work(place: tuple[str, int]) -> fs.Hashed:
        folder, index = place
        name = scan.folders[folder].names[index]
        source = scan.absolute(folder, name)
        if batch is None:
            return fs.hash_file(source, hash_name)
        return batch.store_file(source, is_known=(folder, name) in recall.known_names)

    def size_of(place: tuple[str, int]) -> int:
        return scan.folders[place[0]].stats[4 * place[1]]

    phase = "hashing" if batch is None else "adding"
    results = transfer.each(to_read, work, phase=phase, jobs=jobs, size_of=size_of, on_event=on_event)
    for (folder, index), result in zip(to_read, results, strict=True):
        if isinstance(result, LabError):
            raise result
        recall.learn(folder, index, result)


def _oid_of(recall: Recall) -> Oid:
    if recall.scan.kind == "file":
        return recall.file_tree().oid
    return tree_oid(render_tree(recall.entries()))
