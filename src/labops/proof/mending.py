"""Mending: what proof found bad is made anew from any good copy: cache, workspace or remote.

Bad objects go to quarantine, nothing is deleted. Every copy is hashed on its way, so a second bad one is
never put in the place of the first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from labops import transfer
from labops.drivers import fs
from labops.errors import AccessDenied, Corrupt, LabError, NotFound, Unsupported
from labops.formats.dirfile import render_tree, tree_oid
from labops.materialise import materialise
from labops.model import HashName, Oid, OnEvent, RelPath, Selected, is_tree_oid
from labops.places.cache import Batch, Cache
from labops.places.remote import Remote
from labops.project import Project
from labops.proof.words import Finding, Problem, Subject, Where
from labops.sides import jobs_for, sides

Owners = dict[tuple[HashName, Oid], list[Subject]]


class Mended(NamedTuple):
    """A finding that was to be repaired; `error` says why it could not be."""

    finding: Finding
    error: LabError | None


def mend(
    project: Project,
    findings: Sequence[Finding],
    some: Sequence[Subject],
    *,
    remote: str | None = None,
    jobs: int | None = None,
    is_forced: bool = False,
    on_event: OnEvent,
) -> list[Mended]:
    """Repair what can be: first the cache, from which the remotes and the workspace are repaired then.

    A workspace file that somebody changed, removed or added stays; with `is_forced` changed and removed ones
    are made again. The caller holds the project's lock.
    """
    mending = _Mending(project, some, remote, jobs, on_event)
    files = [finding for finding in findings if _is_mendable_file(finding, is_forced=is_forced)]
    mended = mending.cache([finding for finding in findings if _is_damage(finding, Where.CACHE)])
    mending.cache(_cache_needs(project, files))  # only the cache may have been left out of the proof
    mended += mending.remotes([finding for finding in findings if _is_damage(finding, Where.REMOTE)])
    return mended + mending.workspace(files, is_forced=is_forced)


def _is_damage(finding: Finding, where: Where) -> bool:
    return finding.where is where and finding.problem in (Problem.CORRUPT, Problem.MISSING)


def _is_mendable_file(finding: Finding, *, is_forced: bool) -> bool:
    if finding.where is not Where.WORKSPACE:
        return False
    return finding.problem is Problem.CORRUPT or (is_forced and finding.problem in (Problem.MODIFIED, Problem.MISSING))


def _cache_needs(project: Project, files: Iterable[Finding]) -> list[Finding]:
    """The objects that workspace files are to be made from and that are not good (any more)."""
    needs = []
    for finding in files:
        cache = project.cache(finding.hash_name)
        if finding.oid is None:
            continue
        try:
            problem = None if cache.is_good(finding.oid) else Problem.CORRUPT
        except LabError:
            problem = Problem.MISSING
        if problem:
            needs.append(finding._replace(where=Where.CACHE, problem=problem))
    return needs


class _Mending:
    """One repair: where good copies may be found."""

    def __init__(
        self, project: Project, some: Sequence[Subject], remote: str | None, jobs: int | None, on_event: OnEvent
    ) -> None:
        self._project, self._some = project, some
        self._remote, self._jobs, self._on_event = remote, jobs, on_event

    def _owners(self, findings: Sequence[Finding]) -> Owners:
        """The outputs that need each of these objects."""
        wanted = {(finding.hash_name, finding.oid) for finding in findings}
        owners: Owners = {}
        for subject in self._some:
            for oid, _ in subject.objects():
                if (subject.hash_name, oid) in wanted:
                    owners.setdefault((subject.hash_name, oid), []).append(subject)
        return owners

    # -- the cache ------------------------------------------------------------------------------------

    def cache(self, findings: Sequence[Finding]) -> list[Mended]:
        """Quarantine what is bad, then fill the gaps, tree objects last."""
        owners = self._owners(findings)
        mended = []
        for hash_name in HashName:
            mine = [finding for finding in findings if finding.hash_name is hash_name and finding.oid]
            mine.sort(key=lambda finding: is_tree_oid(finding.oid or Oid("")))
            if not mine:
                continue
            cache = self._project.cache(hash_name)
            self._each(mine, lambda finding, cache=cache: _quarantine(cache, finding))  # type: ignore[misc]
            with cache.batch() as batch:
                results = self._each(
                    mine,
                    lambda finding, cache=cache, batch=batch: self._refill(cache, batch, finding, owners),  # type: ignore[misc]
                )
            mended += [Mended(*row) for row in zip(mine, results, strict=True)]
        return mended

    def _refill(self, cache: Cache, batch: Batch, finding: Finding, owners: Owners) -> None:
        oid = finding.oid
        assert oid is not None
        if not cache.missing([oid]):
            return
        for path in self._files_of(finding):
            target = batch.temporary()
            copied = _try(lambda path=path, target=target: fs.copy_hashing(  # type: ignore[misc]
                path, target, cache.hash_name, is_wanted=lambda seen: seen == oid[:32]
            ))  # fmt: skip
            if isinstance(copied, fs.Hashed) and copied.is_written:
                batch.adopt(oid, target, copied.fingerprint.size)
                return
        needers = owners.get((finding.hash_name, oid), [])
        listing = _listing(needers, oid)
        if listing is not None:
            batch.store_bytes(oid, listing)
            return
        self._download(batch, oid, needers, finding)

    def _download(self, batch: Batch, oid: Oid, needers: Sequence[Subject], finding: Finding) -> None:
        last: LabError | None = None
        for subject in needers:
            if subject.item.tracked.is_repo_import:
                last = Unsupported(
                    f"'{subject.name}' is imported from another repository, which labops cannot fetch from yet",
                    code="repo-import",
                    hint=f"dvc pull {subject.item.tracked.file}",
                )
                continue
            try:
                for side in sides(self._project, [subject.item], self._remote, self._jobs):
                    target = batch.temporary()
                    size = side.remote.download(oid, target)
                    batch.adopt(oid, target, size)
                    return
            except (NotFound, Corrupt) as error:
                last = error
        raise last if isinstance(last, Unsupported) else _no_copy(finding) from last

    def _files_of(self, finding: Finding) -> Iterable[str]:
        """Workspace files that may hold the object; they are hashed before they are believed."""
        return [self._project.absolute(path) for path in finding.paths if not path.endswith("/")]

    # -- remotes --------------------------------------------------------------------------------------

    def remotes(self, findings: Sequence[Finding]) -> list[Mended]:
        """Send good copies to each remote: files, and then the tree objects whose files are all there."""
        mended: list[Mended] = []
        owners = self._owners(findings)
        for name, hash_name in dict.fromkeys((finding.remote, finding.hash_name) for finding in findings):
            place = self._project.remote(name, hash_name)
            mine = [finding for finding in findings if (finding.remote, finding.hash_name) == (name, hash_name)]
            lost: set[Oid] = set()
            for is_tree in (False, True):
                some = [finding for finding in mine if is_tree_oid(finding.oid or Oid("")) is is_tree]
                results = self._each(
                    some,
                    lambda finding, place=place, lost=lost: self._send(place, finding, owners, lost),  # type: ignore[misc]
                )
                place.finish()
                lost |= {finding.oid for finding, error in zip(some, results, strict=True) if error and finding.oid}
                mended += [Mended(*row) for row in zip(some, results, strict=True)]
        return mended

    def _send(self, place: Remote, finding: Finding, owners: Owners, lost: set[Oid]) -> None:
        oid = finding.oid
        assert oid is not None
        needers = owners.get((finding.hash_name, oid), [])
        if finding.problem is Problem.MISSING and _holds_any(needers, oid, lost):
            raise _no_copy(finding)  # a listing is never shown without its files
        cache = self._project.cache(finding.hash_name)
        for path in (cache.path(oid), *self._files_of(finding)):
            sent = _try(lambda path=path: place.upload(oid, path, fs.stat(path).size))  # type: ignore[misc]
            if not isinstance(sent, LabError):
                return
        listing = _listing(needers, oid)
        if listing is None:
            raise _no_copy(finding)
        place.upload_bytes(oid, listing)

    # -- the workspace --------------------------------------------------------------------------------

    def workspace(self, findings: Sequence[Finding], *, is_forced: bool) -> list[Mended]:
        """Make these files again from the cache, and touch no other."""
        mended = []
        left = list(findings)
        for subject in self._some:  # the workspace's own outputs come first; other revisions find nothing left
            mine = {path: finding for finding in left if (path := _inside(subject, finding)) is not None}
            if not mine:
                continue
            left = [finding for finding in left if finding not in mine.values()]
            errors = self._place(subject, list(mine), is_forced=is_forced)
            mended += [Mended(finding, errors.get(finding.paths[0])) for finding in mine.values()]
        return mended

    def _place(self, subject: Subject, paths: Sequence[RelPath], *, is_forced: bool) -> Mapping[str, LabError]:
        inside = () if "" in paths else tuple(paths)
        item = Selected(subject.item.tracked, inside=inside)
        try:
            done = materialise(
                self._project, [item], is_forced=is_forced, relinking=frozenset(paths), on_event=self._on_event
            )
        except LabError as error:
            return {subject.shown(path): error for path in paths}
        return {outcome.step.path: outcome.error for outcome in done.outcomes if outcome.error}

    def _each(self, findings: Sequence[Finding], work: Callable[[Finding], None]) -> list[LabError | None]:
        jobs = self._jobs or transfer.DISK_JOBS
        name = self._remote or self._project.settings.core_remote
        if name:
            with contextlib.suppress(LabError):  # whoever needs the remote will be told what is wrong with it
                jobs = jobs_for(self._project, name, self._jobs)
        return transfer.each(
            findings,
            work,
            phase="mending",
            jobs=jobs,
            size_of=lambda finding: finding.size or 0,
            on_event=self._on_event,
        )


def _quarantine(cache: Cache, finding: Finding) -> None:
    """Hash once more, now that nobody else writes, and put what is still bad out of the way."""
    if finding.problem is Problem.CORRUPT and finding.oid:
        cache.verify(finding.oid)


def _try(work: Callable[[], object]) -> object:
    """What `work` returns, or the error that says this copy is no good."""
    try:
        return work()
    except (NotFound, Corrupt, AccessDenied) as error:
        if isinstance(error, AccessDenied) and error.code != "file-access-denied":
            raise  # the remote refuses, and would refuse everything else as well
        return error


def _listing(needers: Sequence[Subject], oid: Oid) -> bytes | None:
    """The tree object made again from the tree, where that gives the very same bytes."""
    for subject in needers:
        if subject.tree is not None and subject.tree.oid == oid and is_tree_oid(oid):
            data = render_tree(subject.tree.entries)
            if tree_oid(data) == oid:
                return data
    return None


def _holds_any(needers: Sequence[Subject], oid: Oid, lost: set[Oid]) -> bool:
    trees = (subject.tree for subject in needers if subject.tree is not None and subject.tree.oid == oid)
    return bool(lost) and any(entry.oid in lost for tree in trees for entry in tree.entries)


def _inside(subject: Subject, finding: Finding) -> RelPath | None:
    """The path of a finding below the output, if it is this one's."""
    (path,) = finding.paths
    if path == subject.name:
        return RelPath("")
    return RelPath(path[len(subject.name) + 1 :]) if path.startswith(subject.name + "/") else None


def _no_copy(finding: Finding) -> NotFound:
    return NotFound(
        f"no good copy of '{finding.paths[0]}' was found, here or on the remote",
        code="no-good-copy",
        hint="push it again from a machine that has one, or take an older version",
        path=finding.paths[0],
        oid=finding.oid,
    )
