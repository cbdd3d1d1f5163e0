"""History: the versions of a dataset, read from git alone.

    project.history.versions("dog_and_cat")     v1, v2, v3 …
    find_version(project, "dog_and_cat", "v2")

A version is one of the successive distinct contents of a tracked path, in the history of HEAD, oldest first. A
merged branch counts directly before its merge, so that a version keeps its number when one is merged later.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from labops.drivers.git import Git
from labops.drivers.git import history as git_history
from labops.errors import InvalidInput, LabError, NotFound
from labops.history.records import Records
from labops.model import HashName, Oid, Output, Tracked

_PATTERNS = ("**/*.dvc", "**/dvc.lock")
_NUMBER = re.compile(r"v?([0-9]{1,9})", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_UNSHALLOW = "git fetch --unshallow --tags"

Content = tuple[Oid, HashName]


class Version(NamedTuple):
    """One content of a tracked path, and the commit that brought it in."""

    path: str
    """Where the project tracks it, relative to its root; at the time it may have had another name."""
    number: int
    """1 for the oldest; 0 where nobody can count: the content is on no branch of HEAD, or history is cut."""
    rev: str
    time: int
    author: str
    message: str
    tags: tuple[str, ...]
    """Tags of the very commit `rev`; those made by `lab tag` without the dataset's name."""
    output: Output
    file: str = ""
    is_repo_import: bool = False
    origin: Mapping[str, object] | None = None
    """Of an import: where it came from, as its DVC file says."""

    @property
    def label(self) -> str:
        """`v3`, or the commit's first letters where there is no number."""
        return f"v{self.number}" if self.number else self.rev[:7]

    @property
    def content(self) -> Content:
        assert self.output.oid is not None
        return self.output.oid, self.output.hash_name

    def tracked(self) -> Tracked:
        """The output as verbs take it."""
        return Tracked(self.path, self.output, self.file, is_repo_import=self.is_repo_import, origin=self.origin)


class HasHistory(Protocol):
    """A project."""

    @property
    def history(self) -> History: ...


def read_versions(project: HasHistory, path: str) -> tuple[Version, ...]:
    """The versions of the output at `path` (relative to the project root), oldest first; none is an empty tuple."""
    return project.history.versions(path)


def find_version(project: HasHistory, path: str, text: str) -> Version:
    """The version that `text` means: `v3` or `3`, a git tag, a commit, or a day (`2026-04-01`: the last one by then).

    A tag made for this dataset comes first, then the number, then any other tag. Raises `NotFound`
    (`no-such-version`, `never-tracked`, `history-cut`).
    """
    return project.history.find(path, text)


class _Event(NamedTuple):
    """At one place of the history a path (as it was called then) got a content, or lost it: None."""

    at: int
    path: str
    file: str
    """The file that git keeps: the `.dvc` file or the `dvc.lock`."""
    item: Tracked | None = None


class History:
    """The past of one project at one HEAD; read when first asked, each thing once.

    `prefix` is the project's folder in the repository (`""` or `sub/`). `warnings` are about old pointer
    files that could not be read, and that count as absent.
    """

    def __init__(self, git: Git, prefix: str = "", *, head: str | None = None) -> None:
        self.git = git
        self.prefix = prefix
        self.head = head or git.head()
        self._records = Records(git, prefix)
        self._pasts: dict[str, list[_Event]] = {}
        self._versions: dict[str, tuple[Version, ...]] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._records.warnings)

    @functools.cached_property
    def commits(self) -> list[git_history.Commit]:
        """All of them, in the order in which versions are counted."""
        if self.head is None:
            return []
        patterns = [f":(glob){_escaped(self.prefix)}{pattern}" for pattern in _PATTERNS]
        return git_history.read_commits(self.git, patterns, self.head)

    @functools.cached_property
    def tags(self) -> list[git_history.Tag]:
        return git_history.read_tags(self.git)

    @functools.cached_property
    def _places(self) -> dict[str, int]:
        return {commit.sha: at for at, commit in enumerate(self.commits)}

    @functools.cached_property
    def _changes(self) -> dict[str, list[tuple[int, git_history.Change]]]:
        """Pointer file (relative to the project) → where in the history it changed."""
        found: dict[str, list[tuple[int, git_history.Change]]] = {}
        for at, commit in enumerate(self.commits):
            for change in commit.changes:
                name = change.path.removeprefix(self.prefix)
                if change.path.startswith(self.prefix) and name.endswith((".dvc", "dvc.lock")):
                    found.setdefault(name, []).append((at, change))
        return found

    @functools.cached_property
    def _cut(self) -> frozenset[int]:
        """Commits whose parents a shallow clone does not have."""
        if not self.git.is_shallow:
            return frozenset()
        return frozenset(at for at, commit in enumerate(self.commits) if not commit.parents)

    # -- versions -------------------------------------------------------------------------------------

    def versions(self, path: str) -> tuple[Version, ...]:
        """The versions of the output at `path`, oldest first."""
        if path not in self._versions:
            self._versions[path] = self._number(path)
        return self._versions[path]

    def prefetch(self, paths: Iterable[str]) -> None:
        """Read all that the versions of `paths` take, together."""
        rows = [
            (file, *row) for path in paths if (file := f"{path}.dvc") in self._changes for row in self._changes[file]
        ]
        self._records.prepare((file, change.new, self.commits[at].sha) for file, at, change in rows if change.new)
        appeared = {at for _, at, change in rows if change.old is None}
        self._records.load(old for at in appeared for _, old in _deleted(self.commits[at]))

    def is_cut(self, path: str) -> bool:
        """True in a shallow clone that does not hold the beginning of `path`."""
        return any(event.at in self._cut for event in self._past(path))

    def _number(self, path: str) -> tuple[Version, ...]:
        found: list[Version] = []
        for event in self._past(path):
            if event.item is None or event.item.output.oid is None:
                continue
            number = 0 if self.is_cut(path) else len(found) + 1
            version = self._version(path, number, self.commits[event.at], event.item)
            if not found or found[-1].content != version.content:
                found.append(version)
        return tuple(found)

    def _version(self, path: str, number: int, commit: git_history.Commit, item: Tracked) -> Version:
        return Version(
            path=path,
            number=number,
            rev=commit.sha,
            time=commit.time,
            author=commit.author,
            message=commit.subject,
            tags=self._tags_of(path, commit.sha),
            output=item.output,
            file=item.file,
            is_repo_import=item.is_repo_import,
            origin=item.origin,
        )

    def forget_tags(self) -> None:
        """A tag came or went: read them again when next asked."""
        for name in ("tags", "_tags_at"):
            self.__dict__.pop(name, None)
        self._versions.clear()

    def tag_name(self, path: str, tag: str) -> str:
        """The git tag that names a version of `path`; in a project in a sub-folder with that folder's name."""
        return f"{self.prefix}{path}@{tag}"

    def _tags_of(self, path: str, sha: str) -> tuple[str, ...]:
        names = self._tags_at.get(sha, ())
        own = {self.tag_name(name, "") for name in self._names(path)}
        labels = (self._label(name, own) for name in names)
        return tuple(label for label in labels if label)

    def _label(self, name: str, own: Iterable[str]) -> str:
        """A tag as people say it behind `NAME@`; empty for one that belongs to another dataset."""
        prefix, at, label = name.rpartition("@")
        return label if at and prefix + at in own else "" if at else name

    def _names(self, path: str) -> list[str]:
        """`path` and what it was called before."""
        return list(dict.fromkeys([path, *(event.path for event in reversed(self._past(path)))]))

    @functools.cached_property
    def _tags_at(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for tag in self.tags:
            found.setdefault(tag.commit, []).append(tag.name)
        return found

    # -- what was at a path, and when -----------------------------------------------------------------

    def _past(self, path: str) -> list[_Event]:
        if path not in self._pasts:
            self._pasts[path] = self._events(path)
        return self._pasts[path]

    def _events(self, path: str, before: int | None = None) -> list[_Event]:
        """Every change of the content at `path`, oldest first; those before a rename under its name of then."""
        events = self._events_in([name for name in (f"{path}.dvc",) if name in self._changes], path)
        if not any(event.item for event in events):
            events = self._events_in(self._records.mentioning(path, self._changes), path)
        if before is not None:
            events = [event for event in events if event.at < before]
        first = next((event for event in events if event.item), None)
        return self._before_rename(first) + events if first else events

    def _events_in(self, files: Iterable[str], path: str) -> list[_Event]:
        rows = [(at, file, change.new) for file in files for at, change in self._changes[file]]
        rows.sort(key=lambda row: row[0])
        self._records.prepare((file, sha, self.commits[at].sha) for at, file, sha in rows if sha)
        found = []
        holders: set[str] = set()
        for at, file, sha in rows:
            item = self._records.output(file, sha, path, self.commits[at].sha) if sha else None
            if item is not None or file in holders:
                found.append(_Event(at, path, file, item))
            holders = holders | {file} if item is not None else holders - {file}
        return found

    def _before_rename(self, first: _Event) -> list[_Event]:
        """The events of the path that vanished in the commit where the same content came up at another."""
        assert first.item is not None
        commit = self.commits[first.at]
        deleted = _deleted(commit)
        self._records.load(old for _, old in deleted)
        for name, old in deleted:
            for item in self._records.outputs(name.removeprefix(self.prefix), old, commit.sha):
                if item.output.oid and item.output.oid == first.item.output.oid and item.path != first.path:
                    return self._events(item.path, before=first.at)
        return []

    # -- finding one ----------------------------------------------------------------------------------

    def find(self, path: str, text: str) -> Version:
        """See `find_version`."""
        versions = self.versions(path)
        tags = {tag.name: tag.commit for tag in self.tags}
        commit = next((tags[name] for name in self._tag_names(path, text) if name in tags), None)
        if commit is not None:
            return self.at(path, commit)
        number = _NUMBER.fullmatch(text)
        if number and 0 < int(number[1]) <= len(versions) and versions[0].number:
            return versions[int(number[1]) - 1]
        if text in tags:
            return self.at(path, tags[text])
        if _DATE.fullmatch(text):
            return self._of_day(path, text)
        try:
            return self.at(path, self.git.resolve(text))
        except NotFound as error:
            if error.code != "unknown-revision":
                raise
            raise self._unknown(path, text) from error

    def _tag_names(self, path: str, text: str) -> list[str]:
        return [self.tag_name(name, text) for name in self._names(path)]

    def _of_day(self, path: str, text: str) -> Version:
        import datetime as dt

        try:
            end = dt.datetime.fromisoformat(text) + dt.timedelta(days=1)
        except (ValueError, OverflowError):
            raise InvalidInput(f"'{text}' is not a day of the calendar", code="bad-date") from None
        known = [version for version in self.versions(path) if version.time < end.timestamp()]
        if not known:
            raise self._unknown(path, text)
        return max(known, key=lambda version: (version.time, version.number))

    def at(self, path: str, commit: str) -> Version:
        """The version that the commit (its id) holds, whether or not HEAD has it in its history."""
        places = [(event.file, event.path) for event in reversed(self._past(path))]
        item = self._records.at_commit(commit, dict.fromkeys([*places, (f"{path}.dvc", path)]))
        if item is None or item.output.oid is None:
            raise NotFound(
                f"'{path}' is not tracked at commit '{commit[:7]}'",
                code="no-such-version",
                hint=f"see its versions: lab log '{path}'",
                path=path,
                rev=commit,
            )
        place = self._places.get(commit, len(self.commits))
        content = (item.output.oid, item.output.hash_name)
        same = [version for version in self.versions(path) if version.content == content]
        before = [version for version in same if self._places[version.rev] <= place]
        if before or same:
            return (before or same)[-1]
        return self._version(path, 0, git_history.read_commit(self.git, commit), item)

    def _unknown(self, path: str, text: str) -> LabError:
        versions = self.versions(path)
        if self.is_cut(path) or (not versions and self._cut):
            return NotFound(
                f"'{path}@{text}' cannot be found: this clone has only a part of the history",
                code="history-cut",
                hint=_UNSHALLOW,
                path=path,
            )
        if not versions:
            return NotFound(
                f"'{path}' has no version: no commit of this branch tracks it",
                code="never-tracked",
                hint=f"git commit its DVC file, or see what is tracked: lab log (looked for '{path}')",
                path=path,
            )
        last = f" to {versions[-1].label}" if len(versions) > 1 else ""
        return NotFound(
            f"'{path}' has no version '{text}': it has {versions[0].label}{last}",
            code="no-such-version",
            hint=f"see them with their tags and days: lab log '{path}'",
            path=path,
        )


def _escaped(prefix: str) -> str:
    """A folder's name as a glob that means just it."""
    return re.sub(r"([\\*?\[])", r"\\\1", prefix)


def _deleted(commit: git_history.Commit) -> list[tuple[str, str]]:
    """The DVC files that the commit took away, each with the blob it was."""
    changes = commit.changes
    return [
        (change.path, change.old)
        for change in changes
        if change.new is None and change.old and change.path.endswith(".dvc")
    ]
