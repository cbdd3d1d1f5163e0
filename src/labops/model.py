"""The words of the house: the frozen values that every floor shares.

Most are named tuples: a frozen dataclass takes eight times as long to define, and every command pays for it.

An *object* is a stored byte string named by its *oid*. A *tree* lists the files of one dataset; its own
listing is stored as a *tree object* (oid ending in `.dir`). An *output* is what a *DVC file* tracks. A
verb compares two sides into a *plan*, applies it, and returns a *report*.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple, NewType, cast

from labops.errors import InvalidInput, LabError

Oid = NewType("Oid", str)
"""32 lower-case hex digits, followed by `.dir` for a tree object. Made only by `parse_oid` or by hashing."""

RelPath = NewType("RelPath", str)
"""A posix path relative to some root: no empty, `.` or `..` part, no NUL, not absolute, no drive.

Made only by `parse_relpath`. The one exception is `HERE`, the root itself.
"""

HERE = RelPath("")
"""The output itself: the single entry of a tree that stands for one file."""

_OID = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_BAD_PART = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|\Z)|\x00")


def parse_oid(text: str) -> Oid:
    """`text` as an oid; raises `InvalidInput` (`bad-oid`) for anything but 32 hex digits [+ `.dir`]."""
    if not _OID.fullmatch(text):
        raise InvalidInput(f"'{text[:80]}' is not an object id", code="bad-oid")
    return Oid(text)


def is_tree_oid(oid: Oid) -> bool:
    """True for the oid of a tree object (a `.dir`)."""
    return oid.endswith(".dir")


def parse_relpath(text: str) -> RelPath:
    """`text` as a path that cannot leave its root; raises `InvalidInput` (`unsafe-path`) otherwise.

    This is a security boundary: names come from `.dir` objects and bucket listings that anyone may have
    written. Backslashes and colons are legal characters of a posix name and stay as they are; a Windows
    driver must refuse them itself.
    """
    if not text or _BAD_PART.search(text):
        raise InvalidInput(
            f"'{text[:200]!s}' is not a safe relative path",
            code="unsafe-path",
            hint="the listing names a path outside its own folder; do not trust where it came from",
        )
    return RelPath(text)


class HashName(enum.StrEnum):
    """How an output's content is named, and with it where objects lie in a cache or a remote."""

    MD5 = "md5"
    """DVC 3.x: plain md5, objects under `files/md5/xx/…`."""
    MD5_DOS2UNIX = "md5-dos2unix"
    """DVC 2.x: md5 with CRLF folded in text, objects under `xx/…` at the root."""


class Entry(NamedTuple):
    """One file of a tree. `size` is in bytes, None where nobody has looked (a `.dir` does not say)."""

    path: RelPath
    oid: Oid
    size: int | None = None


class Tree(NamedTuple):
    """All files of one output, sorted by path in code-point order.

    A folder's tree has a `.dir` oid. A single file is a tree with one entry at `HERE`, of the same oid.
    """

    oid: Oid
    entries: tuple[Entry, ...]

    @property
    def is_dir(self) -> bool:
        return is_tree_oid(self.oid)

    @property
    def nfiles(self) -> int:
        return len(self.entries)

    @property
    def size(self) -> int | None:
        """Bytes in all, or None when one entry's size is unknown."""
        sizes = [entry.size for entry in self.entries]
        return None if None in sizes else sum(cast("list[int]", sizes))

    def oids(self) -> Iterator[Oid]:
        """Every object the tree needs, the tree object last."""
        for entry in self.entries:
            yield entry.oid
        if self.is_dir:
            yield self.oid

    def below(self, prefix: RelPath) -> tuple[Entry, ...]:
        """The entries at or under `prefix` (all of them for `HERE`), in order."""
        if prefix == HERE:
            return self.entries
        inside = prefix + "/"
        return tuple(e for e in self.entries if e.path == prefix or e.path.startswith(inside))


def file_tree(oid: Oid, size: int | None = None) -> Tree:
    """The tree of a single-file output."""
    return Tree(oid, (Entry(HERE, oid, size),))


class Output(NamedTuple):
    """One tracked path of a DVC file, as the file says it.

    `path` is posix and relative to the DVC file's `wdir`. `oid` is None while nothing was committed.
    `size` (bytes) and `nfiles` may be absent. `hash_name` is `MD5_DOS2UNIX` exactly when `hash:` was absent.
    """

    path: str
    oid: Oid | None = None
    hash_name: HashName = HashName.MD5
    size: int | None = None
    nfiles: int | None = None
    is_executable: bool = False
    is_cached: bool = True
    """`cache: false` makes this False: the path belongs to git, there is no object."""
    is_pushed: bool = True
    """`push: false` makes this False."""
    is_persistent: bool = False
    remote: str | None = None
    """Name of the only remote this output travels to, or None for the default."""
    desc: str | None = None
    type: str | None = None
    labels: tuple[str, ...] | None = None
    meta: Mapping[str, object] | None = None
    is_cloud_versioned: bool = False
    """True when the file holds `files:` or `cloud:` (a version-aware remote: labops leaves it to dvc)."""

    @property
    def mean_size(self) -> float:
        """Bytes a file; infinite where the pointer does not say."""
        return self.size / self.nfiles if self.size is not None and self.nfiles else math.inf


class DvcFile(NamedTuple):
    """A `.dvc` file as values.

    `deps` are kept as the plain mappings that the file holds (imports only).
    """

    outs: tuple[Output, ...] = ()
    wdir: str = "."
    deps: tuple[Mapping[str, object], ...] = ()
    md5: str | None = None
    cmd: str | None = None
    is_frozen: bool = False
    is_always_changed: bool = False
    desc: str | None = None
    meta: Mapping[str, object] | None = None

    @property
    def is_repo_import(self) -> bool:
        """True when the data comes from another git repository, so that it is never pushed to our remote."""
        return any("repo" in dep for dep in self.deps)

    @property
    def is_import(self) -> bool:
        return bool(self.deps) and self.cmd is None


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """An output and where the project keeps it; equal only to itself.

    Paths are posix and relative to the project root.
    """

    path: str
    output: Output
    file: str
    """The DVC file (or `dvc.yaml`) that says so."""
    stage: str = ""
    """Name of the pipeline stage, empty for a `.dvc` file."""
    is_repo_import: bool = False
    is_import: bool = False
    is_frozen: bool = False
    deps: tuple[str, ...] = ()
    """Paths a pipeline stage reads, for `--with-deps`."""
    origin: Mapping[str, object] | None = None
    """Of an import, its one dependency as the file says it: where the data came from."""

    @property
    def address(self) -> str:
        """How `status` names it: `d.dvc`, `train` or `sub/dvc.yaml:train`."""
        if not self.stage:
            return self.file
        return self.stage if self.file == "dvc.yaml" else f"{self.file}:{self.stage}"


class Selected(NamedTuple):
    """A tracked output, or the part of it that targets asked for.

    `inside` are paths below the output, `patterns` globs over root-relative paths; with neither the whole
    output is meant.
    """

    tracked: Tracked
    inside: tuple[RelPath, ...] = ()
    patterns: tuple[re.Pattern[str], ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.inside and not self.patterns

    def covers(self, path: RelPath) -> bool:
        """True when the file `path` (relative to the output) is asked for."""
        if self.is_whole or any(path == part or path.startswith(part + "/") for part in self.inside):
            return True
        return any(pattern.fullmatch(f"{self.tracked.path}/{path}") for pattern in self.patterns)


class Action(enum.StrEnum):
    """What a step does. Past tense belongs to outcomes."""

    STORE = "store"
    UPLOAD = "upload"
    DOWNLOAD = "download"
    CREATE = "create"
    REPLACE = "replace"
    DELETE = "delete"
    TRACK = "track"
    MISSING = "missing"
    """Wanted, and neither side has it."""
    CONFLICT = "conflict"
    """Both sides changed; nothing is done about it."""


class Step(NamedTuple):
    """One thing to do: `path` names it for people, `oid` is the object concerned, `size` is in bytes."""

    action: Action
    path: str
    oid: Oid | None = None
    size: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order in which they must be applied."""

    steps: tuple[Step, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes that the plan moves, as far as sizes are known."""
        return sum(step.size or 0 for step in self.steps)

    @property
    def conflicts(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.action is Action.CONFLICT)

    def of(self, *actions: Action) -> tuple[Step, ...]:
        """The steps with one of these actions, in order."""
        return tuple(step for step in self.steps if step.action in actions)

    def count(self, action: Action) -> int:
        return sum(step.action is action for step in self.steps)


class Result(enum.StrEnum):
    """How one step ended."""

    DONE = "done"
    ALREADY = "already"
    SKIPPED = "skipped"
    FAILED = "failed"


class Outcome(NamedTuple):
    """One step and how it ended; `error` is set exactly when it failed."""

    step: Step
    result: Result
    error: LabError | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a verb did: the plan, what became of each step, and warnings for people.

    With `dry_run` the outcomes are empty and nothing was written.
    """

    verb: str
    plan: Plan = field(default_factory=Plan)
    outcomes: tuple[Outcome, ...] = ()
    warnings: tuple[str, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    """Outputs that changed in the workspace: (`A`, `M` or `D`, path), folders ending with `/`."""
    changed_files: tuple[str, ...] = ()
    """Files git should see (`.dvc`, `.gitignore`), relative to the project root, for the `git add` hint."""

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.result is Result.FAILED)

    def count(self, action: Action) -> int:
        """Steps of `action` that were done."""
        return sum(o.step.action is action and o.result is Result.DONE for o in self.outcomes)

    @property
    def exit_code(self) -> int:
        """0 when everything was done, 3 when some items failed."""
        return 3 if self.failed else 0


@dataclass(frozen=True, slots=True)
class Event:
    """Progress of one phase, sent to an `OnEvent`.

    `started` and `finished` frame a phase; `advanced` adds `count` items and `size` bytes to it. `total` and
    `total_size` come with `started` where they are known.
    """

    kind: str
    phase: str
    count: int = 0
    size: int = 0
    total: int | None = None
    total_size: int | None = None


OnEvent = Callable[[Event], None]

Forks = Literal["files", "requests"]
"""What a forked child would do: work on files alone, or ask a remote too."""


def ignore(event: Event) -> None:
    """The default `OnEvent`: does nothing."""


class Selection(NamedTuple):
    """Which outputs a verb is about.

    `targets` are DVC files, data paths, or paths inside a tracked folder, relative to the current directory;
    none means everything. The three `all_*` add the same outputs at other revisions.
    """

    targets: tuple[str, ...] = ()
    all_branches: bool = False
    all_tags: bool = False
    all_commits: bool = False
    with_deps: bool = False
    recursive: bool = False
    glob: bool = False


class RemoteSettings(NamedTuple):
    """One remote of the merged configuration.

    `url` has its base directory applied: absolute path, or `scheme://…`. `options` hold the remaining
    keys of the section as written (`endpointurl`, `profile`, …), lower-case.
    """

    name: str
    url: str
    options: Mapping[str, str] = MappingProxyType({})


class StatusRow(NamedTuple):
    """One difference that `lab status` reports.

    `file` is the DVC file (or `dvc.yaml:stage`), `kind` one of `changed outs`, `changed deps`,
    `changed checksum`, `changed command`, `always changed`; `path` and `state` are empty for the last three.
    """

    file: str
    kind: str
    path: str = ""
    state: str = ""
    param: str = ""
    """The key that changed, where `path` is a file of parameters."""


class CloudStatusRow(NamedTuple):
    """One object that is not on both sides: `state` is `new`, `deleted` or `missing`."""

    path: str
    state: str


class Changes(NamedTuple):
    """Paths that differ between two sides; folders end with `/`; `renamed` holds (old, new)."""

    added: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()


class DataStatus(NamedTuple):
    """HEAD, DVC files and workspace side by side; paths are relative to the project root."""

    not_in_cache: tuple[str, ...] = ()
    not_in_remote: tuple[str, ...] = ()
    committed: Changes = Changes()
    uncommitted: Changes = Changes()
    untracked: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
