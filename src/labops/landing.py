"""Landing: where data from elsewhere becomes an output of this project, for `import` and `import-url`."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from labops import index, pointers
from labops.drivers import fs
from labops.errors import Conflict, InvalidInput, NotFound
from labops.formats.dvcfile import import_md5, render_dvcfile
from labops.imports import Taken
from labops.materialise import materialise
from labops.model import (
    Action,
    DvcFile,
    OnEvent,
    Outcome,
    Output,
    Plan,
    Report,
    Result,
    Selected,
    Step,
    Tracked,
    ignore,
)
from labops.project import Project
from labops.targets import Target, refuse


class Arrival(NamedTuple):
    """The output to be: its path and DVC file, relative to the project's root."""

    path: str
    file: str


@contextlib.contextmanager
def arriving(project: Project, *, dry_run: bool) -> Iterator[None]:
    """Hold the project's lock, unless nothing will be written."""
    if dry_run:
        yield
        return
    with project.lock():
        yield


def arrive(project: Project, source_path: str, out: str | None, *, force: bool) -> Arrival:
    """Where something called `source_path` becomes an output: at `out`, or inside it when that is a folder.

    Raises `Conflict` (`destination-exists`) when something is there and `force` does not allow to replace it,
    and what `add` raises for a path that cannot be tracked.
    """
    name = posixpath.basename(posixpath.normpath(source_path.rstrip("/")))
    if name in ("", ".", "..") and (not out or os.path.isdir(out)):
        raise InvalidInput(
            f"'{source_path}' gives no name to what is imported", code="no-name", hint="name it with: -o NAME"
        )
    target = name if not out else os.path.join(out, name) if os.path.isdir(out) else out
    path = project.relative(target)
    if os.path.lexists(target) and not force:
        kind = "directory" if os.path.isdir(target) else "file"
        raise Conflict(
            f"the {kind} '{target}' already exists locally",
            code="destination-exists",
            hint="replace it with --force, or choose another place with -o",
            path=target,
        )
    folder = posixpath.dirname(path)
    if folder and not os.path.isdir(project.absolute(folder)):
        raise NotFound(
            f"the folder '{folder}' does not exist", code="no-such-folder", hint=f"mkdir -p '{folder}'", path=folder
        )
    tracked = project.tracked()
    old = index.PathIndex(tracked).at(path)
    file = path + ".dvc"
    if old is not None and old.file != file:
        raise InvalidInput(
            f"'{path}' is tracked by '{old.address}' already",
            code="overlapping-outputs",
            hint="choose another place with -o",
            path=path,
        )
    # The data is elsewhere yet, so the folder itself stands for what `refuse` wants to see.
    refuse(project, [Target(path, file, project.root, old)], tracked)
    return Arrival(path, file)


def written(
    project: Project,
    verb: str,
    arrival: Arrival,
    dvcfile: DvcFile,
    taken: Taken,
    *,
    has_md5: bool = True,
    is_here: bool = True,
    on_event: OnEvent = ignore,
) -> Report:
    """Ignore the output, write its DVC file, then put the data into the workspace: in this order.

    Without `is_here` the data lies on a remote, and the workspace stays as it is.
    """
    if has_md5:
        dvcfile = dvcfile._replace(md5=None)
        dvcfile = dvcfile._replace(md5=import_md5(dvcfile))
    text = render_dvcfile(dvcfile).encode()
    changed = pointers.ignore_outputs(project, [arrival.path])
    place = project.absolute(arrival.file)
    if not os.path.exists(place) or fs.read_bytes(place) != text:
        fs.write_atomic(place, text)
        changed.append(arrival.file)
    project.forget_files()
    output = dvcfile.outs[0] if is_here else dvcfile.outs[0]._replace(oid=None)
    return placed(project, verb, arrival, output, taken, changed, on_event=on_event)


def placed(
    project: Project,
    verb: str,
    arrival: Arrival,
    output: Output,
    taken: Taken,
    changed: list[str],
    *,
    is_forced: bool = True,
    on_event: OnEvent = ignore,
) -> Report:
    """The report of an import after its data was put into the workspace."""
    selected = Selected(Tracked(arrival.path, output, arrival.file))
    done = materialise(project, [selected], is_forced=is_forced, on_event=on_event)
    track = Step(Action.TRACK, arrival.path, output.oid, output.size)
    steps = (*taken.steps, *done.plan.steps, track)
    outcomes = (*taken.outcomes, *done.outcomes, Outcome(track, Result.DONE))
    return Report(
        verb,
        Plan(steps),
        outcomes,
        (*taken.warnings, *done.warnings),
        outputs=done.changed_outputs(),
        changed_files=project.tell_git(changed),
    )
