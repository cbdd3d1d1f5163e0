"""`publish`: a dataset to everybody, in the order that keeps its pointer from being seen before its data.

    add → push the data → git commit → git push

Stopped anywhere, it finishes when it is run again: what was done is found by looking, not in a journal.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from labops import exchange, neighbours
from labops.drivers.git import Git
from labops.drivers.git import publishing as git
from labops.drivers.git.publishing import Branch
from labops.errors import Conflict, InvalidInput, LabError, NotFound, Unavailable
from labops.following import OnTheWay, catch_up, content_of, incoming, present, refuse_stale
from labops.history import Version, read_versions
from labops.installing import install_merge_driver
from labops.merging import name_clashes
from labops.model import OnEvent, Outcome, Plan, Report, Result, Selected, Selection, Step, Tracked, ignore
from labops.outgoing import cover, find_outgoing, refuse_broken
from labops.project import Project
from labops.promise import Promise, Wanted, resolve_wanted
from labops.tracking import track

_TRIES = 20
"""A class that publishes at the same moment: each round one of them is the first."""


class Published(NamedTuple):
    """What became of a publication; with `dry_run` what would.

    `files` are what the commit holds, relative to the project. `commit` is None when there was nothing to
    commit, `place` empty (`origin/main` otherwise) when nothing was pushed to git.
    """

    report: Report
    files: tuple[str, ...] = ()
    commit: str | None = None
    place: str = ""
    tags: tuple[str, ...] = ()
    is_merged: bool = False
    versions: tuple[tuple[str, int], ...] = ()
    """Each dataset and the number of the version that it has now, where that is known."""


class PublishOptions(NamedTuple):
    """What `publish` was asked for. `version` (`3` or `v3`) is the number that the new version must get."""

    message: str
    version: str | None = None
    remote: str | None = None
    jobs: int | None = None


def publish(
    project: Project,
    targets: Sequence[str],
    options: PublishOptions,
    *,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Published:
    """Publish `targets`: data paths, paths inside tracked folders, or DVC files; new ones get tracked.

    What is not on this machine is not added, but its data is looked for on the remote all the same. When
    data could not be pushed the report has failures and nothing was committed. Raises `Conflict`
    (`other-changes-staged`, `merge-in-progress`, `wrong-version`, `data-not-on-remote`, `publish-diverged`).
    """
    repo = _check(project, options)
    place = git.branch(repo)
    wanted = resolve_wanted(project, targets)
    story = _Story(project.looking() if dry_run else project, repo, place, wanted, options, on_event)
    story.refuse_early()
    if dry_run:
        return story.foresee()
    story.add_and_push()
    if story.has_failed:
        return story.published()
    story.check_version()
    story.commit()
    story.tag()
    if not place.remote:
        story.warnings.append(
            "this git repository has no remote: the commit is here alone, nothing was pushed to git "
            "(git remote add origin URL, then git push -u origin HEAD)"
        )
        return story.published()
    story.push_git()
    return story.published(place.shown)


def _check(project: Project, options: PublishOptions) -> Git:
    repo = project.git
    if repo is None:
        raise InvalidInput(
            "publishing needs git, and this project has none", code="no-git", hint="lab add, then lab push"
        )
    if not options.message.strip():
        raise InvalidInput("a commit needs a message", code="bad-usage", hint='lab publish TARGET -m "what is new"')
    if options.version is not None and not re.fullmatch(r"v?[1-9][0-9]{0,8}", options.version):
        raise InvalidInput(
            f"'{options.version}' is not the number of a version", code="bad-version", hint="as in: --version v3"
        )
    git.refuse_unfinished(repo)
    git.check_identity(repo)
    return repo


# -- the story ----------------------------------------------------------------------------------------


@dataclass
class _Story:
    project: Project
    repo: Git
    place: Branch
    wanted: Wanted
    options: PublishOptions
    on_event: OnEvent
    steps: list[Step] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    files: tuple[str, ...] = ()
    made: str | None = None
    tags: list[str] = field(default_factory=list)
    new_tags: list[str] = field(default_factory=list)
    is_merged: bool = False
    mine: str | None = None
    """What was to be pushed before anything was merged."""
    covered: str = ""

    @functools.cached_property
    def promise(self) -> Promise:
        """What the commit may hold."""
        return Promise(self.project, self.wanted.paths, self.wanted.known)

    def published(self, place: str = "") -> Published:
        report = Report("publish", Plan(tuple(self.steps)), tuple(self.outcomes), tuple(self.warnings))
        versions = () if self.has_failed else self._numbers()
        return Published(report, self.files, self.made, place, tuple(self.tags), self.is_merged, versions)

    @property
    def has_failed(self) -> bool:
        return any(outcome.result in (Result.FAILED, Result.SKIPPED) for outcome in self.outcomes)

    def refuse_early(self) -> None:
        """Everything that can be known before the first byte is read."""
        git.refuse_other_staged(self.repo, self.promise.paths())
        remote = self.options.remote
        for item in self.wanted.known:
            own = item.output.remote
            if remote and own and own != remote:
                raise InvalidInput(
                    f"'{item.path}' belongs to the remote '{own}', not to '{remote}'",
                    code="other-remote",
                    hint=f"leave out -r {remote}",
                )
        if any(not item.output.remote for item in self.wanted.known) or len(self.wanted.known) < len(self.wanted.paths):
            self.project.remote_settings(remote)
        if self.promise.has_own_settings():
            self.warnings.append(
                "'.dvc/config' has changes that git does not have yet, so others may not find the data: "
                "git commit .dvc/config -m 'configure the remote'"
            )
        number = self._asked_number()
        for path in self.wanted.paths if number else ():
            last = len(self._versions(path))
            if number not in (last, last + 1):
                raise _wrong_version(path, last + 1, number)

    def foresee(self) -> Published:
        """The plan: nothing is written."""
        changing = set()
        if self.wanted.to_add:
            found = track(self.project, self.wanted.to_add, dry_run=True, on_event=self.on_event)
            old = {item.path: item.output.oid for item in self.wanted.known}
            changing = {step.path for step in found.plan.steps if step.oid and old.get(step.path) != step.oid}
            self.steps += found.plan.steps
            self.warnings += found.warnings
        settled = [Selected(item) for item in self.wanted.known if item.path not in changing]
        self._exchange(settled, dry_run=True)
        report = Report("publish", Plan(tuple(self.steps)), (), tuple(self.warnings))
        place = self.place.shown if self.place.remote else ""
        return Published(report, tuple(self.promise.uncommitted(changing)), place=place)

    def add_and_push(self) -> None:
        """Pointers for what is here, and all of its data on the remote."""
        with self.project.lock():
            install_merge_driver(self.repo, sys.executable)  # a clone that only ever pulled has none
            self._catch_up(self.wanted.known)
            looked_at = set(self.wanted.to_add)
            refuse_stale(
                self.project, [item for item in self.wanted.known if self.project.absolute(item.path) in looked_at]
            )
            if self.wanted.to_add:
                added = track(self.project, self.wanted.to_add, on_event=self.on_event)
                self.steps += added.plan.steps
                self.outcomes += added.outcomes
                self.warnings += added.warnings
            selected = self._selected()
            self._exchange(selected)
            if not self.has_failed:
                self.warnings += neighbours.enter(self.project, selected, self.options.remote)

    def _catch_up(self, items: Sequence[Tracked]) -> None:
        done = catch_up(self.project, items, jobs=self.options.jobs, on_event=self.on_event)
        self.steps += done.steps
        self.outcomes += [one for one in done.outcomes if one.error is None]
        self.warnings += [one.error.message for one in done.outcomes if one.error is not None]

    def _exchange(self, selected: Sequence[Selected], *, dry_run: bool = False) -> None:
        options = self.options
        done = exchange.push(
            self.project, selected, remote=options.remote, jobs=options.jobs, dry_run=dry_run, on_event=self.on_event
        )
        self.steps += done.steps
        self.outcomes += done.outcomes
        self.warnings += done.warnings

    def _selected(self) -> tuple[Selected, ...]:
        """The outputs as they are tracked now, always whole."""
        return self.project.select(Selection(tuple(map(self.project.absolute, self.wanted.paths))))

    def commit(self) -> None:
        """Exactly the pointer files and the ignore lines of the targets."""
        contents = self.promise.contents()
        before = self.repo.files_at("HEAD") if self.repo.head() else {}
        self.made = git.commit(self.repo, contents, self.options.message)
        if self.made is not None:
            after = self.repo.files_at(self.made)
            changed = [path for path in contents if before.get(path) != after.get(path)]
            self.files = tuple(path.removeprefix(self.project.git_prefix) for path in changed)

    # versions

    def _versions(self, path: str) -> tuple[Version, ...]:
        if self.project.history.is_cut(path):
            raise NotFound(
                f"the versions of '{path}' cannot be counted: this clone has only a part of the history",
                code="history-cut",
                hint="git fetch --unshallow --tags",
                path=path,
            )
        return read_versions(self.project, path)

    def _asked_number(self) -> int:
        return int((self.options.version or "0").removeprefix("v"))

    def check_version(self) -> None:
        """The number that each target would get must be the one that was asked for."""
        asked = self._asked_number()
        for item in self._selected() if asked else ():
            number = self._number_of(item.tracked)
            if number != asked:
                raise _wrong_version(item.tracked.path, number, asked)

    def _number_of(self, item: Tracked) -> int:
        versions = self._versions(item.path)
        content = (item.output.oid, item.output.hash_name)
        return len(versions) if versions and versions[-1].content == content else len(versions) + 1

    def _numbers(self) -> tuple[tuple[str, int], ...]:
        try:
            return tuple((item.tracked.path, self._number_of(item.tracked)) for item in self._selected())
        except LabError:
            return ()

    def tag(self) -> None:
        """`NAME@v3` at the commit that brought the version, for each target."""
        asked = self._asked_number()
        for item in self._selected() if asked else ():
            path = item.tracked.path
            name = self.project.history.tag_name(path, f"v{asked}")
            if git.tag(self.repo, name, self.options.message, self._versions(path)[-1].rev):
                self.new_tags.append(name)
            self.tags.append(name)

    # git: to everybody

    def push_git(self) -> None:
        """Push the commits; after a merge again, while others are faster. Their data is there before them."""
        for attempt in range(_TRIES):
            self._cover()
            if self.is_merged:
                self._refuse_taken()
            try:
                return self._push()
            except (Conflict, Unavailable) as error:
                if error.code not in ("git-newer-remote", "git-remote-busy") or attempt == _TRIES - 1:
                    raise
                if isinstance(error, Conflict):
                    self._merge(error)
        return None

    def _cover(self) -> None:
        """See that the remote has what every outgoing commit points at, ours and earlier ones."""
        head = self.repo.head()
        assert head is not None
        found = find_outgoing(self.project, [head], [], self.place.remote)
        refuse_broken(found)
        # What this very run has sent was seen there: a large dataset is not asked for twice.
        new = found.without(
            content_of(item.tracked.output) for item in (self._selected() if not self.is_merged else ())
        )
        options = self.options
        cover(self.project, new, remote=options.remote, jobs=options.jobs, on_event=self.on_event)
        self.covered = head

    def _push(self) -> None:
        # For our own `pre-push` hook, should there be one: what was checked just now, and on which remote.
        settings = {"lab.checked": self.covered, "lab.remote": self.options.remote or ""}
        git.push(self.repo, self.place, self.tags, settings={name: text for name, text in settings.items() if text})

    def _merge(self, rejected: Conflict) -> None:
        git.fetch(self.repo, self.place)
        tip = git.commit_of(self.repo, self.place.tracking)
        before = present(self.project)
        moved = incoming(self.project, before, tip) if tip else {}
        OnTheWay(self.project).start({path: before[path] for path in moved})
        try:
            self.mine = self.mine or self.repo.head()
            is_new = git.merge(self.repo, self.place, mine=self.mine) != "already"
        except Conflict as error:
            if error.code != "merge-conflict":
                raise
            named = name_clashes(self.project)
            git.abort_merge(self.repo)
            raise Conflict(
                f"others have published meanwhile, and both sides changed the same: {'; '.join(named)}",
                code="publish-diverged",
                hint="your data is on the remote and your commit is here; take theirs of each file "
                f"(lab pull NAME/FILE@{self.place.shown}) and publish again, or merge by hand: lab sync",
            ) from error
        if not is_new:
            raise rejected
        self.is_merged = True
        self.project.forget_files()
        with self.project.lock():
            self._catch_up([item.tracked for item in self._selected()])
        if moved.keys() - set(self.wanted.paths):
            self.warnings.append("the commits of others were merged; bring their data here with: lab sync")

    def _refuse_taken(self) -> None:
        """A number that others gave to their version meanwhile is not given twice."""
        asked = self._asked_number()
        for path in self.wanted.paths if asked else ():
            name = self.project.history.tag_name(path, f"v{asked}")
            versions = self._versions(path)
            mine = next((v.number for v in versions if v.rev == git.commit_of(self.repo, f"refs/tags/{name}")), 0)
            if mine != asked:
                for tag in self.new_tags:
                    git.drop_tag(self.repo, tag)
                raise Conflict(
                    f"others have published v{asked} of '{path}' meanwhile; yours is v{mine or len(versions)} now",
                    code="wrong-version",
                    hint=f"your commit is here, merged with theirs; publish it: lab publish '{path}' -m MESSAGE",
                    path=path,
                )


def _wrong_version(path: str, number: int, asked: int) -> Conflict:
    return Conflict(
        f"this would be version {number} of '{path}', not {asked}",
        code="wrong-version",
        hint=f"--version v{number}; see what there is with: lab log '{path}'",
        path=path,
        version=number,
    )
