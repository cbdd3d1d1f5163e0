"""`unprotect`: turn links to the cache into private files that may be edited."""

from __future__ import annotations

import os
from collections.abc import Sequence

from labops.errors import NotFound
from labops.model import Action, Outcome, Plan, Report, Result, Step
from labops.project import Project
from labops.unlinking import linked_files, make_private


def unprotect(project: Project, targets: Sequence[str], *, dry_run: bool = False) -> Report:
    """Make every file at or below `targets` a copy of its own, writable by its owner.

    Each copy takes its file's place in one step. Files that are neither links nor read-only stay as they are.
    """
    steps = []
    for target in targets:
        relative = project.relative(target)
        path = project.absolute(relative)
        if not os.path.lexists(path):
            raise NotFound(f"'{target}' does not exist", code="no-such-file", hint="check the spelling", path=target)
        steps += [Step(Action.REPLACE, name) for name in linked_files(project, relative)]
    plan = Plan(tuple(steps))
    if dry_run:
        return Report("unprotect", plan)
    with project.lock([project.absolute(step.path) for step in steps[:1]]):
        try:
            outcomes = [_free(project, step) for step in steps]
        finally:
            project.workspace.close()
    return Report("unprotect", plan, tuple(outcomes))


def _free(project: Project, step: Step) -> Outcome:
    make_private(project, step.path)
    return Outcome(step, Result.DONE)
