"""`verify`: hash what is tracked again, where it lies; list what is wrong, and repair it if asked."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import labops
from labops.model import Oid, OnEvent, Selected, Selection, ignore
from labops.planning.proof import sample
from labops.project import Project
from labops.proof.cache import look_at_cache
from labops.proof.mending import Mended, mend
from labops.proof.remote import look_at_remote
from labops.proof.words import Finding, GoodFiles, Look, Problem, Sampled, Subject, Where, everything, subjects
from labops.proof.workspace import look_at_workspace

DIFFERENCES = 4
NOT_MENDED = 3


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What `verify` was asked for beyond its targets.

    `places` empty means workspace and cache. `share` (0 to 1) of the objects is hashed, chosen by `seed`; None
    picks one. With `is_forced` a repair also replaces work that is saved nowhere. Unless `is_store_believed`
    every object of a remote is read.
    """

    places: frozenset[Where] = frozenset()
    remote: str | None = None
    jobs: int | None = None
    share: float = 1.0
    seed: int | None = None
    repair: bool = False
    is_forced: bool = False
    is_store_believed: bool = True


@dataclass(frozen=True, slots=True)
class Proof:
    """The result: what was looked at, when, by whom, and what is wrong. `time` is UTC, ISO 8601."""

    time: str
    version: str
    host: str
    share: float
    seed: int | None
    looks: tuple[Look, ...] = ()
    mended: tuple[Mended, ...] = ()
    absent: tuple[str, ...] = ()
    """Outputs that are not on this machine, and were not asked for by name."""
    warnings: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for look in self.looks for finding in look.findings)

    @property
    def open(self) -> tuple[Finding, ...]:
        """What is still wrong."""
        good = {mended.finding for mended in self.mended if mended.error is None}
        return tuple(finding for finding in self.findings if finding not in good)

    @property
    def exit_code(self) -> int:
        """0 when all is right (again), 3 when a repair failed, 4 when there are differences."""
        if any(mended.error for mended in self.mended):
            return NOT_MENDED
        return DIFFERENCES if self.open else 0


def verify(
    project: Project,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    options: VerifyOptions = VerifyOptions(),
    *,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Proof:
    """Prove the selected outputs in the places of `options`; repairs only where it says so.

    Without a repair nothing is written but notes about what was found good; with `dry_run` not even those.
    An output that is not on this machine is no problem unless it, or that place, was named.
    """
    time = datetime.now(UTC).isoformat(timespec="seconds")
    project = project.looking() if dry_run else project
    selected = project.select(selection)
    here = subjects(project, selected)
    everywhere = _everywhere(project, selection, here)
    seed = options.seed
    if seed is None and options.share < 1:
        seed = random.SystemRandom().randrange(10**6)
    sampled = _sampler(everywhere, options.share, seed)
    looks = _look(project, selection, here, everywhere, options, sampled, on_event)
    mended: Sequence[Mended] = ()
    findings = [finding for look in looks for finding in look.findings]
    if options.repair and findings and not dry_run:
        with project.lock():
            mended = mend(
                project,
                findings,
                everywhere,
                remote=options.remote,
                jobs=options.jobs,
                is_forced=options.is_forced,
                on_event=on_event,
            )
    absent = tuple(dict.fromkeys(name for look in looks if look.where is Where.CACHE for name in look.absent))
    warnings = (*_left_out(selected), *_unlisted(everywhere, absent))
    host = socket.gethostname()
    return Proof(time, labops.__version__, host, options.share, seed, tuple(looks), tuple(mended), absent, warnings)


def _left_out(selected: Sequence[Selected]) -> Iterator[str]:
    """Sentences about outputs that have nothing to prove."""
    for tracked in (item.tracked for item in selected if item.tracked.output.is_cached):
        if tracked.output.is_cloud_versioned:
            yield f"'{tracked.path}' lives in a cloud-versioned remote and was not looked at: use dvc for it"
        elif tracked.output.oid is None:
            yield f"'{tracked.path}' has no hash yet: commit it first ({tracked.address})"


def _unlisted(some: Sequence[Subject], absent: Collection[str]) -> Iterator[str]:
    for subject in some:
        if subject.tree is None and subject.name not in absent:
            yield f"the listing of '{subject.name}' is nowhere to be had, so its files were not looked at"


def _everywhere(project: Project, selection: Selection, here: Sequence[Subject]) -> list[Subject]:
    """The outputs of the workspace first, then those of the other revisions that were asked for."""
    if not (selection.all_branches or selection.all_tags or selection.all_commits):
        return list(here)
    known = {(subject.name, subject.item.tracked.output.oid) for subject in here}
    others = subjects(project, project.select_everywhere(selection))
    return [*here, *(item for item in others if (item.name, item.item.tracked.output.oid) not in known)]


def _sampler(some: Sequence[Subject], share: float, seed: int | None) -> Sampled:
    if share >= 1 or seed is None:
        return everything
    oids: set[Oid] = {oid for subject in some for oid, _ in subject.objects()}
    return sample(oids, share, seed).__contains__


def _look(
    project: Project,
    selection: Selection,
    here: Sequence[Subject],
    everywhere: Sequence[Subject],
    options: VerifyOptions,
    sampled: Sampled,
    on_event: OnEvent,
) -> list[Look]:
    places = options.places or {Where.WORKSPACE, Where.CACHE}
    is_excused = _excuse(project, selection, here, options)
    good: GoodFiles = {}
    looks = []
    if Where.WORKSPACE in places:
        looks.append(look_at_workspace(project, here, good, sampled=sampled, jobs=options.jobs, on_event=on_event))
        if options.places not in (frozenset(), frozenset(Where)):
            looks[0].findings += [Finding(Where.WORKSPACE, Problem.MISSING, (name,)) for name in looks[0].absent]
    if Where.CACHE in places:
        looks.append(
            look_at_cache(
                project,
                everywhere,
                good,
                is_excused=is_excused,
                sampled=sampled,
                jobs=options.jobs,
                on_event=on_event,
            )
        )
    if Where.REMOTE in places:
        looks += look_at_remote(
            project,
            everywhere,
            remote=options.remote,
            jobs=options.jobs,
            is_store_believed=options.is_store_believed,
            sampled=sampled,
            on_event=on_event,
        )
    return looks


def _excuse(
    project: Project, selection: Selection, here: Sequence[Subject], options: VerifyOptions
) -> Callable[[Subject], bool]:
    """Which outputs may be absent from the cache: those that nobody named and the workspace does not have either."""
    is_named = bool(selection.targets) or options.places not in (frozenset(), frozenset(Where))
    present = {id(item) for item in here if os.path.lexists(project.absolute(item.name))}
    return lambda subject: not is_named and id(subject) not in present
