"""`move`: give a dataset another name or folder.

ignore the new name → rename the data → the new DVC file → remove the old one and its ignore line
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Mapping
from typing import NamedTuple

from labops import index, pointers
from labops.drivers import fs
from labops.errors import Conflict, InvalidInput, NotFound, Unsupported
from labops.formats.dvcfile import import_md5, render_dvcfile
from labops.model import (
    Action,
    DvcFile,
    HashName,
    Outcome,
    Plan,
    Report,
    Result,
    Step,
    Tracked,
)
from labops.project import Project
from labops.targets import Target, refuse


class _Move(NamedTuple):
    """What goes where; the files may be one and the same."""

    item: Tracked
    path: str
    file: str
    dvcfile: DvcFile
    text: str


def move(project: Project, source: str, target: str, *, dry_run: bool = False) -> Report:
    """Rename the output at `source` to `target`, or into the folder `target`, with its DVC file and ignore line.

    What is recorded about its content stays as it is, and so do comments and annotations. Data that is not here
    is no obstacle. Raises
    `NotFound` (`no-such-target`, `no-such-folder`), `InvalidInput` (`not-whole-output`, `pipeline-output`) and
    `Conflict` (`output-exists`): nothing is ever overwritten.
    """
    paths = [project.absolute(project.relative(path)) for path in (source, target)]
    with contextlib.nullcontext() if dry_run else project.lock(paths):
        what = _plan(project, source, target)
        step = Step(Action.CREATE, what.path, what.item.output.oid, what.item.output.size, f"from {what.item.path}")
        if dry_run:
            return Report("move", Plan((step,)))
        changed = pointers.ignore_outputs(project, [what.path])
        is_here = os.path.lexists(project.absolute(what.item.path))
        if is_here:
            fs.rename(project.absolute(what.item.path), project.absolute(what.path))
        _write(project, what)
        changed += pointers.unignore_outputs(project, [what.item.path])
        _move_state(project, what)
        project.forget_files()
    warnings = () if is_here else (f"the data of '{what.item.path}' is not here; only its DVC file was moved",)
    files = pointers.for_git(project, [*changed, what.file, what.item.file])
    left = project.tell_git(files)
    if project.settings.autostage and project.git is not None and what.item.file in files:
        project.git.stage([project.absolute(what.item.file)])  # a file that is gone is staged as gone
    return Report("move", Plan((step,)), (Outcome(step, Result.DONE),), warnings, changed_files=left)


# -- plan ---------------------------------------------------------------------------------------------


def _plan(project: Project, source: str, target: str) -> _Move:
    tracked = project.tracked()
    item = _item(project, source, tracked)
    path = project.relative(target)
    if os.path.isdir(project.absolute(path)):
        path = posixpath.normpath(posixpath.join(path, posixpath.basename(item.path)))
    if os.path.lexists(project.absolute(path)):
        raise Conflict(
            f"'{path}' exists already", code="output-exists", hint="choose another name, or move that away", path=path
        )
    parent = posixpath.dirname(path)
    if not os.path.isdir(project.absolute(parent)):
        raise NotFound(
            f"the folder '{parent}' does not exist", code="no-such-folder", hint=f"mkdir -p '{parent}'", path=parent
        )
    dvcfile, text = pointers.read_pointer(project, item.file)
    assert text is not None
    if len(dvcfile.outs) > 1 or dvcfile.cmd is not None:
        raise Unsupported(
            f"'{item.file}' tracks more than one dataset, or runs a command",
            code="use-dvc",
            hint=f"dvc move {source} {target}",
        )
    file = item.file
    if posixpath.basename(item.file) == posixpath.basename(item.path) + ".dvc":
        file = path + ".dvc"
        if os.path.lexists(project.absolute(file)):
            raise Conflict(f"'{file}' exists already", code="output-exists", hint="choose another name", path=file)
    here = project.absolute(item.path)
    place = here if os.path.lexists(here) else project.root
    refuse(project, [Target(path, file, place, None)], [one for one in tracked if one is not item])
    return _Move(item, path, file, dvcfile, text)


def _item(project: Project, source: str, tracked: list[Tracked]) -> Tracked:
    path = project.relative(source)
    found = index.PathIndex(tracked)
    item = found.at(path)
    above = found.above(path)
    if item is None and above is not None:
        raise InvalidInput(
            f"'{source}' is only a part of '{above.path}'",
            code="not-whole-output",
            hint=f"move it as any file, then: lab add {project.shown(above.path)}",
            path=source,
        )
    if item is None:
        raise NotFound(
            f"'{source}' is not tracked", code="no-such-target", hint="name the data itself, as in: lab move OLD NEW"
        )
    if item.stage:
        raise InvalidInput(
            f"'{source}' is made by the pipeline stage '{item.address}'",
            code="pipeline-output",
            hint="change its name in dvc.yaml, where the stage is defined",
        )
    return item


# -- apply --------------------------------------------------------------------------------------------


def _base(what: _Move) -> str:
    """The folder that the paths in the DVC file start at, from the project root."""
    if what.file != what.item.file:
        return posixpath.dirname(what.file)
    return posixpath.normpath(posixpath.join(posixpath.dirname(what.file), what.dvcfile.wdir)).removeprefix("./")


def _write(project: Project, what: _Move) -> None:
    output = what.item.output._replace(path=posixpath.relpath(what.path, _base(what) or "."))
    dvcfile = what.dvcfile._replace(outs=(output,))
    if what.file != what.item.file:
        old = posixpath.join(posixpath.dirname(what.item.file), what.dvcfile.wdir)
        deps = tuple(_moved(dep, old, _base(what)) for dep in dvcfile.deps)
        dvcfile = dvcfile._replace(wdir=".", deps=deps)
    if dvcfile.md5 is not None:
        dvcfile = dvcfile._replace(md5=import_md5(dvcfile))
    fs.write_atomic(project.absolute(what.file), render_dvcfile(dvcfile, previous=what.text).encode())
    if what.file != what.item.file:
        fs.remove(project.absolute(what.item.file))


def _moved(dep: Mapping[str, object], old: str, new: str) -> Mapping[str, object]:
    """A dependency in the workspace, seen from the other folder."""
    path = dep.get("path")
    if "repo" in dep or not isinstance(path, str) or "://" in path or path.startswith("/"):
        return dep
    return {**dep, "path": posixpath.relpath(posixpath.join(old or ".", path), new or ".")}


def _move_state(project: Project, what: _Move) -> None:
    """What is known about the files is true under their new name too."""
    for hash_name in HashName:
        table = project.state.load(what.item.path, hash_name)
        if table.directories:
            project.state.save(what.path, hash_name, table)
    project.state.forget(what.item.path)
