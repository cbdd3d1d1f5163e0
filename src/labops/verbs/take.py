"""`pull -o`: put one dataset, or a part of it, beside what is tracked: a plain copy at a path that nothing tracks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from labops import exchange, transfer
from labops.drivers import fs
from labops.errors import Conflict, InvalidInput, LabError, NotFound
from labops.index import PathIndex
from labops.materialise import refuse_private_names, verify_doubtful
from labops.model import (
    HERE,
    Action,
    Entry,
    Oid,
    OnEvent,
    Outcome,
    Plan,
    RelPath,
    Report,
    Result,
    Selected,
    Selection,
    Step,
    Tree,
    ignore,
)
from labops.places.cache import Cache
from labops.project import Project
from labops.survey import survey

_PRIVATE = {".git", ".dvc", ".hg"}


def take(
    project: Project,
    target: str,
    out: str,
    *,
    remote: str | None = None,
    jobs: int | None = None,
    force: bool = False,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Fetch what `target` (`NAME@v1`, say) means, and put it at `out`: whole, or not at all.

    What is there already and equal stays. Anything else there raises `Conflict` (`output-exists`), and is
    replaced with `force`. Nothing tracks the copy: it changes no DVC file.
    """
    with contextlib.nullcontext() if dry_run else project.lock():
        item = _the_one(project, target)
        path = _destination(project, out)
        fetched = exchange.fetch(project, [item], remote=remote, jobs=jobs, dry_run=dry_run, on_event=on_event)
        placed: list[Outcome] = []
        steps: list[Step] = []
        tree = _tree(project, item)
        if tree is not None:
            have = _entries_at(project, path, item)
            steps = _plan(os.path.relpath(path, project.root), tree, have, is_forced=force)
            is_complete = not any(outcome.error for outcome in fetched.outcomes)
            if not dry_run and is_complete and (steps or have is None):
                placed = _place(project, item, tree, path, steps, on_event)
    plan = Plan((*fetched.steps, *steps))
    return Report("pull", plan, (*fetched.outcomes, *placed), tuple(fetched.warnings))


def _the_one(project: Project, target: str) -> Selected:
    selected = project.select_everywhere(Selection((target,)))
    if len(selected) != 1:
        raise InvalidInput(
            f"'{target}' means {len(selected)} outputs, and --out is the place of one",
            code="bad-pull-options",
            hint="name one output, or a path inside one",
        )
    if selected[0].tracked.output.oid is None:
        raise NotFound(
            f"'{target}' was never committed, so there is nothing to put anywhere",
            code="not-in-cache",
            hint=f"lab commit {selected[0].tracked.address}",
        )
    return selected[0]


def _destination(project: Project, out: str) -> str:
    """The absolute path, which must touch nothing tracked and nothing of git's or dvc's."""
    parent, name = os.path.split(os.path.abspath(out))
    path = os.path.join(os.path.realpath(parent), name)
    inside = os.path.relpath(path, project.root)
    problem = ""
    if not name or os.path.realpath(path) == os.path.realpath(project.root) or project.root.startswith(path + os.sep):
        problem = "holds this repository"
    elif not inside.startswith(".."):
        other = PathIndex(project.tracked()).overlapping(inside.replace(os.sep, "/"))
        if other is not None:
            problem = f"belongs to '{other.path}', which '{other.address}' tracks"
    if os.path.isdir(path) and not os.path.islink(path):
        problem = problem or _worth_keeping(path)
    if not _PRIVATE.isdisjoint(path.lower().split(os.sep)):
        problem = "is inside a private folder of git or dvc"
    if problem:
        raise InvalidInput(
            f"'{out}' {problem}", code="bad-destination", hint="choose a path beside the tracked ones", path=out
        )
    return path


def _worth_keeping(path: str) -> str:
    """Why this folder must never be replaced, whatever was forced."""
    if path == os.path.realpath(os.path.expanduser("~")) or os.path.ismount(path):
        return "is a home folder or a whole disk"
    if f"{os.path.realpath(os.getcwd())}{os.sep}".startswith(path + os.sep):
        return "is where you are"
    if any(os.path.lexists(os.path.join(path, name)) for name in _PRIVATE):
        return "is a repository"
    return ""


def _tree(project: Project, item: Selected) -> Tree | None:
    """What goes to the destination, with paths relative to it; None while its listing is not in the cache."""
    output = item.tracked.output
    assert output.oid is not None
    try:
        tree = project.cache(output.hash_name).read_tree(output.oid)
    except NotFound:
        return None
    refuse_private_names(item.tracked.path, tree)
    if item.is_whole:
        return tree
    (part,) = item.inside
    found = tree.below(part) if tree.is_dir else ()
    if not found:
        raise NotFound(
            f"'{item.tracked.path}' of that version has no '{part}'",
            code="no-such-file",
            hint=f"see what it has: lab diff '{item.tracked.path}@VERSION'",
            path=part,
        )
    if len(found) == 1 and found[0].path == part:
        return Tree(found[0].oid, (found[0]._replace(path=HERE),))
    rows = tuple(entry._replace(path=RelPath(entry.path[len(part) + 1 :])) for entry in found)
    return Tree(output.oid, rows)


def _entries_at(project: Project, path: str, item: Selected) -> Sequence[Entry] | None:
    """The files at the destination; None when nothing is there."""
    if not os.path.lexists(path):
        return None
    shown = os.path.relpath(path, project.root)
    now = survey(project, shown, item.tracked.output.hash_name, source=path, remember=False)
    return now.entries()


def _plan(shown: str, tree: Tree, have: Sequence[Entry] | None, *, is_forced: bool) -> list[Step]:
    """One step for each file, none when all is there already."""
    if have is not None:
        if {e.path: e.oid for e in have} == {e.path: e.oid for e in tree.entries}:
            return []
        if not is_forced:
            raise Conflict(
                f"'{shown}' exists already, and is something else",
                code="output-exists",
                hint="choose another path, or replace it with: --force",
                path=shown,
            )
    action = Action.CREATE if have is None else Action.REPLACE
    return [Step(action, f"{shown}/{e.path}" if e.path else shown, e.oid, e.size) for e in tree.entries]


def _place(
    project: Project, item: Selected, tree: Tree, path: str, steps: Sequence[Step], on_event: OnEvent
) -> list[Outcome]:
    """Build the whole in a folder of our own, then give it its name."""
    cache = project.cache(item.tracked.output.hash_name)
    lost = cache.missing({entry.oid for entry in tree.entries})
    bad = verify_doubtful(cache, {entry.oid for entry in tree.entries} - lost, on_event)
    errors: dict[Oid, LabError] = {oid: _lost(oid) for oid in lost} | bad
    if errors:
        return [Outcome(step, Result.FAILED, errors[step.oid]) for step in steps if step.oid in errors]
    fs.make_folder(os.path.dirname(path))
    bench = fs.make_workbench(_workbenches(project, os.path.dirname(path)))
    try:
        made = f"{bench}/new"
        outcomes = _build(cache, item, tree, made, steps, on_event)
        failed = [outcome for outcome in outcomes if outcome.error]
        if not failed:
            _swap(made, path, f"{bench}/old")
        return failed or outcomes
    finally:
        fs.remove_workbench(bench)


def _build(
    cache: Cache, item: Selected, tree: Tree, made: str, steps: Sequence[Step], on_event: OnEvent
) -> list[Outcome]:
    is_executable = item.tracked.output.is_executable and not tree.is_dir
    # A link would share its mode with the cache object, which must stay 0444.
    types = ("reflink", "copy") if is_executable else ()
    if tree.is_dir:
        fs.make_folder(made)
    for folder in sorted({os.path.dirname(entry.path) for entry in tree.entries} - {""}):
        fs.make_folder(f"{made}/{folder}")

    def work(row: tuple[Step, Entry]) -> None:
        target = f"{made}/{row[1].path}" if row[1].path else made
        cache.link(row[1].oid, target, types=types, mode=0o766 if is_executable else 0o666)

    rows = list(zip(steps, tree.entries, strict=True))
    values = transfer.each(rows, work, phase="checking out", on_event=on_event)
    return [transfer.outcome_of(step, value) for (step, _), value in zip(rows, values, strict=True)]


def _swap(made: str, path: str, aside: str) -> None:
    """Put `made` at `path`; what was there goes aside, and comes back when that fails."""
    is_there = os.path.lexists(path)
    if is_there:
        fs.rename(path, aside)
    try:
        fs.rename(made, path)
    except LabError:
        if is_there:
            fs.rename(aside, path)
        raise


def _lost(oid: Oid) -> NotFound:
    return NotFound("its object is not in the cache", code="not-in-cache", hint="get it with: lab fetch", oid=oid)


def _workbenches(project: Project, parent: str) -> str:
    """Where half-made things lie: out of sight when that is on the destination's disk, else beside it."""
    bench = project.state.workbench()
    return bench if os.stat(bench).st_dev == os.stat(parent).st_dev else parent
