"""Taking: files that are put anywhere, tracked by nobody, whole or not at all: what `get` and `get-url` share."""

from __future__ import annotations

import contextlib
import itertools
import os
import posixpath
import threading
from collections.abc import Iterator

from labops.drivers import fs
from labops.errors import Conflict, InvalidInput
from labops.model import Oid, RelPath


@contextlib.contextmanager
def workbench(target: str) -> Iterator[str]:
    """A folder for half-done files beside `target`, gone afterwards; one that was killed is swept by the next."""
    parent = os.path.join(os.path.dirname(os.path.abspath(target)), ".lab-get")
    fs.make_folder(parent)
    fs.sweep_workbenches(parent)
    bench = fs.make_workbench(parent)
    try:
        yield bench
    finally:
        fs.remove_workbench(bench)
        fs.remove_folder(parent)


def destination(path: str, out: str | None, *, force: bool) -> str:
    """Where something called `path` goes; raises `Conflict` (`destination-exists`) when that is taken."""
    name = posixpath.basename(posixpath.normpath(path))
    target = name if not out else os.path.join(out, name) if os.path.isdir(out) else out
    if target.endswith(".dvc") or os.path.basename(target) == "dvc.yaml":
        raise InvalidInput(
            f"'{target}' is a DVC file; name the data that it tracks",
            code="got-a-dvc-file",
            hint=f"lab get URL {path.removesuffix('.dvc')}",
        )
    if os.path.lexists(target) and not force:
        kind = "directory" if os.path.isdir(target) else "file"
        raise Conflict(
            f"the {kind} '{target}' already exists locally",
            code="destination-exists",
            hint="replace it with --force, or choose another place with -o",
            path=target,
        )
    return target


class Shelf:
    """A landing beside the destination: what arrives is put under its final name in a folder of our own."""

    def __init__(self, bench: str, *, is_folder: bool) -> None:
        self._bench = bench
        self._whole = os.path.join(bench, "whole")
        self._is_folder = is_folder
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._made: set[str] = set()
        self.wanted: dict[Oid, list[tuple[RelPath, bool]]] = {}
        """Oid → (path, is executable) of each file with this content."""
        self.placed: list[str] = []
        if is_folder:
            fs.make_folder(self._whole)

    def temporary(self) -> str:
        return f"{self._bench}/{next(self._numbers)}"

    def adopt(self, oid: Oid, path: str, size: int) -> None:
        del size
        for inside, is_executable in self.wanted[oid]:
            fs.copy(path, self.place(inside), mode=0o777 if is_executable else 0o666)
        fs.remove(path)

    def place(self, inside: RelPath) -> str:
        """Where the file that will be called `inside` is made; its folder exists."""
        path = f"{self._whole}/{inside}" if self._is_folder else self._whole
        with self._lock:
            parent = os.path.dirname(path)
            if parent not in self._made:
                fs.make_folder(parent)
                self._made.add(parent)
            self.placed.append(path)
        return path

    def settle(self, target: str) -> None:
        """Give everything its name. A new folder appears at once; into one that exists, file by file."""
        fs.sync(self._bench, self.placed)
        if os.path.isdir(target) and not os.path.islink(target):
            for path in self.placed:
                place = f"{target}/{path[len(self._whole) + 1 :]}"
                link = fs.link_parents(place, target)
                if link is not None:
                    raise _through_link(link)
                fs.make_folder(os.path.dirname(place))
                fs.rename(path, place)
            return
        if self._is_folder and os.path.lexists(target):
            fs.remove(target)
        fs.rename(self._whole, target)


def _through_link(link: str) -> Conflict:
    return Conflict(
        f"'{link}' is a symbolic link; nothing is written through it",
        code="link-in-the-way",
        hint=f"replace the link by a real folder: rm '{link}'",
    )
