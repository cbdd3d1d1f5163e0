"""`destroy`: make a plain git repository of a project again. The data in the workspace stays.

free the data from the cache → the DVC files → `.dvcignore` → `.dvc`
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Callable

from labops.drivers import fs
from labops.errors import Conflict, InvalidInput, LabError
from labops.model import Action, HashName, Outcome, Plan, Report, Result, Step
from labops.project import Project
from labops.unlinking import linked_files, make_private


def destroy(
    project: Project, *, confirm: Callable[[Plan, int], bool] = lambda _plan, _cached: False, dry_run: bool = False
) -> Report:
    """Remove the DVC files, the settings and a cache that lies in `.dvc`.

    `confirm` is asked with the plan and the number of objects in that cache. A shared cache and the remotes are
    not touched, nor is `.gitignore`. Raises `Conflict` (`destroy-not-confirmed`).
    """
    with contextlib.nullcontext() if dry_run else project.lock():
        plan, cached = _plan(project)
        if dry_run:
            return Report("destroy", plan)
        if not confirm(plan, cached):
            raise Conflict(
                "the project was not destroyed",
                code="destroy-not-confirmed",
                hint="see what would go with: lab destroy --dry-run; do it without a question with: -f",
            )
        _free(project)
        for step in plan.steps[:-1]:
            fs.remove(project.absolute(step.path))
    # Only now: the lock lies in it.
    fs.remove_all(project.dvc_dir)
    return Report("destroy", plan, tuple(Outcome(step, Result.DONE) for step in plan.steps))


def _plan(project: Project) -> tuple[Plan, int]:
    files = []
    for file in project.pointer_files:
        files.append(file)
        if posixpath.basename(file) == "dvc.yaml":
            files.append(posixpath.join(posixpath.dirname(file), "dvc.lock"))
    files.append(".dvcignore")
    steps = [Step(Action.DELETE, file) for file in files if os.path.lexists(project.absolute(file))]
    number = size = 0
    if _is_inside(project):
        for hash_name in HashName:
            cache = project.cache(hash_name)
            for oid in cache.list():
                number += 1
                size += cache.size(oid) or 0
    return Plan((*steps, Step(Action.DELETE, ".dvc/", None, size))), number


def _is_inside(project: Project) -> bool:
    root = os.path.realpath(project.cache().root)
    return root.startswith(os.path.realpath(project.dvc_dir) + os.sep)


def _free(project: Project) -> None:
    """Without the cache a link into it would lead nowhere. Done before anything is removed."""
    try:
        items = project.tracked()
    except LabError:
        items = []  # a broken DVC file is a reason to destroy, not to refuse
    try:
        for item in items:
            if item.output.is_cached and os.path.lexists(project.absolute(item.path)):
                with contextlib.suppress(InvalidInput):
                    for path in linked_files(project, item.path):
                        make_private(project, path)
    finally:
        project.workspace.close()
