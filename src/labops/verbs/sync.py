"""`sync`: the commits of others, and every dataset of this machine brought to what they point at.

    git fetch → the data of the new pointers → git merge → the workspace, dataset by dataset

Data is here before a pointer or a file of the workspace changes. Unsaved work is never touched.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from labops import exchange, index
from labops.drivers import fs
from labops.drivers.git import Git
from labops.drivers.git import publishing as git
from labops.drivers.git.publishing import Branch
from labops.errors import Conflict, InvalidInput
from labops.materialise import Materialised, materialise
from labops.merging import name_clashes
from labops.model import Action, Oid, OnEvent, Outcome, Plan, Report, Result, Selected, Step, Tracked, ignore
from labops.project import Project
from labops.survey import survey


class DatasetChange(NamedTuple):
    """What became different in one dataset of the workspace: files, and the bytes of those that came."""

    path: str
    added: int = 0
    deleted: int = 0
    modified: int = 0
    size: int = 0


class Synced(NamedTuple):
    """What became of a sync; with `dry_run` what would.

    `how` is what happened to git: `up-to-date`, `fast-forward`, `merge`, `no-remote`, and for a dry run also
    `unknown`: the other side has commits that were not fetched yet.
    """

    report: Report
    how: str
    place: str = ""
    changes: tuple[DatasetChange, ...] = ()


def sync(project: Project, *, jobs: int | None = None, dry_run: bool = False, on_event: OnEvent = ignore) -> Synced:
    """Get the commits of others and bring every dataset that lies in this workspace, even in part, to its pointer.

    One dataset in the way of unsaved work, or without data, is a failed outcome; the others go on. Raises
    `Conflict` (`merge-in-progress`, `merge-conflict`, `git-local-changes`) with what to decide.
    """
    repo = project.git
    if repo is None:
        raise InvalidInput("syncing needs git, and this project has none", code="no-git", hint="lab pull")
    _refuse_unfinished(project, repo)
    place = git.branch(repo)
    story = _Story(project, repo, place, jobs, on_event, is_dry=dry_run)
    story.remember()
    how = story.foresee() if dry_run else story.pull()
    story.bring()
    report = Report(
        "sync",
        Plan(tuple(story.steps)),
        () if dry_run else tuple(story.outcomes),
        tuple(story.warnings),
        outputs=tuple(story.outputs),
    )
    return Synced(report, how, place.shown if place.remote else "", tuple(story.changes))


def _refuse_unfinished(project: Project, repo: Git) -> None:
    try:
        git.refuse_unfinished(repo)
    except Conflict as error:
        named = name_clashes(project)
        if named:
            raise Conflict(
                f"a merge is half done here; not yet decided: {'; '.join(named)}", code=error.code, hint=_CHOOSE
            ) from error
        raise


_CHOOSE = (
    "for each DVC file choose a side, `git checkout --ours FILE` or `git checkout --theirs FILE`, and `git add FILE`; "
    "then git commit, then lab sync (or go back: git merge --abort)"
)


@dataclass
class _Story:
    project: Project
    repo: Git
    place: Branch
    jobs: int | None
    on_event: OnEvent
    is_dry: bool
    before: dict[str, Oid | None] = field(default_factory=dict)
    incoming: dict[str, Tracked] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    outputs: list[tuple[str, str]] = field(default_factory=list)
    changes: list[DatasetChange] = field(default_factory=list)

    def remember(self) -> None:
        """Which datasets lie here, and what they point at before anything moves."""
        for item in self.project.tracked():
            if item.output.is_cached and _is_present(self.project.absolute(item.path)):
                self.before[item.path] = item.output.oid

    # git

    def pull(self) -> str:
        """Fetch commits, then their data, then merge."""
        if not self.place.remote:
            return self._no_remote()
        git.fetch(self.repo, self.place)
        tip = git.commit_of(self.repo, self.place.tracking)
        if tip is not None:
            self._see(tip)
            with self.project.lock():
                self._fetch([item for item in self.incoming.values() if item.output.oid != self.before[item.path]])
        try:
            how = git.merge(self.repo, self.place)
        except Conflict as error:
            if error.code == "merge-conflict":
                named = name_clashes(self.project)
                message = f"both sides changed the same: {'; '.join(named)}"
                raise Conflict(message, code=error.code, hint=_CHOOSE) from error
            raise
        self.project.forget_files()
        return "up-to-date" if how == "already" else how

    def foresee(self) -> str:
        """What `pull` would do, as far as it can be told without writing anything."""
        if not self.place.remote:
            return self._no_remote()
        tip = git.remote_tip(self.repo, self.place)
        head = self.repo.head()
        if tip is None or (head is not None and tip == head):
            return "up-to-date"
        if git.commit_of(self.repo, tip) is None:
            self.warnings.append(
                f"'{self.place.shown}' has commits that are not here yet, so the plan below is without them; "
                "to see them first: git fetch"
            )
            return "unknown"
        if head is not None and git.is_ancestor(self.repo, tip, head):
            return "up-to-date"
        self._see(tip)
        return "fast-forward" if head is None or git.is_ancestor(self.repo, head, tip) else "merge"

    def _no_remote(self) -> str:
        self.warnings.append("this git repository has no remote: there are no commits of others to get")
        return "no-remote"

    def _see(self, tip: str) -> None:
        """The datasets of this machine as the other side has them."""
        head = self.repo.head()
        if head is not None and git.is_ancestor(self.repo, tip, head):
            return
        for item in index.load_revision(self.repo, tip, self.project.git_prefix):
            if item.path in self.before and item.output.oid is not None:
                self.incoming[item.path] = item

    # data

    def bring(self) -> None:
        """Each dataset of this machine to its pointer, as far as no unsaved work is in the way."""
        tracked = {item.path: item for item in self.project.tracked()}
        gone = self.before.keys() - tracked.keys()
        if self.is_dry:
            tracked |= self.incoming
        self.warnings += [f"'{path}' is tracked no more; its files stay where they are" for path in sorted(gone)]
        here = [item for path, item in tracked.items() if path in self.before and item.output.oid is not None]
        if self.is_dry:
            self._place_all([item for item in here if self._differs(item)])
            return
        with self.project.lock():
            self._place_all([item for item in here if self._differs(item)])

    def _differs(self, item: Tracked) -> bool:
        now = survey(self.project, item.path, item.output.hash_name, remember=not self.is_dry, on_event=self.on_event)
        return now.oid != item.output.oid

    def _place_all(self, items: Sequence[Tracked]) -> None:
        self._fetch(items)
        for item in items:
            self._place(item)

    def _fetch(self, items: Sequence[Tracked]) -> None:
        known = {(step.action, step.oid) for step in self.steps}
        done = exchange.fetch(
            self.project,
            [Selected(item) for item in items],
            jobs=self.jobs,
            dry_run=self.is_dry,
            on_event=self.on_event,
        )
        self.steps += [step for step in done.steps if (step.action, step.oid) not in known]
        # What could not be had the first time is asked for again: the second answer counts.
        asked = {outcome.step.oid for outcome in done.outcomes}
        self.outcomes = [old for old in self.outcomes if old.step.oid not in asked] + done.outcomes
        self.warnings += done.warnings

    def _place(self, item: Tracked) -> None:
        try:
            done = materialise(self.project, [Selected(item)], dry_run=self.is_dry, on_event=self.on_event)
        except Conflict as error:
            self._keep(item, error)
            return
        failed = {outcome.step.oid for outcome in self.outcomes if outcome.error}
        named = {step.oid for step in self.steps}
        self.steps += [step for step in done.plan.steps if step.action is not Action.MISSING or step.oid not in named]
        self.outcomes += [one for one in done.outcomes if one.error is None or one.step.oid not in failed]
        self.warnings += done.warnings
        self.outputs += done.changed_outputs()
        change = self._count(item, done)
        if change[1:] != (0, 0, 0, 0):
            self.changes.append(change)

    def _keep(self, item: Tracked, error: Conflict) -> None:
        """Unsaved work: in the way of a new version it is a failure, else just a word."""
        if self.before[item.path] == item.output.oid:
            self.warnings.append(f"'{item.path}' has unsaved changes and stays as it is ({error.message})")
            return
        hint = f"keep them: lab publish '{item.path}' -m MESSAGE; throw them away: lab checkout --force '{item.path}'"
        step = Step(Action.CONFLICT, item.path, item.output.oid, reason="unsaved changes are in the way")
        self.steps.append(step)
        self.outcomes.append(Outcome(step, Result.FAILED, Conflict(error.message, code=error.code, hint=hint)))

    def _count(self, item: Tracked, done: Materialised) -> DatasetChange:
        steps = done.plan.steps if self.is_dry else [o.step for o in done.outcomes if o.result is Result.DONE]
        cache = self.project.cache(item.output.hash_name)
        came = [step.oid for step in steps if step.oid and step.action in (Action.CREATE, Action.REPLACE)]

        def count(action: Action) -> int:
            return sum(step.action is action for step in steps)

        size = sum(cache.size(oid) or 0 for oid in came)
        return DatasetChange(item.path, count(Action.CREATE), count(Action.DELETE), count(Action.REPLACE), size)


def _is_present(path: str) -> bool:
    """True for a file, and for a folder with anything in it."""
    return os.path.lexists(path) and (not os.path.isdir(path) or os.path.islink(path) or bool(fs.names_in(path)))
