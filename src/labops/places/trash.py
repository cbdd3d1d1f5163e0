"""The trash: objects that were set aside, one folder a day, until they are restored or emptied out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from labops.drivers import fs
from labops.errors import NotFound
from labops.model import HashName, Oid
from labops.planning.gc import Stored

__all__ = ["FolderTrash", "Stored", "Trashed", "trash_tail", "trashed_at"]

_TRASHED = re.compile(r"(\d{4}-\d{2}-\d{2})/(files/md5/)?([0-9a-f]{2})/([0-9a-f]{30}(?:\.dir)?)")


class Trashed(NamedTuple):
    """One object in the trash: `day` (`2026-11-25`) is when it was set aside."""

    day: str
    oid: Oid
    size: int


def trash_tail(oid: Oid, day: str, hash_name: HashName) -> str:
    """Where the object lies below the trash: its day, then the path it had in its layout."""
    inside = "files/md5/" if hash_name is HashName.MD5 else ""
    return f"{day}/{inside}{oid[:2]}/{oid[2:]}"


def trashed_at(tail: str, size: int, hash_name: HashName) -> Trashed | None:
    """What lies at `tail` below the trash; None for anything but an object of this layout."""
    match = _TRASHED.fullmatch(tail)
    if match is None or bool(match[2]) is not (hash_name is HashName.MD5):
        return None
    return Trashed(match[1], Oid(match[3] + match[4]), size)


class FolderTrash:
    """The trash of one layout in a folder on the same file system as the objects: everything is a rename.

    `path_of` says where an object belongs.
    """

    def __init__(
        self, root: str, hash_name: HashName, path_of: Callable[[Oid], str], *, is_shared: bool = False
    ) -> None:
        self._root = root
        self._hash_name = hash_name
        self._path_of = path_of
        self._is_shared = is_shared
        self._made: set[str] = set()

    def take(self, oids: Collection[Oid], day: str) -> None:
        """Set objects aside, in the order given; absent ones are no error."""
        for oid in oids:
            self._move(self._path_of(oid), self._place(oid, day))

    def list(self) -> Iterator[Trashed]:
        """Everything of this layout in the trash, days in order."""
        inside = "files/md5" if self._hash_name is HashName.MD5 else ""
        for day in sorted(fs.names_in(self._root)):
            base = os.path.join(self._root, day, inside).rstrip("/")
            for fan in [name for name in fs.names_in(base) if len(name) == 2]:
                for name in fs.names_in(f"{base}/{fan}"):
                    tail = f"{day}/{inside}/{fan}/{name}" if inside else f"{day}/{fan}/{name}"
                    found = trashed_at(tail, fs.stat(f"{base}/{fan}/{name}").size, self._hash_name)
                    if found is not None:
                        yield found

    def give_back(self, items: Collection[Trashed]) -> None:
        """Put objects where they belong, in the order given."""
        for item in items:
            self._move(self._place(item.oid, item.day), self._path_of(item.oid))
        self._prune()

    def purge(self, items: Collection[Trashed]) -> None:
        """Delete these for good."""
        for item in items:
            fs.remove(self._place(item.oid, item.day))
        self._prune()

    def _move(self, source: str, target: str) -> None:
        folder = os.path.dirname(target)
        if folder not in self._made:
            fs.make_folder(folder, is_shared=self._is_shared)
            self._made.add(folder)
        try:
            fs.rename(source, target)
        except NotFound:
            if fs.mode_of(source) is not None:
                raise

    def _place(self, oid: Oid, day: str) -> str:
        return f"{self._root}/{trash_tail(oid, day, self._hash_name)}"

    def _prune(self) -> None:
        """Remove the folders of the trash that are empty now."""
        for folder, _, _ in os.walk(self._root, topdown=False):
            fs.remove_folder(folder)
        self._made.clear()
