"""`get`: files of another repository, by name, into any folder; nothing is tracked.

look the path up → plan → fetch beside the destination, hashed → all of it gets its name at once
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence

from labops import transfer
from labops.errors import Conflict, InvalidInput, LabError
from labops.model import (
    Action,
    Entry,
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
from labops.source.files import data_below
from labops.taking import Shelf, destination, workbench

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
        shelf = Shelf(bench, is_folder=found.is_folder)
        outcomes = _fetch(source, files, shelf, jobs, on_event) + _copy(source, files, shelf, warnings)
        if not any(outcome.error for outcome in outcomes):
            shelf.settle(os.path.abspath(target))
    return Report("get", plan, tuple(outcomes), tuple(warnings), outputs=(("A", target),))


def _fetch(source: Source, files: Sequence[_File], shelf: Shelf, jobs: int | None, on_event: OnEvent) -> list[Outcome]:
    """The files that are objects, each content once."""
    wants = []
    for file, inside in files:
        if not file.is_plain and file.tracked is not None and file.oid is not None:
            shelf.wanted.setdefault(file.oid, []).append((inside, file.is_executable))
            path = RelPath(file.path[len(file.tracked.path) + 1 :])
            wants.append(Want(file.tracked, Entry(path, file.oid, file.size)))
    return source.bring(wants, shelf, jobs=jobs, on_event=on_event)


def _copy(source: Source, files: Sequence[_File], shelf: Shelf, warnings: list[str]) -> list[Outcome]:
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
