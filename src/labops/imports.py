"""Imports: data that a DVC file says to come from another repository, taken into this project's cache.

What `import`, `update`, `fetch` and `pull` share. An import names its repository, a path in it and, in
`rev_lock`, the commit it was taken from: that commit is where it is fetched from ever after.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from labops import transfer
from labops.drivers import fs
from labops.drivers.git.cloning import is_url
from labops.errors import Conflict, Corrupt, InvalidInput, LabError, NotFound
from labops.formats.dirfile import render_tree, tree_oid
from labops.model import (
    HERE,
    Action,
    Entry,
    HashName,
    Oid,
    OnEvent,
    Outcome,
    Output,
    RelPath,
    Result,
    Selected,
    Step,
    Tree,
    file_tree,
    ignore,
)
from labops.places.cache import Batch
from labops.project import Project
from labops.source import Source, SourceFile, Want, open_source
from labops.source.files import data_below


class Origin(NamedTuple):
    """The repository half of an import: `path` in the repository `url`, at `rev`, taken from commit `rev_lock`."""

    url: str
    path: str
    rev: str | None = None
    rev_lock: str | None = None
    config: str | Mapping[str, object] | None = None
    remote: str | Mapping[str, str] | None = None

    def dependency(self) -> dict[str, object]:
        """The mapping that a DVC file holds, in dvc's order."""
        repo: dict[str, object] = {"url": self.url}
        for name in ("rev", "rev_lock", "config", "remote"):
            value = getattr(self, name)
            if value:
                repo[name] = dict(value) if isinstance(value, Mapping) else value
        return {"path": self.path, "repo": repo}


def parse_origin(dependency: Mapping[str, object]) -> Origin:
    """The origin that a dependency of a DVC file describes; the file's schema was checked already."""
    repo = dependency.get("repo")
    assert isinstance(repo, Mapping)
    remote = repo.get("remote")
    config = repo.get("config")
    return Origin(
        url=str(repo["url"]),
        path=posixpath.normpath(str(dependency.get("path") or ".")),
        rev=str(repo["rev"]) if repo.get("rev") else None,
        rev_lock=str(repo["rev_lock"]) if repo.get("rev_lock") else None,
        config=config if isinstance(config, (str, Mapping)) else None,
        remote={str(key): str(value) for key, value in remote.items()}
        if isinstance(remote, Mapping)
        else str(remote or "") or None,
    )


def open_origin(project: Project, origin: Origin, rev: str | None, *, near: str = "") -> Source:
    """The repository of an import at `rev` (None: its default branch).

    A relative path counts from the project's root, else from the folder `near` of the DVC file, else from the
    current directory: dvc writes it as it was typed, wherever that was.
    """
    url = origin.url
    if not is_url(url) and not os.path.isabs(url):
        places = (os.path.join(folder, url) for folder in (project.root, project.absolute(near), os.getcwd()))
        url = next((place for place in places if os.path.isdir(place)), url)
    is_named = isinstance(origin.remote, str)
    return open_source(
        url,
        rev,
        config=origin.config,
        remote=origin.remote if isinstance(origin.remote, str) else None,
        remote_config=None if is_named or origin.remote is None else dict(origin.remote),  # type: ignore[arg-type]
        is_committed=True,
    )


@dataclass(slots=True)
class Taken:
    """What was taken, or with a dry run would be: the steps, how they ended, and the tree they make."""

    steps: list[Step] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tree: Tree | None = None
    """None after a dry run and where something failed."""
    size: int | None = None
    left_out: set[RelPath] = field(default_factory=set)


class _Arrivals:
    """A landing in our cache; objects of another kind of hash are hashed anew. `became` is their oid here."""

    def __init__(self, batch: Batch, hash_name: HashName, theirs: HashName) -> None:
        self._batch = batch
        self._is_same = hash_name is theirs
        self._lock = threading.Lock()
        self.became: dict[Oid, Oid] = {}

    def temporary(self) -> str:
        return self._batch.temporary()

    def adopt(self, oid: Oid, path: str, size: int) -> None:
        ours = oid
        if self._is_same:
            self._batch.adopt(oid, path, size)
        else:
            ours = self._batch.store_file(path).oid
            fs.remove(path)
        with self._lock:
            self.became[oid] = ours


def take(
    project: Project,
    source: Source,
    path: str,
    *,
    hash_name: HashName = HashName.MD5,
    is_wanted: Callable[[RelPath], bool] = lambda _: True,
    jobs: int | None = None,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Taken:
    """The file or folder at `path` of `source`, which is at a commit, into the project's cache.

    Objects that are there already are not fetched. `is_wanted` chooses files of a folder; its listing is
    stored, and `Taken.tree` set, when everything arrived.
    """
    found = source.find(path)
    rows = data_below(found, source.at(found), source.name)
    cache = project.cache(hash_name)
    wanted = [row for row in rows if is_wanted(row[1])]
    taken = Taken(warnings=list(source.warnings))
    absent = cache.missing(file.oid for file, _ in wanted if file.oid and _is_ours(file, hash_name))
    moved = [row for row in wanted if row[0].oid in absent or not _is_ours(row[0], hash_name)]
    taken.steps = [Step(Action.DOWNLOAD, file.path, file.oid, file.size) for file, _ in moved]
    if dry_run:
        return taken
    with cache.batch() as batch:
        oids = _bring(source, moved, batch, hash_name, taken, jobs, on_event)
        tried = {inside for _, inside in moved}
        oids |= {
            inside: file.oid for file, inside in rows if file.oid and inside not in tried and _is_ours(file, hash_name)
        }
        kept = [row for row in rows if row[1] not in taken.left_out]
        _finish(taken, kept, oids, batch, is_folder=found.is_folder)
    _measure(taken, source, path, cache.size)
    return taken


def _is_ours(file: SourceFile, hash_name: HashName) -> bool:
    """True for an object that has the same name there and here."""
    return file.oid is not None and _hash_of(file) is hash_name


def _hash_of(file: SourceFile) -> HashName:
    return file.tracked.output.hash_name if file.tracked is not None else HashName.MD5


def _bring(
    source: Source,
    rows: Sequence[tuple[SourceFile, RelPath]],
    batch: Batch,
    hash_name: HashName,
    taken: Taken,
    jobs: int | None,
    on_event: OnEvent,
) -> dict[RelPath, Oid]:
    """Fetch what is tracked there and copy what git holds there; path → oid here.

    A link that leads out of the source is left out of a folder: its row goes into `taken.left_out`.
    """
    oids: dict[RelPath, Oid] = {}
    for theirs in HashName:
        objects = [(file, inside) for file, inside in rows if file.oid and _hash_of(file) is theirs]
        landing = _Arrivals(batch, hash_name, theirs)
        taken.outcomes += source.bring(_wants(file for file, _ in objects), landing, jobs=jobs, on_event=on_event)
        oids |= {inside: landing.became[file.oid] for file, inside in objects if file.oid in landing.became}
    plain = [(file, inside) for file, inside in rows if not file.oid]

    def copy(row: tuple[SourceFile, RelPath]) -> Oid:
        temporary = batch.temporary()
        source.files.copy(row[0].path, temporary, 0o666)
        oid = batch.store_file(temporary).oid
        fs.remove(temporary)
        return oid

    results = transfer.each(plain, copy, phase="copying", on_event=on_event)
    for (file, inside), result in zip(plain, results, strict=True):
        step = Step(Action.DOWNLOAD, file.path, None, file.size)
        if isinstance(result, LabError) and result.code == "link-outside" and inside:
            taken.warnings.append(result.message)
            taken.outcomes.append(Outcome(step, Result.SKIPPED))
            taken.left_out.add(inside)
            continue
        if not isinstance(result, LabError):
            oids[inside] = result
        taken.outcomes.append(transfer.outcome_of(step, result))
    return oids


def _wants(files: Iterable[SourceFile]) -> list[Want]:
    wants = []
    for file in files:
        assert file.tracked is not None
        assert file.oid is not None
        inside = RelPath(file.path[len(file.tracked.path) + 1 :])
        wants.append(Want(file.tracked, Entry(inside, file.oid, file.size)))
    return wants


def _finish(
    taken: Taken,
    rows: Sequence[tuple[SourceFile, RelPath]],
    oids: Mapping[RelPath, Oid],
    batch: Batch,
    *,
    is_folder: bool,
) -> None:
    """The tree of everything, stored, unless a file of it is unknown."""
    if any(inside not in oids for _, inside in rows):
        return
    if not is_folder:
        taken.tree = file_tree(oids[HERE])
        return
    entries = tuple(sorted(Entry(inside, oids[inside]) for _, inside in rows))
    listing = render_tree(entries)
    taken.tree = Tree(tree_oid(listing), entries)
    batch.store_bytes(taken.tree.oid, listing)


def _measure(taken: Taken, source: Source, path: str, size_of: Callable[[Oid], int | None]) -> None:
    """The bytes of all files: as the source knows them, else from the cache."""
    if taken.tree is None:
        return
    item = source.paths.at(path)
    if item is not None and item.output.oid == taken.tree.oid and item.output.size is not None:
        taken.size = item.output.size
        return
    sizes = [size_of(entry.oid) for entry in taken.tree.entries]
    taken.size = None if None in sizes else sum(size or 0 for size in sizes)


def with_origin(output: Output, taken: Taken) -> Output:
    """`output` pointing at what was taken."""
    tree = taken.tree
    assert tree is not None
    return output._replace(
        oid=tree.oid,
        hash_name=HashName.MD5,
        size=taken.size,
        nfiles=tree.nfiles if tree.is_dir else None,
        is_executable=False,  # dvc does not keep it for imports
    )


# -- fetching what was imported -----------------------------------------------------------------------


def fetch_import(
    project: Project, item: Selected, *, jobs: int | None = None, dry_run: bool = False, on_event: OnEvent = ignore
) -> Taken:
    """The objects of an import, from the commit it was taken from.

    What does not arrive is a failed outcome. Raises what keeps its repository from being opened, and `Conflict`
    (`import-changed`) where that commit holds something else than the DVC file says.
    """
    tracked = item.tracked
    if tracked.origin is None:
        raise InvalidInput(
            f"'{tracked.file}' has several sources", code="odd-import", hint=f"use dvc for it: dvc pull {tracked.file}"
        )
    origin = parse_origin(tracked.origin)
    source = open_origin(project, origin, origin.rev_lock or origin.rev, near=posixpath.dirname(tracked.file))
    hash_name = tracked.output.hash_name
    absent: set[RelPath] | None = None
    with contextlib.suppress(NotFound, Corrupt):
        tree = project.cache(hash_name).read_tree(tracked.output.oid or Oid(""))
        lost = project.cache(hash_name).missing(entry.oid for entry in tree.entries)
        absent = {entry.path for entry in tree.entries if entry.oid in lost}
    taken = take(
        project,
        source,
        origin.path,
        hash_name=hash_name,
        is_wanted=lambda path: item.covers(path) and (absent is None or path in absent),
        jobs=jobs,
        dry_run=dry_run,
        on_event=on_event,
    )
    if taken.tree is not None and taken.tree.oid != tracked.output.oid:
        raise Conflict(
            f"'{origin.path}' at {(origin.rev_lock or '')[:7] or origin.rev} of '{source.name}' is not what "
            f"'{tracked.file}' says",
            code="import-changed",
            hint=f"take what is there: lab update {tracked.file}",
            path=tracked.path,
        )
    return taken
