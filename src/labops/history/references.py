"""Targets that name a version (`NAME@v1`, `NAME/part@2026-04-01`), resolved against what is and was tracked."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from labops.errors import Corrupt, InvalidInput, LabError, NotFound
from labops.formats.reference import Reference, parse_reference
from labops.history.versions import HasHistory, History, Version
from labops.model import HashName, RelPath, Selected, Selection, Tracked
from labops.places.cache import Cache
from labops.planning.select import select

_MAGIC = re.compile(r"[*?\[]")
_LOOKS_LIKE_VERSION = re.compile(r"v?\d+|\d{4}-\d\d-\d\d|HEAD.*", re.ASCII)


class Host(HasHistory, Protocol):
    """A project, as far as names need it."""

    def relative(self, path: str) -> str:
        """A path as typed, relative to the root."""

    def absolute(self, path: str) -> str:
        """A path of the project as the operating system knows it."""

    def cache(self, hash_name: HashName = ...) -> Cache:
        """The cache for one kind of hash."""


class Asked(NamedTuple):
    """One output, or part of it, at the version that was asked for."""

    target: str
    selected: Selected
    version: Version


def split(host: Host, selection: Selection, tracked: Sequence[Tracked]) -> tuple[tuple[str, ...], list[Asked]]:
    """The targets without a version, and what the others mean.

    `tracked` is what the workspace tracks now. Raises `NotFound` (`no-such-target`, and those of
    `find_version`).
    """
    plain: list[str] = []
    asked: list[Asked] = []
    resolver = Resolver(host, tracked, is_recursive=selection.recursive)
    for target in selection.targets:
        found = None
        if "@" in target and not (selection.glob and _MAGIC.search(target)):
            found = resolver.resolve(target)
        if found is None:
            plain.append(target)
        else:
            asked += found
    return tuple(plain), asked


class Resolver:
    """What targets may mean, one after the other, with one look at git's history."""

    def __init__(self, host: Host, tracked: Sequence[Tracked], *, is_recursive: bool = False) -> None:
        self._host = host
        self._tracked = tracked
        self._is_recursive = is_recursive
        self._is_doubtful = False

    @functools.cached_property
    def history(self) -> History:
        """The project's history; raises `InvalidInput` (`no-git`)."""
        return self._host.history

    def resolve(self, target: str) -> list[Asked] | None:
        """The outputs at the version that `target` names; None when it is a plain path."""
        self._is_doubtful = False
        reference = parse_reference(target, self._is_known)
        if reference.version is None:
            return None
        try:
            return self._find(target, reference)
        except LabError as error:
            # `dogs/img@2x.jpg`, and nobody can say here which files `dogs` has.
            is_no_version = error.code == "no-git" or not _LOOKS_LIKE_VERSION.fullmatch(reference.version)
            if self._is_doubtful and is_no_version:
                return None
            raise

    def _is_known(self, text: str) -> bool:
        """True for the very name of something tracked, in a folder too as far as can be told."""
        path = self._host.relative(text)
        if path.endswith((".dvc", "dvc.yaml")) and os.path.isfile(self._host.absolute(path)):
            return True
        found = _select(self._tracked, path)
        return any(item.is_whole or self._holds(item, path) for item in found)

    def _holds(self, item: Selected, path: str) -> bool:
        if os.path.lexists(self._host.absolute(path)):
            return True
        output = item.tracked.output
        if output.oid is None:
            return False
        try:
            tree = self._host.cache(output.hash_name).read_tree(output.oid)
        except (NotFound, Corrupt):
            self._is_doubtful = True
            return False
        return any(tree.below(part) for part in item.inside)

    def _find(self, target: str, reference: Reference) -> list[Asked]:
        assert reference.version is not None
        path = self._host.relative(reference.path)
        rows = []
        for item in _select(self._tracked, path, is_recursive=self._is_recursive) or self._select_past(path):
            version = self.history.find(item.tracked.path, reference.version)
            rows.append(Asked(target, Selected(version.tracked(), item.inside), version))
        if not rows:
            raise NotFound(
                f"'{target}' is not tracked, and '{reference.path}' never was",
                code="no-such-target",
                hint="lab log lists the datasets; lab log NAME their versions",
                target=target,
            )
        return rows

    def _select_past(self, path: str) -> list[Selected]:
        """What is tracked no more, at `path` or above it."""
        parts = path.split("/")
        for depth in range(len(parts), 0, -1):
            top, inside = "/".join(parts[:depth]), "/".join(parts[depth:])
            versions = self.history.versions(top)
            if versions:
                return [Selected(versions[-1].tracked(), (RelPath(inside),) if inside else ())]
        return []


def _select(tracked: Sequence[Tracked], path: str, *, is_recursive: bool = False) -> tuple[Selected, ...]:
    try:
        return select(tracked, [path], Selection(recursive=is_recursive))
    except NotFound:
        return ()


def merged(asked: Iterable[Asked]) -> list[Selected]:
    """What was asked for, each version of an output once; parts of the same one add up."""
    found: dict[tuple[str, object], Selected] = {}
    for _, item, version in asked:
        key = (version.path, version.content)
        old = found.get(key)
        if old is None or item.is_whole:
            found[key] = item
        elif not old.is_whole:
            found[key] = old._replace(inside=old.inside + item.inside)
    return list(found.values())


def refuse_two(selected: Sequence[Selected], tracked: Sequence[Tracked]) -> None:
    """Raise where the workspace would have to hold two versions at one place, or one at a place of nobody's."""
    seen: set[str] = set()
    known = {item.path for item in tracked}
    for item in selected:
        path = item.tracked.path
        if path in seen:
            raise InvalidInput(
                f"two versions of '{path}' cannot be in the same place",
                code="two-versions",
                hint=f"put one beside the other: lab pull '{path}@VERSION' -o '{path}-old'",
                path=path,
            )
        if path not in known:
            raise InvalidInput(
                f"'{path}' is not tracked any more, so a version of it has no place in the workspace",
                code="not-tracked-now",
                hint=f"put it beside: lab pull '{path}@VERSION' -o PATH",
                path=path,
            )
        seen.add(path)


def refuse_versions(host: Host, targets: Iterable[str], tracked: Sequence[Tracked], verb: str) -> None:
    """Raise `InvalidInput` (`version-given`) for a target that names a version: `verb` records what is here now."""
    for target in targets:
        if "@" not in target or os.path.lexists(target):
            continue
        try:
            asked = Resolver(host, tracked).resolve(target)
        except LabError:
            continue  # whoever looks for the target itself says what is wrong with it
        if asked:
            path = target.rpartition("@")[0]
            raise InvalidInput(
                f"'{target}' names a version, and lab {verb} records what is in the workspace now",
                code="version-given",
                hint=f"lab {verb} '{path}'; to go back to that version first: lab pull '{target}'",
                target=target,
            )
