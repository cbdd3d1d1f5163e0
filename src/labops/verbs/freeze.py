"""`freeze` and `unfreeze`: whether an import or a stage may change by itself."""

from __future__ import annotations

from collections.abc import Sequence

from labops import pointers
from labops.drivers import fs
from labops.errors import Unsupported
from labops.formats.dvcfile import render_dvcfile
from labops.model import Action, Outcome, Plan, Report, Result, Selection, Step
from labops.project import Project


def freeze(project: Project, targets: Sequence[str], *, is_frozen: bool, dry_run: bool = False) -> Report:
    """Set (or take out) `frozen: true` in the DVC files behind `targets`.

    Raises `NotFound` for an unknown target and `Unsupported` (`pipeline-stage`) for a stage of a pipeline.
    """
    verb = "freeze" if is_frozen else "unfreeze"
    steps, changed = [], []
    selected = project.select(Selection(tuple(targets)))
    for item in selected:
        if item.tracked.stage:
            raise Unsupported(
                f"'{item.tracked.address}' is a stage of a pipeline, which labops does not edit",
                code="pipeline-stage",
                hint=f"dvc {verb} {item.tracked.address}",
            )
    texts = {}
    for file in dict.fromkeys(item.tracked.file for item in selected):
        dvcfile, text = pointers.read_pointer(project, file)
        new = render_dvcfile(dvcfile._replace(is_frozen=is_frozen), previous=text)
        if new != text:
            steps.append(Step(Action.TRACK, file))
            texts[file] = new
    plan = Plan(tuple(steps))
    if dry_run:
        return Report(verb, plan)
    with project.lock():
        for file, text in texts.items():
            fs.write_atomic(project.absolute(file), text.encode())
            changed.append(file)
    outcomes = tuple(Outcome(step, Result.DONE) for step in steps)
    return Report(verb, plan, outcomes, changed_files=tuple(changed))
