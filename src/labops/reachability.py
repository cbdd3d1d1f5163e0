"""Reachability: which objects the revisions of a project use, or an error; never a smaller answer.

    used = used_objects(project, commits_of(project, Revisions(all_branches=True)))
    used.has(HashName.MD5, oid)

Whoever deletes what nobody uses must know all that is used. So whatever cannot be read (a pointer file of
some commit, the listing of a folder) ends in an error that names the commit and the file.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from labops import index, transfer
from labops.drivers import git
from labops.drivers.git import Git
from labops.errors import AccessDenied, Corrupt, InvalidInput, LabError, NotFound, Unavailable, Unsupported
from labops.formats.dirfile import parse_tree
from labops.model import HashName, Oid, OnEvent, Tracked, Tree, ignore, is_tree_oid
from labops.places.cachetrash import cache_notes
from labops.project import Project
from labops.sides import jobs_for

_PIPELINE = ("dvc.yaml", "dvc.lock")


class Revisions(NamedTuple):
    """Which commits count, besides the workspace, with the words of `gc`.

    `all_branches` are local *and* remote-tracking branches; `number` takes that many commits of each branch
    or of `rev`; `since` (`2026-04-01`) takes every commit of that day or later.
    """

    rev: str = ""
    number: int = 1
    all_branches: bool = False
    all_tags: bool = False
    all_commits: bool = False
    since: str = ""


COLLECTED = "collected"
"""The kind of note in which gc remembers the listings it has set aside, one oid a line."""

EVERYTHING = Revisions(all_branches=True, all_tags=True)
"""Every branch, tag and remote-tracking branch: how the data of another repository is counted."""


def commits_of(project: Project, revisions: Revisions) -> tuple[str, ...]:
    """The commits that `revisions` mean, each once.

    Raises `NotFound` (`unknown-revision`, or `shallow-clone` where history is asked for that was cut off) and
    `InvalidInput` (`no-git`, `bad-date`).
    """
    if revisions == Revisions():
        return ()
    repository = project.git
    if repository is None:
        raise InvalidInput(
            "other revisions need a git repository", code="no-git", hint="keep what the workspace uses: lab gc -w"
        )
    if (revisions.all_commits or revisions.since or revisions.number > 1) and repository.is_shallow:
        raise NotFound(
            "this clone is shallow: commits that were cut off may use objects too",
            code="shallow-clone",
            hint="git fetch --unshallow",
        )
    named = git.refs(repository)
    starts = [repository.resolve(revisions.rev)] if revisions.rev else []
    branches = [sha for ref, sha in named.items() if not ref.startswith("refs/tags/")]
    starts += branches if revisions.all_branches else []
    found = git.commits_from(repository, list(dict.fromkeys(starts)), most=revisions.number)
    if revisions.all_tags:
        found += [sha for ref, sha in named.items() if ref.startswith("refs/tags/")]
    if revisions.all_commits or revisions.since:
        since = 0.0 if revisions.all_commits else _midnight(revisions.since)
        found += git.commits_from(repository, list(dict.fromkeys(named.values())), since=since)
    return tuple(dict.fromkeys(found))


def _midnight(day: str) -> float:
    """The first moment of `day` on this machine's clock, as dvc counts it."""
    try:
        return datetime.strptime(day, "%Y-%m-%d").timestamp()  # noqa: DTZ007 - the local day is meant
    except ValueError as error:
        raise InvalidInput(
            f"'{day}' is not a date", code="bad-date", hint="write it as in: --date 2026-04-01"
        ) from error


class Use(NamedTuple):
    """One output where it was met first. `commit` is empty for the workspace.

    One that is not `is_needed` keeps its objects as far as they can be known, and is no reason to refuse:
    data of a project inside this one, or an output of a pipeline that the lock alone knows.
    """

    tracked: Tracked
    commit: str = ""
    is_needed: bool = True

    def __str__(self) -> str:
        where = f"at commit {self.commit[:10]}" if self.commit else "in the workspace"
        return f"'{self.tracked.file}' {where}"


@dataclass(slots=True)
class Used:
    """The objects that are used, by kind of hash; `warnings` tell what was left out because it was asked for."""

    oids: dict[HashName, set[Oid]] = field(default_factory=lambda: {name: set() for name in HashName})
    outputs: int = 0
    warnings: list[str] = field(default_factory=list)
    lost: set[Oid] = field(default_factory=set)
    """Listings that are nowhere, and that were left out because it was asked for."""

    def has(self, hash_name: HashName, oid: Oid) -> bool:
        """True when something uses the object."""
        return oid in self.oids[hash_name]

    def add(self, other: Used) -> None:
        """Count what another project uses too."""
        for name in HashName:
            self.oids[name] |= other.oids[name]
        self.outputs += other.outputs
        self.warnings += other.warnings
        self.lost |= other.lost


def used_objects(
    project: Project,
    commits: Iterable[str],
    *,
    with_workspace: bool = True,
    skip_failed: bool = False,
    remotes: Sequence[str | None] = (),
    lenders: Sequence[Project] = (),
    jobs: int | None = None,
    on_event: OnEvent = ignore,
) -> Used:
    """Every object, tree objects included, that the workspace and `commits` of `project` use.

    Listings come from the cache, else from the output's remote, else from `remotes` of the project and the
    caches and remotes of `lenders`. One that gc has set aside before, and that is absent since, stays out of
    the count. Raises `Corrupt` (`unreadable-revision`) and `NotFound`
    (`unreadable-listing`) for what cannot be read; with `skip_failed` that becomes a warning. A remote that
    does not answer is an error all the same.
    """
    used = Used()
    reader = _Reader(project, used, skip_failed=skip_failed)
    if with_workspace:
        reader.uses += [Use(item) for item in project.tracked()]
    if project.git is not None:
        reader.read_commits(project.git, list(commits))
    wanted = _needing_trees(reader)
    listings = _Listings(project, remotes, lenders, jobs, on_event)
    missing: list[tuple[Use, Oid, LabError]] = []
    for (hash_name, oid), tree in listings.read(wanted).items():
        if isinstance(tree, Tree):
            used.oids[hash_name].update(tree.oids())
        elif isinstance(tree, (Unavailable, AccessDenied)):
            raise tree
        elif wanted[hash_name, oid].is_needed:
            missing.append((wanted[hash_name, oid], oid, tree))
    collected = listings.collected() if missing else set()
    for use, oid, error in missing:
        if isinstance(error, NotFound) and oid in collected:
            continue
        reader.fail(_unreadable(use, oid, error))
        if isinstance(error, NotFound):
            used.lost.add(oid)
    return used


_Wanted = dict[tuple[HashName, Oid], Use]


def _needing_trees(reader: _Reader) -> _Wanted:
    """The listings that must be read; everything else is counted here."""
    wanted: _Wanted = {}
    seen: set[tuple[HashName, Oid]] = set()
    for use in reader.uses:
        output = use.tracked.output
        if not output.is_cached:
            continue
        if output.is_cloud_versioned:
            message = f"{use} belongs to a cloud-versioned remote, whose objects labops does not count"
            reader.fail(Unsupported(message, code="cloud-versioned", hint="use dvc for it: dvc gc"))
        if output.oid is None:
            continue
        key = (output.hash_name, output.oid)
        seen.add(key)
        reader.used.oids[output.hash_name].add(output.oid)
        if is_tree_oid(output.oid):
            # What was imported can be imported again, and was never ours to push.
            is_needed = use.is_needed and not use.tracked.is_repo_import
            known = wanted.get(key)
            if known is None or (is_needed and not known.is_needed):
                wanted[key] = use._replace(is_needed=is_needed)
    reader.used.outputs = len(seen)
    return wanted


def _unreadable(use: Use, oid: Oid, error: LabError) -> LabError:
    """The refusal for a listing; what is damaged stays that."""
    kind = Corrupt if isinstance(error, Corrupt) else NotFound
    return kind(
        f"the listing of '{use.tracked.path}', which {use} uses, cannot be read, so its files are not known: {error}",
        code="unreadable-listing",
        hint="push it from a machine that has it; if nobody has, leave it out with: --skip-failed",
        path=use.tracked.file,
        commit=use.commit or None,
        oid=oid,
    )


class _Reader:
    """Collects uses; each distinct pointer blob is read and parsed once, however many commits hold it."""

    def __init__(self, project: Project, used: Used, *, skip_failed: bool) -> None:
        self.uses: list[Use] = []
        self.used = used
        self._prefix = project.git_prefix
        self._skips = skip_failed

    def fail(self, error: LabError) -> None:
        """Refuse, or say what is left out."""
        if not self._skips:
            raise error
        self.used.warnings.append(error.message)

    def read_commits(self, repository: Git, commits: Sequence[str]) -> None:
        """Every output of `commits`."""
        found = list(git.walk(repository, commits, _is_pointer, self._prefix))
        ids = dict.fromkeys(sha for folder in found for sha in folder.blobs.values())
        texts = dict(repository.read_blobs(ids))
        seen: set[tuple[str, ...]] = set()
        for folder in found:
            for name, sha in folder.blobs.items():
                if name in _PIPELINE:
                    continue
                if (sha, str(folder.is_nested)) not in seen:
                    seen.add((sha, str(folder.is_nested)))
                    self._read_one(folder, name, lambda _, sha=sha: texts[sha])  # type: ignore[misc]
            pair = (*(folder.blobs.get(name, "") for name in _PIPELINE), str(folder.is_nested))
            if any(pair[:2]) and pair not in seen:
                seen.add(pair)
                self._read_pipeline(repository, folder, texts)

    def _read_one(self, folder: git.Found, name: str, read: Callable[[str], bytes | None]) -> None:
        path = folder.folder.removeprefix(self._prefix) + name

        def text(wanted: str) -> str | None:
            data = read(wanted)
            return None if data is None else data.decode()

        try:
            tracked = index.load([path], text)
        except (LabError, UnicodeDecodeError) as error:
            reason = error.message if isinstance(error, LabError) else "it is not UTF-8 text"
            if folder.is_nested:
                return
            self.fail(
                Corrupt(
                    f"'{path}' at commit {folder.commit[:10]} cannot be read: {reason}",
                    code="unreadable-revision",
                    hint="leave it out with: --skip-failed (what only it uses then counts as unused)",
                    commit=folder.commit,
                    path=path,
                )
            )
        else:
            self.uses += [Use(item, folder.commit, not folder.is_nested) for item in tracked]

    def _read_pipeline(self, repository: Git, folder: git.Found, texts: dict[str, bytes]) -> None:
        """The outputs of a `dvc.yaml`, and whatever else its lock knows."""

        def read(path: str) -> bytes | None:
            parent, name = posixpath.split(self._prefix + path)
            if parent == folder.folder.rstrip("/") and name in folder.blobs:
                return texts[folder.blobs[name]]
            (sha,) = repository.ids_of([f"{folder.commit}:{self._prefix}{path}"])
            return None if sha is None else next(iter(repository.read_blobs([sha])))[1]

        if "dvc.yaml" in folder.blobs:
            self._read_one(folder, "dvc.yaml", read)
        if "dvc.lock" in folder.blobs:
            self._read_lock(folder, texts[folder.blobs["dvc.lock"]])

    def _read_lock(self, folder: git.Found, data: bytes) -> None:
        """Outputs that the lock names and that `dvc.yaml`, with other parameters, may not."""
        from labops.formats.dvclock import parse_dvclock

        path = folder.folder.removeprefix(self._prefix) + "dvc.yaml"
        try:
            stages = parse_dvclock(data.decode(), None, name=path)
        except (LabError, UnicodeDecodeError):
            return  # said already, unless no dvc.yaml asks for it
        outs = [out for stage in stages for out in stage.outs]
        self.uses += [Use(Tracked(out.path, out, path), folder.commit, is_needed=False) for out in outs]


def _is_pointer(name: str) -> bool:
    return name in _PIPELINE or (name.endswith(".dvc") and name != ".dvc")


class _Listings:
    """Reads tree objects: from caches first, then from remotes, many at once."""

    def __init__(
        self,
        project: Project,
        remotes: Sequence[str | None],
        lenders: Sequence[Project],
        jobs: int | None,
        on_event: OnEvent,
    ) -> None:
        self._project = project
        self._remotes = remotes
        self._lenders = lenders
        self._jobs = jobs
        self._on_event = on_event

    def read(self, wanted: _Wanted) -> dict[tuple[HashName, Oid], Tree | LabError]:
        """Each wanted tree, or why it cannot be had: the reason of the last place that was asked."""
        found: dict[tuple[HashName, Oid], Tree | LabError] = {}
        for key in wanted:
            found[key] = self._from_caches(*key)
        places: list[tuple[Project, str | None, bool]] = [(self._project, None, True)]
        places += [(self._project, name, False) for name in self._remotes]
        places += [(lender, None, False) for lender in self._lenders]
        for project, name, is_own in places:
            self._ask(project, name, wanted, found, is_own=is_own)
        return found

    def collected(self) -> set[Oid]:
        """The listings that gc has set aside, as far as the caches and remotes remember."""
        notes: list[bytes] = []
        for project, names in ((self._project, (None, *self._remotes)), *((one, (None,)) for one in self._lenders)):
            notes += cache_notes(project.cache(), COLLECTED).values()
            for name in dict.fromkeys(names):
                with contextlib.suppress(LabError):  # without its word everything counts as lost
                    notes += project.remote(name).notes(COLLECTED).values()
        return {Oid(line) for data in notes for line in data.decode("ascii", "replace").splitlines()}

    def _from_caches(self, hash_name: HashName, oid: Oid) -> Tree | LabError:
        reason: LabError | None = None
        for project in (self._project, *self._lenders):
            try:
                return project.cache(hash_name).read_tree(oid)
            except (NotFound, Corrupt) as error:
                reason = reason or error
            except InvalidInput as error:  # a name in it leads outside: nobody can use it
                reason = Corrupt(error.message, code="bad-tree-object", hint=error.hint)
        assert reason is not None
        return reason

    def _ask(
        self,
        project: Project,
        name: str | None,
        wanted: _Wanted,
        found: dict[tuple[HashName, Oid], Tree | LabError],
        *,
        is_own: bool,
    ) -> None:
        """Look for what is still unread in one remote (`is_own`: in the one each output belongs to)."""
        groups: dict[tuple[str, HashName], list[Oid]] = {}
        for (hash_name, oid), tree in found.items():
            if isinstance(tree, Tree):
                continue
            own = wanted[hash_name, oid].tracked.output.remote if is_own else name
            try:
                groups.setdefault((project.remote_settings(own).name, hash_name), []).append(oid)
            except LabError as error:
                found[hash_name, oid] = error if is_own else tree
        for (chosen, hash_name), oids in groups.items():
            remote = project.remote(chosen, hash_name)
            results = transfer.each(
                oids,
                lambda oid, remote=remote: parse_tree(remote.read(oid), oid=oid),  # type: ignore[misc]
                phase="reading listings",
                jobs=jobs_for(project, chosen, self._jobs),
                on_event=self._on_event,
            )
            for oid, result in zip(oids, results, strict=True):
                if isinstance(result, Tree) or is_own:
                    found[hash_name, oid] = result
