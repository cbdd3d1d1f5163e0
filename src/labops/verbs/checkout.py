"""`checkout`: make the workspace what the DVC files say, from the cache."""

from __future__ import annotations

from labops.leftovers import remove_leftovers, with_leftovers
from labops.materialise import EVERYTHING, materialise
from labops.model import OnEvent, Outcome, Report, Result, Selection, ignore
from labops.project import Project


def checkout(
    project: Project,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    *,
    force: bool = False,
    relink: bool = False,
    allow_missing: bool = False,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Create, replace and remove workspace files until the selected outputs are as tracked.

    Without targets, first removes what another commit tracked, see `remove_leftovers`.
    Raises `Conflict` (`unsaved-changes`) before touching anything when a file whose content is nowhere in
    the cache would be lost, unless `force`. An object that is missing costs no other file its place; with
    `allow_missing` it is skipped instead of failed.
    """
    project = project.looking() if dry_run else project
    with project.lock():
        selected = project.select(selection)
        gone = [] if selection.targets else remove_leftovers(project, dry_run=dry_run, on_event=on_event)
        done = materialise(
            project,
            selected,
            is_forced=force,
            relinking=EVERYTHING if relink else frozenset(),
            dry_run=dry_run,
            on_event=on_event,
        )
    outcomes = [_allowed(outcome) for outcome in done.outcomes] if allow_missing else done.outcomes
    report = Report("checkout", done.plan, tuple(outcomes), tuple(done.warnings), outputs=done.changed_outputs())
    return with_leftovers(report, gone)


def _allowed(outcome: Outcome) -> Outcome:
    is_missing = outcome.error is not None and outcome.error.code == "not-in-cache"
    return Outcome(outcome.step, Result.SKIPPED) if is_missing else outcome
