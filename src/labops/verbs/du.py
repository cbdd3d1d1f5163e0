"""`du`: how much room the files of a repository take, tracked data included, here or at a commit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from labops import index
from labops.drivers import git
from labops.errors import NotFound
from labops.model import Tracked, is_tree_oid
from labops.project import Project
from labops.trees import Peek

_PRIVATE = {".git", ".dvc", ".hg"}


class Row(NamedTuple):
    """One file or folder and its bytes, None where they are not known."""

    path: str
    size: int | None


class Usage(NamedTuple):
    """What lies directly in a path, sorted by name, and the total; `is_file` when the path is a file itself."""

    rows: tuple[Row, ...]
    total: int | None
    is_file: bool = False


def du(project: Project, path: str = "", *, rev: str | None = None) -> Usage:
    """The usage of `path` (relative to the project root), in the workspace or at the commit `rev`.

    DVC files themselves do not count, as in dvc. Raises `NotFound` (`no-such-target`, `unknown-revision`).
    """
    leaves = list(_leaves(project, path, rev))
    if not leaves:
        if not path:
            return Usage((), 0)
        hint = "see what there is with: lab du"
        raise NotFound(f"there is no '{path}' here", code="no-such-target", hint=hint, target=path)
    inside = f"{path}/" if path else ""
    if any(leaf.path == path for leaf in leaves):
        return Usage((), _sum([leaf.size for leaf in leaves if leaf.path == path]), is_file=True)
    groups: dict[str, list[int | None]] = {}
    for leaf in leaves:
        groups.setdefault(inside + leaf.path[len(inside) :].partition("/")[0], []).append(leaf.size)
    rows = tuple(Row(name, _sum(sizes)) for name, sizes in sorted(groups.items()))
    return Usage(rows, _sum([row.size for row in rows]))


def _sum(sizes: list[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _leaves(project: Project, path: str, rev: str | None) -> Iterator[Row]:
    """Files, and outputs as a whole where `path` is above them, at or below `path`."""
    sha = None
    if rev is not None:
        if project.git is None:
            raise NotFound("without git there are no revisions", code="no-git", hint="leave out --rev")
        sha = project.git.resolve(rev)
    tracked = project.tracked() if sha is None else _tracked_at(project, sha)
    outputs = {item.path for item in tracked if item.output.is_cached}
    for name, size in _plain_files(project, sha):
        if _is_below(name, path) and name not in outputs and not _is_pointer(name):
            yield Row(name, size)
    for item in tracked:
        if not item.output.is_cached:
            continue
        if _is_below(item.path, path) and item.path != path:
            yield Row(item.path, _size_of(project, item))
        elif item.path == path or path.startswith(item.path + "/"):
            rows = _members(project, item, is_here=sha is None)
            yield from (row for row in rows if _is_below(row.path, path))


def _tracked_at(project: Project, sha: str) -> list[Tracked]:
    assert project.git is not None
    return index.load_revision(project.git, sha, project.git_prefix)


def _is_below(name: str, path: str) -> bool:
    return not path or name == path or name.startswith(path + "/")


def _is_pointer(name: str) -> bool:
    parts = name.split("/")
    return parts[-1].endswith(".dvc") or parts[-1] in ("dvc.yaml", ".dvcignore") or not _PRIVATE.isdisjoint(parts)


def _plain_files(project: Project, sha: str | None) -> Iterator[tuple[str, int]]:
    """What git keeps, or would keep; without git, every file."""
    if project.git is None:
        for folder, folders, names in os.walk(project.root):
            folders[:] = [name for name in folders if name not in _PRIVATE]
            for name in names:
                file = os.path.join(folder, name)
                yield os.path.relpath(file, project.root).replace(os.sep, "/"), os.lstat(file).st_size
        return
    prefix = project.git_prefix
    if sha is not None:
        found = git.sizes_at(project.git, sha).items()
        yield from ((name[len(prefix) :], size) for name, size in found if name.startswith(prefix))
        return
    for name in project.git.list_files(["*"], under=project.root):
        inside = name[len(prefix) :]
        file = project.absolute(inside)
        if os.path.lexists(file):
            yield inside, os.lstat(file).st_size


def _size_of(project: Project, item: Tracked) -> int | None:
    output = item.output
    if output.size is not None or output.oid is None:
        return output.size
    return _sum([row.size for row in _members(project, item, is_here=False)])


def _members(project: Project, item: Tracked, *, is_here: bool) -> list[Row]:
    """The files of an output. A listing does not say their sizes: the cache does, or the workspace."""
    output = item.output
    if output.oid is None:
        return []
    cache = project.cache(output.hash_name)
    if not is_tree_oid(output.oid):
        return [Row(item.path, output.size if output.size is not None else cache.size(output.oid))]
    tree = Peek(project).tree(item)
    if tree is None:
        raise NotFound(
            f"the listing of '{item.path}' is neither in the cache nor in the remote",
            code="tree-not-in-cache",
            hint=f"push it from a machine that has it, or see only the total: lab du -s {item.path}",
        )
    rows = []
    for entry in tree.entries:
        path = f"{item.path}/{entry.path}"
        size = cache.size(entry.oid)
        if size is None and is_here and os.path.isfile(project.absolute(path)):
            size = os.stat(project.absolute(path)).st_size
        rows.append(Row(path, size))
    return rows
