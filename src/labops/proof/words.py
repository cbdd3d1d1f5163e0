"""What proof finds, in values, and what it is about: outputs with their trees."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from labops import transfer
from labops.errors import AccessDenied, LabError
from labops.model import HashName, Oid, OnEvent, Selected, Tree, is_tree_oid
from labops.project import Project
from labops.survey import survey
from labops.trees import Peek

Item = TypeVar("Item")
Value = TypeVar("Value")

GoodFiles = dict[tuple[HashName, Oid], str]
"""Workspace files that were just hashed and found right: absolute paths by what they hold."""
Sampled = Callable[[Oid], bool]
"""True for the objects whose bytes are looked at; the presence of all is checked."""


def everything(_: Oid) -> bool:
    """No sample: every object is hashed."""
    return True


class Where(enum.StrEnum):
    """A place that is looked at."""

    WORKSPACE = "workspace"
    CACHE = "cache"
    REMOTE = "remote"


class Problem(enum.StrEnum):
    """What is wrong with one object or file."""

    CORRUPT = "corrupt"
    """The bytes are not those that the name, or the last look at an unchanged file, promises."""
    MISSING = "missing"
    MODIFIED = "modified"
    """A workspace file that somebody changed: unsaved work, not damage."""
    ADDED = "added"
    UNREADABLE = "unreadable"


class Finding(NamedTuple):
    """One thing that is not as it should be. `paths` are the dataset files that need it."""

    where: Where
    problem: Problem
    paths: tuple[str, ...]
    oid: Oid | None = None
    size: int | None = None
    hash_name: HashName = HashName.MD5
    remote: str = ""
    reason: str = ""


class Subject(NamedTuple):
    """One output under proof. `tree` is None where its listing is nowhere to be had."""

    item: Selected
    tree: Tree | None

    @property
    def name(self) -> str:
        return self.item.tracked.path

    @property
    def hash_name(self) -> HashName:
        return self.item.tracked.output.hash_name

    def objects(self) -> Iterator[tuple[Oid, str]]:
        """Each object that is asked for, with the path that needs it; the tree object last, as `name/`."""
        if self.tree is not None:
            for entry in self.tree.entries:
                if self.item.covers(entry.path):
                    yield entry.oid, self.shown(entry.path)
        oid = self.item.tracked.output.oid
        if oid is not None and is_tree_oid(oid):
            yield oid, self.name + "/"

    def shown(self, path: str) -> str:
        """A path inside the output as people know it."""
        return f"{self.name}/{path}" if path else self.name


@dataclass(slots=True)
class Look:
    """What was seen in one place; sizes in bytes."""

    where: Where
    remote: str = ""
    objects: int = 0
    """Files or objects whose presence was checked."""
    hashed: int = 0
    hashed_bytes: int = 0
    by_store: int = 0
    """Those that the store's own checksums prove, so that nobody had to read them."""
    requests: int = 0
    downloaded_bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    """Outputs of which nothing at all is here."""


def subjects(project: Project, selected: Iterable[Selected]) -> list[Subject]:
    """The selected outputs that have content, with their trees: from the cache, a remote or the files themselves."""
    looking = project.looking()
    peek = Peek(looking)
    found = []
    for item in selected:
        output = item.tracked.output
        if output.oid is None or not output.is_cached or output.is_cloud_versioned:
            continue
        tree = peek.tree(item.tracked) or _tree_of_files(looking, item)
        found.append(Subject(item, tree))
    return found


def _tree_of_files(looking: Project, item: Selected) -> Tree | None:
    """The tree that the workspace makes, if that is the tracked one."""
    try:
        now = survey(looking, item.tracked.path, item.tracked.output.hash_name, remember=False)
    except LabError:
        return None
    return now.tree() if now.oid == item.tracked.output.oid else None


def each(
    items: Sequence[Item],
    work: Callable[[Item], Value],
    size_of: Callable[[Item], int],
    *,
    jobs: int = transfer.DISK_JOBS,
    on_event: OnEvent,
) -> list[Value | LabError]:
    """`transfer.each` for questions: one file that may not be read does not keep us from the others."""

    def guarded(item: Item) -> Value | LabError:
        try:
            return work(item)
        except AccessDenied as error:
            return error

    return transfer.each(items, guarded, phase="verifying", jobs=jobs, size_of=size_of, on_event=on_event)


def findings(
    where: Where,
    some: Sequence[Subject],
    problems: Mapping[Oid, tuple[Problem, str]],
    sizes: Mapping[Oid, int | None],
    remote: str = "",
) -> Iterator[Finding]:
    """One finding for each object, with every path that needs it: only now are the paths worth collecting."""
    if not problems:
        return
    paths: dict[Oid, list[str]] = {}
    for subject in some:
        for oid, path in subject.objects():
            if oid in problems:
                paths.setdefault(oid, []).append(path)
    for oid, its in sorted(paths.items(), key=lambda row: (is_tree_oid(row[0]), row[1])):
        problem, reason = problems[oid]
        unique = tuple(dict.fromkeys(its))
        yield Finding(where, problem, unique, oid, sizes.get(oid), some[0].hash_name, remote, reason)
