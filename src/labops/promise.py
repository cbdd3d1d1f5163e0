"""The promise: what a commit that publishes datasets may hold, which is their pointers and ignore lines alone."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Sequence
from typing import NamedTuple

from labops.drivers.git import publishing as git
from labops.formats.ignore import add_ignore_line
from labops.index import PathIndex, read_workspace
from labops.model import Selection, Tracked
from labops.project import Project


class Wanted(NamedTuple):
    """`paths` are the outputs to publish, from the root; `to_add` what must be looked at first (absolute)."""

    paths: tuple[str, ...]
    to_add: tuple[str, ...]
    known: tuple[Tracked, ...]


def resolve_wanted(project: Project, targets: Sequence[str]) -> Wanted:
    """What `targets` (paths as typed, or DVC files) mean; raises `NotFound` for a DVC file that is not there."""
    tracked = project.tracked()
    index = PathIndex(tracked)
    paths: dict[str, None] = {}
    to_add: dict[str, None] = {}
    known: dict[str, Tracked] = {}
    for text in targets:
        path = project.relative(text)
        items = [item for item in tracked if item.file == path] if path.endswith(".dvc") else []
        found = index.at(path) or index.above(path)
        items = items or ([found] if found else [])
        for item in items:
            paths[item.path] = None
            known[item.path] = item
            if _is_added(project, item):
                to_add[project.absolute(path if found else item.path)] = None
        if not items:
            project.select(Selection((text,))) if path.endswith(".dvc") else None
            paths[path] = None
            to_add[text] = None
    return Wanted(tuple(paths), tuple(to_add), tuple(known.values()))


def _is_added(project: Project, item: Tracked) -> bool:
    """A pipeline's output is recorded by its run, an import by its update; what is not here cannot be looked at."""
    return not item.stage and not item.is_import and os.path.lexists(project.absolute(item.path))


class Promise:
    """For the outputs at `paths` (from the project's root), of which `known` are tracked already."""

    def __init__(self, project: Project, paths: Sequence[str], known: Sequence[Tracked]) -> None:
        assert project.git is not None
        self._project = project
        self._repo = project.git
        self._paths = tuple(paths)
        self._known = {item.path: item for item in known}

    def _pointer(self, path: str) -> str:
        item = self._known.get(path)
        return item.file if item else f"{path}.dvc"

    def _files(self) -> list[str]:
        """The pointer files and the ignore files beside the data, whether or not they are there."""
        found = []
        for path in self._paths:
            file = self._pointer(path)
            if file.endswith("dvc.yaml"):
                found.append(posixpath.join(posixpath.dirname(file), "dvc.lock"))
            found += [file, posixpath.join(posixpath.dirname(path), ".gitignore")]
        return list(dict.fromkeys(found))

    def _in_git(self, file: str) -> str:
        return self._project.git_prefix + file

    def paths(self) -> list[str]:
        """Every path, from the top of git, that the commit may hold."""
        return [self._in_git(file) for file in self._files()]

    def contents(self) -> dict[str, bytes | None]:
        """Path from the top of git → what to commit, None for the file as it is.

        Of an ignore file only the lines of our outputs: what else was edited in it is for its author to commit.
        """
        found: dict[str, bytes | None] = {}
        for file in self._files():
            if not os.path.exists(self._project.absolute(file)):
                continue
            if posixpath.basename(file) != ".gitignore":
                found[self._in_git(file)] = None
                continue
            now = (read_workspace(self._project.root, file) or "").encode()
            old = self._committed(file)
            new = self._with_lines(old, now, posixpath.dirname(file))
            if new != old:
                found[self._in_git(file)] = None if new == now else new
        return found

    def _with_lines(self, old: bytes, now: bytes, folder: str) -> bytes:
        """`old` with those of our lines that `now` has."""
        text = old.decode("utf-8", "surrogateescape")
        lines = now.decode("utf-8", "surrogateescape").splitlines()
        for path in self._paths:
            if posixpath.dirname(path) == folder:
                longer = add_ignore_line(text, posixpath.basename(path))
                if longer[len(text) :].strip("\n") in lines:
                    text = longer
        return text.encode("utf-8", "surrogateescape")

    def _committed(self, file: str) -> bytes:
        return git.read_at_head(self._repo, self._in_git(file))

    def uncommitted(self, changing: Collection[str]) -> list[str]:
        """The pointer files a commit would hold: of the outputs `changing`, and those that differ from HEAD now."""
        found = [self._pointer(path) for path in self._paths if path in changing]
        for file in self._files():
            text = read_workspace(self._project.root, file)
            if text is not None and posixpath.basename(file) != ".gitignore" and self._committed(file) != text.encode():
                found.append(file)
        return list(dict.fromkeys(found))

    def has_own_settings(self) -> bool:
        """True when the project's configuration has changes that are not committed."""
        return (read_workspace(self._project.root, ".dvc/config") or "").encode() != self._committed(".dvc/config")
