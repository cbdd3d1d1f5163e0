"""Leftovers: data of the commit that git has just been switched away from, which the present one does not track.

After `git checkout other-branch` such data would lie in the workspace where no ignore line hides it any more, and
the next `git add .` would commit it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from labops import index
from labops.drivers.git.history import left_commits
from labops.errors import Corrupt, LabError, NotFound
from labops.model import Action, OnEvent, Outcome, Plan, Report, Result, Step, Tracked, ignore
from labops.planning.compare import shown
from labops.project import Project
from labops.survey import Survey, survey
from labops.unlinking import files_of


def remove_leftovers(project: Project, *, dry_run: bool = False, on_event: OnEvent = ignore) -> list[Outcome]:
    """Remove the data that git has left behind, as dvc does; one outcome an output.

    Only where the last thing that git did to HEAD was a switch: after `dvc remove`, a commit or a pull the data
    stays. It goes only as a whole, and only if all its content is unchanged and in the cache, from where going
    back to that commit brings it again.
    """
    outcomes = []
    for item, now in list(_found(project, on_event)):
        step = Step(Action.DELETE, item.path, now.oid, now.scan.size, reason="not tracked at this commit")
        outcomes.append(Outcome(step, Result.SKIPPED if dry_run else _remove(project, item, now)))
    return outcomes


def with_leftovers(report: Report, gone: Sequence[Outcome]) -> Report:
    """`report` of a checkout, telling also of the outputs that are `gone`."""
    if not gone:
        return report
    steps = tuple(outcome.step for outcome in gone)
    rows = tuple(("D", shown(step.path, step.oid)) for step in steps if step.oid is not None)
    return replace(
        report,
        plan=Plan(steps + report.plan.steps),
        outcomes=(*(outcome for outcome in gone if outcome.result is not Result.SKIPPED), *report.outcomes),
        outputs=rows + report.outputs,
    )


def _found(project: Project, on_event: OnEvent) -> Iterator[tuple[Tracked, Survey]]:
    commits = left_commits(project.git) if project.git is not None else []
    if not commits:
        return
    known = index.PathIndex(project.tracked())
    for commit in commits:
        for item in _outputs_at(project, commit):
            if known.overlapping(item.path) is not None or not item.output.is_cached:
                continue
            known.add(item)
            now = survey(project, item.path, item.output.hash_name, remember=False, on_event=on_event)
            if now.oid is not None and now.oid == item.output.oid and _is_safe(project, item, now):
                yield item, now


def _outputs_at(project: Project, commit: str) -> list[Tracked]:
    assert project.git is not None
    try:
        return index.load_revision(project.git, commit, project.git_prefix)
    except LabError:
        return []  # what that commit tracked cannot be known, so nothing of it is touched


def _is_safe(project: Project, item: Tracked, now: Survey) -> bool:
    """All content is in the cache, and git does not hold the files itself."""
    assert project.git is not None
    assert now.oid is not None
    cache = project.cache(item.output.hash_name)
    try:
        lost = cache.missing(cache.read_tree(now.oid).oids())
    except (NotFound, Corrupt):
        return False
    return not lost and not project.git.tracked([project.absolute(item.path)])


def _remove(project: Project, item: Tracked, now: Survey) -> Result:
    top = project.absolute(item.path)
    emptied = set()
    for path in files_of(now.scan, item.path):
        project.workspace.remove(project.absolute(path))
        emptied.add(project.absolute(path).rpartition("/")[0])
    if now.scan.kind == "dir":
        project.workspace.prune(emptied, top=top, is_top_kept=False)
    project.state.forget(item.path)
    return Result.DONE
