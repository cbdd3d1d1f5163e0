"""`log`: the versions of datasets, and what each one changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from labops.errors import Corrupt, LabError, NotFound
from labops.history import Version
from labops.model import Oid, Tracked, is_tree_oid
from labops.project import Project


class Counts(NamedTuple):
    """Files by path: there and not before, before and not there, there with another content."""

    added: int
    deleted: int
    modified: int


class Row(NamedTuple):
    """One version; `version` is None for a content that the DVC file names and that no commit has yet."""

    path: str
    version: Version | None
    nfiles: int | None = None
    size: int | None = None
    """Bytes in all."""
    counts: Counts | None = None
    """Against the version before; None where a listing is not in the cache, or the two are of different hashes."""
    is_current: bool = False
    """True for the version that the DVC file in the workspace names."""


class Log(NamedTuple):
    """Rows, dataset by dataset, newest first; `warnings` are about what could not be read."""

    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()


def log(project: Project, names: Sequence[str], *, most: int | None = None) -> Log:
    """The versions of each of `names`; `most` newest ones of each.

    A name is a tracked path, its `.dvc` file, or a path that was tracked once. A content that is not committed
    yet comes first, as a row without a version. Raises `NotFound`
    (`never-tracked`, `history-cut`) for one without versions.
    """
    tracked = project.tracked()
    paths = [path for name in names for path in _paths(project, name, tracked)]
    history = project.history
    history.prefetch(paths)
    here = {item.path: item for item in tracked}
    rows: list[Row] = []
    for path in dict.fromkeys(paths):
        versions, now = history.versions(path), here.get(path)
        if now is None and not versions:
            history.find(path, "1")  # says why there is none
        if now is not None and all(version.content != _content(now) for version in versions):
            rows.append(_uncommitted(now))
        trees = _Trees(project)
        shown = list(range(len(versions)))[-most if most else 0 :]
        rows += [_row(versions, at, now, trees) for at in reversed(shown)]
    return Log(tuple(rows), (*_cut_warning(project, paths), *history.warnings))


def overview(project: Project) -> Log:
    """The newest version of everything that is tracked now, in the order of the names."""
    tracked = sorted(project.tracked(), key=lambda item: item.path)
    history = project.history
    paths = [item.path for item in tracked]
    history.prefetch(paths)
    rows = []
    for item in tracked:
        versions = history.versions(item.path)
        rows.append(_row(versions, len(versions) - 1, item, None) if versions else _uncommitted(item))
    return Log(tuple(rows), (*_cut_warning(project, paths), *history.warnings))


def _content(item: Tracked) -> tuple[object, object]:
    return item.output.oid, item.output.hash_name


def _uncommitted(item: Tracked) -> Row:
    """What the DVC file names and no commit has."""
    nfiles = item.output.nfiles if item.output.oid is None or is_tree_oid(item.output.oid) else 1
    return Row(item.path, None, nfiles, item.output.size, is_current=True)


def _paths(project: Project, name: str, tracked: Iterable[Tracked]) -> list[str]:
    path = project.relative(name)
    found = [item.path for item in tracked if path in (item.path, item.file, item.address)]
    return found or [path]


def _cut_warning(project: Project, paths: Iterable[str]) -> list[str]:
    history = project.history
    if not any(history.is_cut(path) for path in paths):
        return []
    return ["versions cannot be counted in a clone with a part of the history: git fetch --unshallow --tags"]


def _row(versions: Sequence[Version], at: int, now: Tracked | None, trees: _Trees | None) -> Row:
    version = versions[at]
    output = version.output
    nfiles = output.nfiles if output.oid is None or is_tree_oid(output.oid) else 1
    is_current = now is not None and _content(now) == version.content
    if is_current and any(later.content == version.content for later in versions[at + 1 :]):
        is_current = False  # it came back later, and that is the one we are at
    counts = trees.counts(versions[at - 1] if at else None, version) if trees is not None else None
    return Row(version.path, version, nfiles, output.size, counts, is_current)


class _Trees:
    """What changed from version to version, as far as the listings are in the cache."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[object, dict[str, Oid] | None] = {}

    def counts(self, old: Version | None, new: Version) -> Counts | None:
        """The differences by path; `old` is None for the first version."""
        after = self._listing(new)
        before = self._listing(old) if old is not None else {}
        if after is None or before is None or (old is not None and old.output.hash_name != new.output.hash_name):
            return None
        added = sum(path not in before for path in after)
        modified = sum(before.get(path, oid) != oid for path, oid in after.items())
        return Counts(added, len(before) - (len(after) - added), modified)

    def _listing(self, version: Version) -> dict[str, Oid] | None:
        if version.content not in self._known:
            if len(self._known) > 2:  # neighbours are compared, and a listing may have a million rows
                self._known.clear()
            self._known[version.content] = self._read(version)
        return self._known[version.content]

    def _read(self, version: Version) -> dict[str, Oid] | None:
        oid, hash_name = version.content
        if not is_tree_oid(oid):
            return {"": oid}
        try:
            return {entry.path: entry.oid for entry in self._project.cache(hash_name).read_tree(oid).entries}
        except (NotFound, Corrupt):
            return None
        except LabError:  # a hostile listing: somebody else's to refuse, here only a number is missing
            return None
