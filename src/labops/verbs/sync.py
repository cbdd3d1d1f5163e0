"""`sync`: the commits of others, and every dataset of this machine brought to what they point at.

    git fetch → the data of the new pointers → git merge → the workspace, dataset by dataset

Data is here before a pointer or a file of the workspace changes. Unsaved work is never touched: a file that nobody
changed here follows, a file that was changed here stays, and one that both sides changed is named.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from labops import index
from labops.drivers.git import Git
from labops.drivers.git import publishing as git
from labops.drivers.git.publishing import Branch
from labops.errors import Conflict, InvalidInput
from labops.following import Change, Content, OnTheWay, content_of, follow, incoming, older_version, present
from labops.installing import install_merge_driver
from labops.merging import name_clashes
from labops.model import OnEvent, Outcome, Plan, Report, Step, Tracked, ignore
from labops.project import Project
from labops.survey import survey


class Synced(NamedTuple):
    """What became of a sync; with `dry_run` what would.

    `how` is what happened to git: `up-to-date`, `fast-forward`, `merge`, `no-remote`, and for a dry run also
    `unknown`: the other side has commits that were not fetched yet.
    """

    report: Report
    how: str
    place: str = ""
    changes: tuple[Change, ...] = ()


def sync(project: Project, *, jobs: int | None = None, dry_run: bool = False, on_event: OnEvent = ignore) -> Synced:
    """Get the commits of others and bring every dataset that lies in this workspace, even in part, to its pointer.

    One dataset in the way of unsaved work, or without data, is a failed outcome; the others go on. Raises
    `Conflict` (`merge-in-progress`, `merge-conflict`, `git-local-changes`) with what to decide.
    """
    project = project.looking() if dry_run else project
    repo = project.git
    if repo is None:
        raise InvalidInput("syncing needs git, and this project has none", code="no-git", hint="lab pull")
    _refuse_unfinished(project, repo)
    place = git.branch(repo)
    story = _Story(project, repo, place, jobs, on_event, dry_run, OnTheWay(project))
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
                f"a merge is half done here; not yet decided: {'; '.join(named)}",
                code=error.code,
                hint=_choices(git.branch(repo)),
            ) from error
        raise


def _choices(place: Branch) -> str:
    """How to go on. Git's sides are whole DVC files: the first way loses nobody's other files."""
    theirs = place.shown if place.remote else "BRANCH"
    return (
        f"git merge --abort, take theirs of each file (lab pull NAME/FILE@{theirs}), and lab publish; or one side of a "
        "dataset as a whole: git checkout --ours NAME.dvc (or --theirs), git add NAME.dvc, git commit, then lab sync"
    )


@dataclass
class _Story:
    project: Project
    repo: Git
    place: Branch
    jobs: int | None
    on_event: OnEvent
    is_dry: bool
    on_the_way: OnTheWay
    before: dict[str, Content] = field(default_factory=dict)
    incoming: dict[str, Tracked] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    outputs: list[tuple[str, str]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def remember(self) -> None:
        """Which datasets lie here, and what they point at before anything moves."""
        self.before = present(self.project)

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
                install_merge_driver(self.repo, sys.executable)
                for item in self.incoming.values():
                    self._get(item)
                self.on_the_way.start({path: self.before[path] for path in self.incoming})
        try:
            how = git.merge(self.repo, self.place)
        except Conflict as error:
            if error.code == "merge-conflict":
                named = name_clashes(self.project)
                message = f"both sides changed the same: {'; '.join(named)}"
                raise Conflict(message, code=error.code, hint=_choices(self.place)) from error
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
        """The datasets of this machine that are another version on the other side."""
        head = self.repo.head()
        if head is not None and git.is_ancestor(self.repo, tip, head):
            return
        self.incoming = incoming(self.project, self.before, tip)

    def _get(self, item: Tracked) -> None:
        """The data of one new version, before its pointer is here. What fails is told when it is placed."""
        done = follow(
            self.project, item, self._base(item.path), jobs=self.jobs, is_fetch_only=True, on_event=self.on_event
        )
        good = [outcome for outcome in done.outcomes if outcome.error is None]
        self.outcomes += good
        self.steps += [outcome.step for outcome in good]

    # data

    def bring(self) -> None:
        """Each dataset of this machine to its pointer; what someone has done in it stays."""
        tracked = {item.path: item for item in self.project.tracked()}
        gone = self.before.keys() - tracked.keys()
        self.warnings += _buried(self.project, tracked.values())
        self.warnings += [f"'{path}' is tracked no more; its files stay where they are" for path in sorted(gone)]
        if self.is_dry:
            tracked |= self.incoming
        here = [item for path, item in tracked.items() if path in self.before and item.output.oid is not None]
        with self.project.lock():
            for item in here:
                self._bring_one(item)

    def _base(self, path: str) -> Content:
        return self.on_the_way.bases.get(path, self.before[path])

    def _bring_one(self, item: Tracked) -> None:
        base: Content | None = self._base(item.path)
        if base == content_of(item.output):
            base = self._older(item)
        if base is not None:
            done = follow(self.project, item, base, jobs=self.jobs, dry_run=self.is_dry, on_event=self.on_event)
            self.steps += done.steps
            self.outcomes += done.outcomes
            self.warnings += done.warnings
            self.outputs += done.outputs
            self.changes += [done.change] if done.change.is_any else []
            if self.is_dry or not done.is_applied:
                return
        if not self.is_dry:
            self.on_the_way.arrived(item.path)

    def _older(self, item: Tracked) -> Content | None:
        """The earlier version that lies here although the pointer is further; None where there is nothing to do."""
        now = survey(self.project, item.path, item.output.hash_name, remember=not self.is_dry, on_event=self.on_event)
        if now.oid in (None, item.output.oid):
            return None
        older = older_version(self.project, item, remember=not self.is_dry)
        if older is not None:
            return older.content
        self.warnings.append(f"'{item.path}' has changes that are not saved yet, or is here only in part: it stays so")
        return None


def _buried(project: Project, tracked: Iterable[Tracked]) -> list[str]:
    """A dataset of somebody's inside a folder that somebody else has tracked as a whole: a merge brings that about."""
    folders = index.PathIndex(tracked)
    found = ((file, folders.above(file)) for file in project.pointer_files)
    return [
        f"'{file}' lies inside '{item.path}', which is tracked as a whole, so its own data is not: add that data to "
        f"'{item.path}', and then: git rm '{file}'"
        for file, item in found
        if item is not None
    ]
