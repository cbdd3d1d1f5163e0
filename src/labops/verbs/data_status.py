"""`data status`: HEAD, DVC files and workspace side by side, without touching anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labops import exchange, index
from labops.errors import Corrupt, NotFound
from labops.model import (
    Changes,
    DataStatus,
    Oid,
    OnEvent,
    Selected,
    Selection,
    Tracked,
    Tree,
    ignore,
    is_tree_oid,
)
from labops.planning.compare import compare
from labops.project import Project
from labops.survey import Survey, survey


def data_status(
    project: Project,
    targets: Sequence[str] = (),
    *,
    granular: bool = False,
    unchanged: bool = False,
    untracked_files: bool = False,
    not_in_remote: bool = False,
    remote: str | None = None,
    remote_refresh: bool = True,
    on_event: OnEvent = ignore,
) -> DataStatus:
    """The state of the selected outputs; `granular` adds the files inside folders.

    Paths are relative to the project root, folders end with `/`. A folder whose listing is not in the cache
    is `unknown` inside. `not_in_remote` asks the remote for every object, unless `remote_refresh` is False,
    which leaves that part empty.
    """
    selected = project.select(Selection(tuple(targets)))
    view = _View(project, selected, granular=granular, on_event=on_event)
    old = view.committed_side()
    mid = view.tracked_side()
    new = view.workspace_side()
    committed = compare(old.listing, mid.listing, unknown=tuple(sorted(old.unknown | mid.unknown)))
    uncommitted = compare(mid.listing, new.listing, unknown=tuple(sorted(mid.unknown)))
    return DataStatus(
        not_in_cache=view.not_in_cache(),
        not_in_remote=view.not_in_remote(remote) if not_in_remote and remote_refresh else (),
        committed=_without_unknown_parents(committed),
        uncommitted=_without_unknown_parents(uncommitted),
        untracked=_untracked(project) if untracked_files else (),
        unchanged=_unchanged(old.listing, mid.listing, new.listing) if unchanged else (),
    )


class _Side:
    """One side: path → oid, and the folders whose inside is not known."""

    def __init__(self) -> None:
        self.listing: dict[str, Oid | None] = {}
        self.unknown: set[str] = set()


class _View:
    """Three sides of the same outputs."""

    def __init__(self, project: Project, selected: Sequence[Selected], *, granular: bool, on_event: OnEvent) -> None:
        self._project = project
        self._selected = [item for item in selected if item.tracked.output.is_cached]
        self._granular = granular
        self._on_event = on_event
        self._trees: dict[Oid, Tree | None] = {}

    def committed_side(self) -> _Side:
        """The outputs as the last commit has them."""
        side = _Side()
        project = self._project
        head = project.git.head() if project.git else None
        if project.git is None or head is None:
            return side
        for item in index.load_revision(project.git, head, project.git_prefix):
            selected = self._same_selection(item)
            if item.output.is_cached and selected is not None:
                self._put(side, selected, item)
        return side

    def _same_selection(self, item: Tracked) -> Selected | None:
        """The committed output as far as the targets mean it; those that left the workspace count without targets."""
        for selected in self._selected:
            if selected.tracked.path == item.path:
                return Selected(item, selected.inside, selected.patterns)
        return Selected(item)

    def tracked_side(self) -> _Side:
        """The outputs as the DVC files of the workspace have them."""
        side = _Side()
        for item in self._selected:
            self._put(side, item, item.tracked)
        return side

    def _put(self, side: _Side, selected: Selected, item: Tracked) -> None:
        oid = item.output.oid
        is_dir = oid is not None and is_tree_oid(oid)
        side.listing[item.path + ("/" if is_dir else "")] = oid
        if not is_dir or not self._granular or oid is None:
            return
        tree = self._tree(item, oid)
        if tree is None:
            side.unknown.add(item.path + "/")
            return
        for entry in tree.entries:
            if selected.covers(entry.path):
                side.listing[f"{item.path}/{entry.path}"] = entry.oid

    def workspace_side(self) -> _Side:
        """The outputs as they lie in the workspace."""
        side = _Side()
        for item in self._selected:
            hash_name = item.tracked.output.hash_name
            self._put_survey(side, item, survey(self._project, item.tracked.path, hash_name, on_event=self._on_event))
        return side

    def _put_survey(self, side: _Side, item: Selected, now: Survey) -> None:
        if now.oid is None:
            return
        path = item.tracked.path
        is_dir = now.scan.kind == "dir"
        side.listing[path + ("/" if is_dir else "")] = now.oid
        if is_dir and self._granular:
            for entry in now.entries():
                if item.covers(entry.path):
                    side.listing[f"{path}/{entry.path}"] = entry.oid

    def _tree(self, item: Tracked, oid: Oid) -> Tree | None:
        if oid not in self._trees:
            try:
                self._trees[oid] = self._project.cache(item.output.hash_name).read_tree(oid)
            except (NotFound, Corrupt):
                self._trees[oid] = None
        return self._trees[oid]

    def not_in_cache(self) -> tuple[str, ...]:
        """Tracked objects that the cache lacks."""
        found = []
        for name, oid, item in self._objects():
            if self._project.cache(item.tracked.output.hash_name).missing([oid]):
                found.append(name)
        return tuple(sorted(found))

    def _objects(self) -> Iterable[tuple[str, Oid, Selected]]:
        for item in self._selected:
            oid = item.tracked.output.oid
            if oid is None:
                continue
            is_dir = is_tree_oid(oid)
            yield item.tracked.path + ("/" if is_dir else ""), oid, item
            tree = self._tree(item.tracked, oid) if is_dir and self._granular else None
            for entry in tree.entries if tree else ():
                if item.covers(entry.path):
                    yield f"{item.tracked.path}/{entry.path}", entry.oid, item

    def not_in_remote(self, remote: str | None) -> tuple[str, ...]:
        """Tracked objects that their remote lacks, each asked for by itself."""
        by_name = {name.rstrip("/"): name for name, _, _ in self._objects()}
        rows = exchange.compare(self._project, self._selected, remote=remote, jobs=None, on_event=self._on_event)
        lacking = {name for name, _, is_remote in rows if not is_remote}
        return tuple(sorted(by_name[name] for name in lacking if name in by_name))


def _without_unknown_parents(changes: Changes) -> Changes:
    """Files inside a folder that one side does not know are no news."""
    hidden = tuple(changes.unknown)
    if not hidden:
        return changes

    def keep(paths: Iterable[str]) -> tuple[str, ...]:
        return tuple(path for path in paths if path in hidden or not path.startswith(hidden))

    renamed = tuple(pair for pair in changes.renamed if keep(pair) == pair)
    return Changes(keep(changes.added), keep(changes.modified), keep(changes.deleted), renamed, changes.unknown)


def _unchanged(*sides: dict[str, Oid | None]) -> tuple[str, ...]:
    first, *others = sides
    return tuple(sorted(path for path, oid in first.items() if all(other.get(path) == oid for other in others)))


def _untracked(project: Project) -> tuple[str, ...]:
    if project.git is None:
        return ()
    prefix = project.git_prefix
    return tuple(path.removeprefix(prefix) for path in project.git.untracked(under=project.root))
