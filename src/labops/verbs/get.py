"""`get`: files of another repository, by name, into any folder; nothing is tracked.

look the path up → plan → fetch beside the destination, hashed → all of it gets its name at once
"""

from __future__ import annotations

import contextlib
import itertools
import os
import posixpath
import threading
from collections.abc import Iterator, Sequence

from labops import transfer
from labops.drivers import fs
from labops.errors import Conflict, InvalidInput, LabError
from labops.model import (
    Action,
    Entry,
    Oid,
    OnEvent,
    Outcome,
    Plan,
    RelPath,
    Report,
    Result,
    Step,
    ignore,
)
from labops.source import Source, SourceFile, Want
from labops.sourcefiles import data_below

_File = tuple[SourceFile, RelPath]
"""A file to get: what it is there, and its path below the destination (`HERE` for a single file)."""


def get(
    source: Source,
    path: str,
    out: str | None = None,
    *,
    force: bool = False,
    jobs: int | None = None,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Put the file or folder at `path` of `source` at `out` (default: its own name; inside an existing folder).

    It appears whole or not at all, and executables stay so. With `force` it replaces a file, or goes into a
    folder whose other files stay. Raises `Conflict` (`destination-exists`), `NotFound` (`no-such-path`).
    """
    found = source.find(path)
    target = destination(found.path or posixpath.basename(source.name.rstrip("/")), out, force=force)
    if os.path.isdir(target) and not found.is_folder:
        raise Conflict(
            f"'{target}' is a folder and '{path}' a file",
            code="destination-exists",
            hint="choose another place with -o",
            path=target,
        )
    files = data_below(found, source.at(found), source.name)
    steps = tuple(Step(Action.DOWNLOAD, file.path, file.oid, file.size) for file, _ in files)
    plan = Plan(steps)
    warnings = list(source.warnings)
    if dry_run:
        return Report("get", plan, warnings=tuple(warnings))
    with workbench(target) as bench:
        shelf = _Shelf(bench, is_folder=found.is_folder)
        outcomes = _fetch(source, files, shelf, jobs, on_event) + _copy(source, files, shelf, warnings)
        if not any(outcome.error for outcome in outcomes):
            shelf.settle(os.path.abspath(target))
    return Report("get", plan, tuple(outcomes), tuple(warnings), outputs=(("A", target),))


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


class _Shelf:
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


def _fetch(source: Source, files: Sequence[_File], shelf: _Shelf, jobs: int | None, on_event: OnEvent) -> list[Outcome]:
    """The files that are objects, each content once."""
    wants = []
    for file, inside in files:
        if not file.is_plain and file.tracked is not None and file.oid is not None:
            shelf.wanted.setdefault(file.oid, []).append((inside, file.is_executable))
            path = RelPath(file.path[len(file.tracked.path) + 1 :])
            wants.append(Want(file.tracked, Entry(path, file.oid, file.size)))
    return source.bring(wants, shelf, jobs=jobs, on_event=on_event)


def _copy(source: Source, files: Sequence[_File], shelf: _Shelf, warnings: list[str]) -> list[Outcome]:
    """The files of git, or of a working folder; a link that leads out is left out of a folder."""
    plain = [row for row in files if row[0].is_plain]

    def work(row: _File) -> None:
        file, inside = row
        source.files.copy(file.path, shelf.place(inside), 0o777 if file.is_executable else 0o666)

    outcomes = []
    for (file, inside), result in zip(plain, transfer.each(plain, work, phase="copying"), strict=True):
        step = Step(Action.DOWNLOAD, file.path, None, file.size)
        if isinstance(result, LabError) and result.code == "link-outside" and inside:
            warnings.append(result.message)
            outcomes.append(Outcome(step, Result.SKIPPED))
        else:
            outcomes.append(transfer.outcome_of(step, result))
    shelf.placed = [path for path in shelf.placed if os.path.lexists(path)]
    return outcomes


def object_url(source: Source, path: str) -> str:
    """Where the object behind a tracked `path` lies; raises `InvalidInput` (`not-tracked`) for a file of git."""
    found = source.find(path)
    item = found.tracked
    oid = item.output.oid if item is not None else None
    if item is not None and found.inside and oid is not None:
        below = source.listing(item).below(found.inside)
        oid = below[0].oid if below and below[0].path == found.inside else None
    if item is None or oid is None:
        raise InvalidInput(
            f"'{path}' is not an output of '{source.name}', so there is no object to point at",
            code="not-an-output",
            hint=f"see what is tracked: lab list -R --dvc-only '{source.name}'",
        )
    return source.places.object_url(item, oid)
