"""`pull`: fetch what is missing, then check it out."""

from __future__ import annotations

from labops import exchange
from labops.materialise import Materialised, materialise
from labops.model import Oid, OnEvent, Outcome, Plan, Report, Result, Selection, ignore
from labops.project import Project


def pull(
    project: Project,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    *,
    remote: str | None = None,
    jobs: int | None = None,
    force: bool = False,
    allow_missing: bool = False,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Bring the selected outputs of the remote into the workspace.

    Whatever arrived is checked out even when something else could not be fetched. An object that the cache
    had, but badly, is fetched again. Unsaved work in the way raises `Conflict` after the fetch and before
    anything in the workspace is touched, unless `force`.
    """

    def place(*, is_dry: bool) -> Materialised:
        return materialise(project, project.select(selection), is_forced=force, dry_run=is_dry, on_event=on_event)

    with project.lock():
        everything = project.select_everywhere(selection)
        fetched = exchange.fetch(project, everything, remote=remote, jobs=jobs, dry_run=dry_run, on_event=on_event)
        placed = place(is_dry=dry_run)
        if not dry_run and placed.has_corrupt():
            again = exchange.fetch(project, everything, remote=remote, jobs=jobs, on_event=on_event)
            fetched.steps += again.steps
            fetched.outcomes += again.outcomes
            placed = placed.then(place(is_dry=False))
    failed = {outcome.step.oid for outcome in fetched.outcomes if outcome.error}
    outcomes = [*fetched.outcomes, *_own(placed.outcomes, failed, allow_missing=allow_missing)]
    plan = Plan(fetched.plan.steps + placed.plan.steps)
    warnings = (*fetched.warnings, *placed.warnings)
    return Report("pull", plan, tuple(outcomes), warnings, outputs=placed.changed_outputs())


def _own(outcomes: list[Outcome], failed: set[Oid | None], *, allow_missing: bool) -> list[Outcome]:
    """The checkout's outcomes without those that only repeat a failed fetch."""
    own = []
    for outcome in outcomes:
        is_missing = outcome.error is not None and outcome.error.code == "not-in-cache"
        if is_missing and outcome.step.oid in failed:
            continue
        own.append(Outcome(outcome.step, Result.SKIPPED) if is_missing and allow_missing else outcome)
    return own
