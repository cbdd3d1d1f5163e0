"""`commit`: record what the workspace holds now in the DVC files that exist already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from labops import pointers
from labops.errors import Conflict
from labops.formats.dirfile import render_tree
from labops.history import references
from labops.materialise import materialise
from labops.model import (
    Action,
    HashName,
    OnEvent,
    Outcome,
    Plan,
    Report,
    Result,
    Selected,
    Selection,
    Step,
    Tree,
    ignore,
)
from labops.project import Project
from labops.survey import Survey, survey


@dataclass(frozen=True, slots=True)
class _Change:
    """One output whose files are to be recorded (or, when only the cache lacks them, stored)."""

    selected: Selected
    survey: Survey
    is_changed: bool


def commit(
    project: Project,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    *,
    force: bool = False,
    relink: bool = True,
    confirm: Callable[[str], bool] = lambda _: False,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Store the selected outputs and point their DVC files at what they are now.

    A changed output is recorded only with `force` or when `confirm` says yes to the question; otherwise
    `Conflict` (`commit-not-confirmed`) is raised and nothing is written. A 2.x output with changed content
    becomes a 3.x one. Outputs that are not in the workspace are left alone.
    """
    project = project.looking() if dry_run else project
    with project.lock():
        tracked = project.tracked()
        references.refuse_versions(project, selection.targets, tracked, "commit")
        changes = [
            _Change(item, now, now.oid != item.tracked.output.oid)
            for item in project.select(selection, tracked)
            if item.tracked.output.is_cached
            for now in [survey(project, item.tracked.path, item.tracked.output.hash_name, on_event=on_event)]
            if not now.is_missing
        ]
        plan = Plan(tuple(_step(change) for change in changes if change.is_changed))
        if dry_run:
            return Report("commit", plan)
        _ask(changes, force=force, confirm=confirm)
        changed_files: list[str] = []
        outcomes = []
        for change in changes:
            changed_files += _record(project, change, relink=relink, on_event=on_event)
            if change.is_changed:
                outcomes.append(Outcome(_step(change), Result.DONE))
    warnings = tuple(loss for change in changes for loss in change.survey.losses())
    return Report("commit", plan, tuple(outcomes), warnings, changed_files=tuple(dict.fromkeys(changed_files)))


def _step(change: _Change) -> Step:
    return Step(Action.TRACK, change.selected.tracked.path, change.survey.oid, reason="changed")


def _ask(changes: list[_Change], *, force: bool, confirm: Callable[[str], bool]) -> None:
    """dvc asks stage by stage; we ask for all of them before anything is written."""
    if force:
        return
    for change in changes:
        tracked = change.selected.tracked
        if change.is_changed and not confirm(f"'{tracked.path}' of '{tracked.address}' changed. Commit it?"):
            raise Conflict(
                f"'{tracked.path}' changed and was not committed",
                code="commit-not-confirmed",
                hint="look at it with: lab status; commit without a question: lab commit --force",
                path=tracked.path,
            )


def _record(project: Project, change: _Change, *, relink: bool, on_event: OnEvent) -> list[str]:
    """Objects first, then the tree object, `.gitignore`, and the pointer; the files that git should see."""
    tracked = change.selected.tracked
    output = tracked.output
    hash_name = HashName.MD5 if change.is_changed else output.hash_name
    with project.cache(hash_name).batch() as batch:
        now = survey(project, tracked.path, hash_name, batch=batch, on_event=on_event)
        tree = now.tree()
        assert tree is not None
        if tree.is_dir:
            batch.store_bytes(tree.oid, render_tree(tree.entries))
    if relink and project.cache(hash_name).link_types[:1] in (("hardlink",), ("symlink",)):
        _relink(project, change.selected, tree, hash_name, on_event)
    ignore_files = pointers.ignore_outputs(project, [tracked.path])
    if not change.is_changed:
        return ignore_files
    new = pointers.with_content(
        output._replace(hash_name=hash_name), tree, size=tree.size, is_executable=now.is_executable
    )
    if tracked.stage:
        return [*ignore_files, pointers.save_stage_output(project, tracked, new)]
    pointers.save_output(project, tracked.file, new)
    return [*ignore_files, tracked.file]


def _relink(project: Project, selected: Selected, tree: Tree, hash_name: HashName, on_event: OnEvent) -> None:
    cache = project.cache(hash_name)
    top = project.absolute(selected.tracked.path)
    unlinked = frozenset(
        entry.path
        for entry in tree.entries
        if not cache.is_linked(entry.oid, f"{top}/{entry.path}" if entry.path else top, cache.link_types[0])
    )
    output = selected.tracked.output._replace(oid=tree.oid, hash_name=hash_name)
    whole = Selected(replace(selected.tracked, output=output))
    materialise(project, [whole], relinking=unlinked, on_event=on_event)
