"""`data status`: HEAD, DVC files and workspace side by side, without touching anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labops import exchange, index
from labops.errors import NotFound
from labops.listings import Listings, Side
from labops.model import Changes, DataStatus, Oid, OnEvent, Selected, Selection, Tracked, ignore
from labops.planning import compare as planning
from labops.project import Project


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

    Paths are relative to the project root, untracked ones to the current directory as in dvc; folders end
    with `/`. A listing that is not in the cache is read from the remote; where that cannot be had either, the
    files of the folder are `unknown`. `not_in_remote` asks the remote for every object, unless
    `remote_refresh` is False, which leaves that part empty.
    """
    committed, tracked = _select(project, targets)
    view = _View(project, tracked, is_granular=granular, on_event=on_event)
    old = view.side_of(committed)
    mid = view.side_of(tracked)
    new = view.workspace_side()
    sides = [mid.listing, new.listing] if project.git is None else [old.listing, mid.listing, new.listing]
    return DataStatus(
        not_in_cache=view.not_in_cache(),
        not_in_remote=view.not_in_remote(remote) if not_in_remote and remote_refresh else (),
        committed=_differences(old, mid) if project.git is not None else Changes(),
        uncommitted=_differences(mid, new),
        untracked=_untracked(project, targets) if untracked_files else (),
        unchanged=planning.unchanged(*sides) if unchanged else (),
    )


def _select(project: Project, targets: Sequence[str]) -> tuple[list[Selected], list[Selected]]:
    """What the targets mean in the last commit and now; each must mean something in one of them."""
    head = project.git.head() if project.git is not None else None
    committed = index.load_revision(project.git, head, project.git_prefix) if project.git and head else []
    tracked = project.tracked()
    here = [target for target in targets if _is_known(project, target, tracked)]
    there = [target for target in targets if _is_known(project, target, committed)]
    for target in targets:
        if target not in here and target not in there:
            project.select(Selection((target,)), tracked)  # says what is wrong with it
    return (
        _cached(project.select(Selection(tuple(there)), committed) if there or not targets else ()),
        _cached(project.select(Selection(tuple(here)), tracked) if here or not targets else ()),
    )


def _is_known(project: Project, target: str, tracked: Sequence[Tracked]) -> bool:
    try:
        return bool(project.select(Selection((target,)), tracked))
    except NotFound:
        return False


def _cached(selected: Iterable[Selected]) -> list[Selected]:
    return [item for item in selected if item.tracked.output.is_cached]


def _differences(old: Side, new: Side) -> Changes:
    return planning.compare(old.listing, new.listing, unknown=old.unknown | new.unknown)


class _View:
    """What is asked about the selected outputs."""

    def __init__(self, project: Project, selected: Sequence[Selected], *, is_granular: bool, on_event: OnEvent) -> None:
        self._project = project
        self._selected = selected
        self._listings = Listings(project, is_granular=is_granular, on_event=on_event)
        self._on_event = on_event

    def side_of(self, selected: Sequence[Selected]) -> Side:
        """Outputs as their DVC files have them."""
        return self._listings.tracked(selected)

    def workspace_side(self) -> Side:
        """The outputs as they lie in the workspace."""
        return self._listings.workspace(self._selected)

    def not_in_cache(self) -> tuple[str, ...]:
        """Tracked objects that the cache lacks."""
        found: list[str] = []
        for item in self._selected:
            objects = self._objects(item)
            absent = self._project.cache(item.tracked.output.hash_name).missing(oid for _, oid in objects)
            found += [planning.shown(name, oid) for name, oid in objects if oid in absent]
        return tuple(sorted(found))

    def _objects(self, item: Selected) -> list[tuple[str, Oid]]:
        return list(self.side_of([item]).listing.items())

    def not_in_remote(self, remote: str | None) -> tuple[str, ...]:
        """Tracked objects that their remote lacks, each asked for by itself."""
        names = {name: planning.shown(name, oid) for item in self._selected for name, oid in self._objects(item)}
        rows = exchange.compare(self._project, self._selected, remote=remote, jobs=None, on_event=self._on_event)
        lacking = {name for name, _, is_remote in rows if not is_remote}
        return tuple(sorted(names[name] for name in lacking if name in names))


def _untracked(project: Project, targets: Sequence[str]) -> tuple[str, ...]:
    if project.git is None:
        return ()
    wanted = [project.relative(target) for target in targets]
    prefix = project.git_prefix
    paths = [path.removeprefix(prefix) for path in project.git.untracked(under=project.root)]
    return tuple(
        project.shown(path)
        for path in paths
        if not wanted or any(path == target or path.startswith(target + "/") for target in wanted)
    )
