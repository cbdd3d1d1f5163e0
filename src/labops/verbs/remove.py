"""`remove`: stop tracking data; with `outs` the data goes too.

(data) → the DVC file → `.gitignore`
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Sequence

from labops import index, pointers
from labops.drivers import fs
from labops.errors import Conflict, InvalidInput, LabError, NotFound, Unsupported
from labops.model import Action, Outcome, Plan, Report, Result, Step, Tracked
from labops.project import Project
from labops.survey import survey
from labops.unlinking import files_of, linked_files, make_private


def remove(
    project: Project, targets: Sequence[str], *, outs: bool = False, force: bool = False, dry_run: bool = False
) -> Report:
    """Remove the DVC files `targets` and their ignore lines; all of them, or none when one cannot be.

    The data stays, as files of its own. With `outs` it is deleted, but not where its present content is
    saved nowhere: then `Conflict` (`unsaved-changes`) unless `force`. Raises `InvalidInput` (`not-a-pointer`)
    for the path of data, `Unsupported` (`use-dvc`) for a pipeline stage, `NotFound` (`no-such-target`).
    """
    files = list(dict.fromkeys(_pointer(project, target) for target in targets))
    items = [
        item for file in files for item in index.load([file], lambda path: index.read_workspace(project.root, path))
    ]
    paths = [project.absolute(item.path) for item in items]
    with contextlib.nullcontext() if dry_run else project.lock(paths):
        if outs and not force:
            _refuse_unsaved(project, items, remember=not dry_run)
        steps = [Step(Action.DELETE, path) for item in items if outs for path in _files(project, item)]
        steps += [Step(Action.DELETE, file) for file in files]
        if dry_run:
            return Report("remove", Plan(tuple(steps)))
        for item in items:
            if outs:
                _delete(project, item)
            elif item.output.is_cached:
                _keep(project, item)
        for file in files:
            fs.remove(project.absolute(file))
        changed = [*files, *pointers.unignore_outputs(project, [item.path for item in items])]
        for item in items:
            project.state.forget(item.path)
        project.forget_files()
    outcomes = tuple(Outcome(step, Result.DONE) for step in steps)
    left = [item.path for item in items if outs and os.path.lexists(project.absolute(item.path))]
    warnings = tuple(f"'{path}' still holds files that are not part of the dataset" for path in left)
    return Report("remove", Plan(tuple(steps)), outcomes, warnings, changed_files=pointers.for_git(project, changed))


def _pointer(project: Project, target: str) -> str:
    """The DVC file that `target` names."""
    path = project.relative(target)
    if path.endswith(".dvc") and os.path.isfile(project.absolute(path)):
        return path
    if posixpath.basename(path.partition(":")[0]) == "dvc.yaml":
        raise _stage(target)
    tracked = project.tracked()
    found = index.PathIndex(tracked)
    item = found.at(path) or found.above(path)
    if item is not None and not item.stage:
        raise InvalidInput(
            f"'{target}' is data, not the DVC file that tracks it",
            code="not-a-pointer",
            hint=f"did you mean: lab remove {project.shown(item.file)}",
            path=target,
        )
    if any(one.stage and target in (one.stage, one.address, one.path) for one in tracked):
        raise _stage(target)
    raise NotFound(f"'{target}' is not tracked", code="no-such-target", hint="see what is: lab status", target=target)


def _stage(target: str) -> Unsupported:
    return Unsupported(
        f"'{target}' belongs to a pipeline, which labops leaves to dvc", code="use-dvc", hint=f"dvc remove {target}"
    )


def _files(project: Project, item: Tracked) -> list[str]:
    return files_of(project.workspace.scan(project.absolute(item.path)), item.path)


def _refuse_unsaved(project: Project, items: Sequence[Tracked], *, remember: bool) -> None:
    lost = []
    for item in items:
        hash_name = item.output.hash_name
        now = survey(project, item.path, hash_name, remember=remember)
        if now.is_missing:
            continue
        if not item.output.is_cached or project.cache(hash_name).missing({entry.oid for entry in now.entries()}):
            lost.append(item.path)
    if lost:
        raise Conflict(
            f"the content of {', '.join(repr(path) for path in lost)} is saved nowhere",
            code="unsaved-changes",
            hint="keep it with: lab commit (then push it); throw it away with: lab remove --outs --force",
        )


def _keep(project: Project, item: Tracked) -> None:
    """Make the data independent of the cache, and new to dvc.

    dvc remembers the files that it has linked or copied, and deletes them with the next checkout when no DVC
    file names them any more, unless they look changed.
    """
    path = project.absolute(item.path)
    if not os.path.lexists(path):
        return
    with contextlib.suppress(InvalidInput):  # what cannot be a dataset is no link of ours either
        try:
            for linked in linked_files(project, item.path):
                make_private(project, linked)
        finally:
            project.workspace.close()
        for one in _files(project, item)[:1]:
            with contextlib.suppress(LabError):  # somebody else's file stays as it is
                fs.touch(project.absolute(one))


def _delete(project: Project, item: Tracked) -> None:
    """The files of the dataset, and the folders that are empty then; whatever else is in them stays."""
    top = project.absolute(item.path)
    files = [project.absolute(path) for path in _files(project, item)]
    for path in files:
        project.workspace.remove(path)
    if os.path.isdir(top) and not os.path.islink(top):
        emptied = [folder for folder, _, _ in os.walk(top)]
        project.workspace.prune(emptied, top=top, is_top_kept=False)
