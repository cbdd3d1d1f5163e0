"""`pull`: fetch what is missing, then check it out."""

from __future__ import annotations

from collections.abc import Collection

from labops import exchange
from labops.materialise import Materialised, materialise
from labops.model import Action, Oid, OnEvent, Outcome, Plan, Report, Result, Selection, ignore
from labops.project import Project

_NOWHERE = {"no-such-object", "object-nowhere", "not-in-cache"}


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

    project = project.looking() if dry_run else project

    def place(*, is_dry: bool) -> Materialised:
        return materialise(project, wanted, is_forced=force, dry_run=is_dry, on_event=on_event)

    with project.lock():
        wanted = project.select(selection)
        everything = project.select_everywhere(selection)
        fetched = exchange.fetch(project, everything, remote=remote, jobs=jobs, dry_run=dry_run, on_event=on_event)
        placed = place(is_dry=dry_run)
        if not dry_run and placed.has_corrupt():
            again = exchange.fetch(project, everything, remote=remote, jobs=jobs, on_event=on_event)
            fetched.steps += again.steps
            fetched.outcomes += again.outcomes
            placed = placed.then(place(is_dry=False))
    named = {step.oid for step in fetched.steps}
    failed = {outcome.step.oid for outcome in fetched.outcomes if outcome.error}
    outcomes = [*fetched.outcomes, *(outcome for outcome in placed.outcomes if not _repeats(outcome, failed))]
    steps = [*fetched.steps, *(s for s in placed.plan.steps if s.action is not Action.MISSING or s.oid not in named)]
    warnings = [*fetched.warnings, *placed.warnings]
    if allow_missing:
        outcomes = [_allowed(outcome, warnings) for outcome in outcomes]
    return Report("pull", Plan(tuple(steps)), tuple(outcomes), tuple(warnings), outputs=placed.changed_outputs())


def _repeats(outcome: Outcome, failed: Collection[Oid | None]) -> bool:
    """True when the checkout only found missing what the fetch has failed to get."""
    return outcome.error is not None and outcome.error.code == "not-in-cache" and outcome.step.oid in failed


def _allowed(outcome: Outcome, warnings: list[str]) -> Outcome:
    """A failure that says only that the data is nowhere becomes a warning."""
    if outcome.error is None or outcome.error.code not in _NOWHERE:
        return outcome
    warnings.append(f"'{outcome.step.path}' is missing: {outcome.error.message}")
    return Outcome(outcome.step, Result.SKIPPED)
