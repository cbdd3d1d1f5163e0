"""`gc`: set aside what nobody uses, in the cache and on request in the remote.

    what is used, or an error → what is there → plan → ask → trees → files

Nothing is deleted: objects go to a dated trash (`restore` and `empty_trash`, in `verbs/trash.py`).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

from labops import neighbours, transfer
from labops.drivers import git
from labops.errors import AccessDenied, Conflict, Corrupt, LabError, NotFound
from labops.formats.dirfile import parse_tree
from labops.model import (
    Action,
    HashName,
    Oid,
    OnEvent,
    Outcome,
    Plan,
    Report,
    Step,
    Tree,
    ignore,
    is_tree_oid,
)
from labops.places.cache import Cache
from labops.places.cachetrash import cache_inventory, cache_trash, put_cache_note
from labops.places.remote import Remote
from labops.places.trash import Stored, Trashed
from labops.planning.gc import Sweep, plan_gc, young_trees
from labops.project import Project
from labops.reachability import COLLECTED, EVERYTHING, Revisions, Used, commits_of, used_objects

_BATCH = 250
"""Objects that are set aside in one go: as many are still where they were when something fails."""
GRACE_SECONDS = 14 * 86_400


class GcOptions(NamedTuple):
    """What `gc` was asked for. `projects` are paths of other clones; `grace` is in seconds.

    The workspace always counts; `cloud` cleans the remote too; `not_in_remote` empties the cache of all that
    the remote has.
    """

    revisions: Revisions = Revisions()
    cloud: bool = False
    remote: str | None = None
    not_in_remote: bool = False
    skip_failed: bool = False
    jobs: int | None = None
    projects: tuple[str, ...] = ()
    grace: int = GRACE_SECONDS


class Swept(NamedTuple):
    """One place and what becomes of its objects: numbers and bytes of those that go, are used, are too young."""

    place: str
    """`cache` or the remote's name."""
    layout: str
    """`3.x` or `2.x`."""
    removed: int
    removed_bytes: int
    used: int
    used_bytes: int
    young: int
    young_bytes: int


@dataclass(frozen=True, slots=True)
class Collected:
    """The report of `gc`, the sums of it place by place, and the repositories whose objects were counted too."""

    report: Report
    places: tuple[Swept, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def removed(self) -> int:
        return sum(place.removed for place in self.places)

    @property
    def removed_bytes(self) -> int:
        return sum(place.removed_bytes for place in self.places)


Ask = Callable[[Collected], bool]


@dataclass(slots=True)
class _Area:
    """One place in one layout, and the plan for it."""

    name: str
    hash_name: HashName
    place: Cache | Remote
    stored: list[Stored] = field(default_factory=list)
    sweep: Sweep = field(default_factory=lambda: Sweep((), (), ()))

    @property
    def layout(self) -> str:
        return "3.x" if self.hash_name is HashName.MD5 else "2.x"

    def read(self, oid: Oid) -> Tree:
        if isinstance(self.place, Cache):
            return self.place.read_tree(oid)
        return parse_tree(self.place.read(oid), oid=oid)

    def step(self, item: Stored) -> Step:
        inside = "files/md5/" if self.hash_name is HashName.MD5 else ""
        path = f"{self.name}: {inside}{item.oid[:2]}/{item.oid[2:]}"
        return Step(Action.DELETE, path, item.oid, item.size)

    def sums(self) -> Swept:
        rows = (self.sweep.remove, self.sweep.used, self.sweep.young)
        numbers = [number for some in rows for number in (len(some), sum(item.size for item in some))]
        return Swept(self.name, self.layout, *numbers)


def gc(
    project: Project,
    options: GcOptions,
    *,
    confirm: Ask = lambda _: False,
    dry_run: bool = False,
    now: float | None = None,
    on_event: OnEvent = ignore,
) -> Collected:
    """Move what nobody uses to the trash; `confirm` is asked once, with the plan, unless there is nothing to do.

    Used is what the workspace, `options.revisions` and every other known repository use. Raises rather than
    counting less: what `reachability` raises, `NotFound` (`neighbour-unreadable`, `shallow-clone`),
    `Conflict` (`stale-clone`, `gc-not-confirmed`). `now` is unix seconds.
    """
    moment = time.time() if now is None else now
    with contextlib.ExitStack() as stack:
        if not dry_run:
            stack.enter_context(project.lock())
        known = neighbours.read_list(project, options.remote) if options.cloud else []
        others = neighbours.open_others(project, (*options.projects, *neighbours.clones(project)), known)
        for other in () if dry_run else others:
            with contextlib.suppress(AccessDenied):  # somebody else's, and read-only for us
                stack.enter_context(other.lock())
        used = _used(project, others, options, on_event)
        areas = list(_areas(project, options))
        planned = _plan_all(project, others, areas, used, options, moment, on_event)
        if dry_run:
            return planned
        if options.cloud:
            neighbours.register(project, options.remote, known=known)
        if not planned.removed:
            return planned
        if not confirm(planned):
            raise Conflict(
                f"{planned.removed} unused objects were not removed",
                code="gc-not-confirmed",
                hint="see what would go with: --dry; remove it without a question with: -f",
            )
        day = datetime.fromtimestamp(moment, UTC).date().isoformat()
        _remember(areas, used, day)
        outcomes = tuple(outcome for area in areas for outcome in _apply(area, day, on_event))
        back = [warning for area in areas for warning in _give_back(area, day)]
    return replace(
        planned, report=replace(planned.report, outcomes=outcomes, warnings=(*planned.report.warnings, *back))
    )


# -- what is used -------------------------------------------------------------------------------------


def _used(project: Project, others: Sequence[Project], options: GcOptions, on_event: OnEvent) -> Used:
    if options.cloud:
        for one in (project, *others):
            _refuse_stale(one)
    remotes = [options.remote] if options.cloud or options.not_in_remote else []
    revisions = options.revisions
    used = used_objects(
        project,
        commits_of(project, revisions),
        skip_failed=options.skip_failed,
        remotes=remotes,
        lenders=others,
        jobs=options.jobs,
        on_event=on_event,
    )
    theirs = EVERYTHING._replace(all_commits=revisions.all_commits)
    for other in others:
        used.add(
            used_objects(
                other,
                commits_of(other, theirs) if other.git is not None else (),
                skip_failed=options.skip_failed,
                lenders=[project],
                jobs=options.jobs,
                on_event=on_event,
            )
        )
    return used


def _refuse_stale(project: Project) -> None:
    """Data of a branch that this clone has never heard of would look unused."""
    if project.git is None:
        return
    if project.git.is_shallow:
        raise NotFound(
            f"the clone '{project.root}' is shallow: it does not know every branch and commit that uses the remote",
            code="shallow-clone",
            hint=f"git -C '{project.git.root}' fetch --unshallow, then fetch --all --tags",
        )
    unknown = git.unknown_refs(project.git)
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise Conflict(
            f"the clone '{project.root}' has not heard of: {', '.join(unknown[:3])}{more}",
            code="stale-clone",
            hint=f"git -C '{project.git.root}' fetch --all --tags --prune",
        )


# -- plan ---------------------------------------------------------------------------------------------


def _plan_all(
    project: Project,
    others: Sequence[Project],
    areas: Sequence[_Area],
    used: Used,
    options: GcOptions,
    moment: float,
    on_event: OnEvent,
) -> Collected:
    youngest = moment - options.grace if options.grace else float("inf")
    for area in areas:
        _plan(project, area, areas, used, options, youngest, on_event)
    steps = tuple(area.step(item) for area in areas for item in area.sweep.remove)
    names = tuple(neighbours.identity(other).name for other in others)
    report = Report("gc", Plan(steps), warnings=tuple(used.warnings))
    return Collected(report, tuple(area.sums() for area in areas), names)


def _areas(project: Project, options: GcOptions) -> Iterator[_Area]:
    for hash_name in HashName:
        cache = project.cache(hash_name)
        yield _Area("cache", hash_name, cache, list(cache_inventory(cache)))
    if options.cloud:
        for hash_name in HashName:
            remote = project.remote(options.remote, hash_name)
            yield _Area(remote.name, hash_name, remote, list(remote.inventory()))


def _plan(
    project: Project,
    area: _Area,
    areas: Sequence[_Area],
    used: Used,
    options: GcOptions,
    youngest: float,
    on_event: OnEvent,
) -> None:
    oids = used.oids[area.hash_name]
    sheltered: set[Oid] = set()
    trees = young_trees(area.stored, oids, youngest=youngest)
    results = transfer.each(trees, lambda oid: _read_anywhere(area, areas, oid), phase="reading listings")
    for oid, tree in zip(trees, results, strict=True):
        if isinstance(tree, LabError):
            _refuse_young(area, oid, tree, used, options)
        else:
            sheltered.update(tree.oids())
    elsewhere: set[Oid] = set()
    if options.not_in_remote:
        remote = project.remote(options.remote, area.hash_name)
        elsewhere = remote.contains([item.oid for item in area.stored], on_event=on_event)
        elsewhere -= _linked(project, area)
    area.sweep = plan_gc(area.stored, oids, youngest=youngest, safe_elsewhere=elsewhere, sheltered=sheltered)


def _read_anywhere(area: _Area, areas: Sequence[_Area], oid: Oid) -> Tree:
    try:
        return area.read(oid)
    except (NotFound, Corrupt):
        for other in areas:
            if other is not area and other.hash_name is area.hash_name:
                with contextlib.suppress(NotFound, Corrupt):
                    return other.read(oid)
        raise


def _refuse_young(area: _Area, oid: Oid, error: LabError, used: Used, options: GcOptions) -> None:
    if not isinstance(error, (NotFound, Corrupt)):
        raise error
    refusal = type(error)(
        f"the listing '{oid}' in the {area.name}, which is younger than the grace period, cannot be read: {error}",
        code="unreadable-listing",
        hint="push or add it again; if it is not worth keeping, go on with: --skip-failed",
        oid=oid,
    )
    if not options.skip_failed:
        raise refusal
    used.warnings.append(refusal.message)


def _linked(project: Project, area: _Area) -> set[Oid]:
    """What the workspace links to: without it the links would lead nowhere."""
    if "symlink" not in project.cache(area.hash_name).link_types:
        return set()
    return used_objects(project, (), skip_failed=True).oids[area.hash_name]


# -- apply --------------------------------------------------------------------------------------------


def _remember(areas: Sequence[_Area], used: Used, day: str) -> None:
    """Write down which listings go, so that a later gc does not take their absence for a loss."""
    for area in areas:
        gone = {item.oid for item in area.sweep.remove if is_tree_oid(item.oid)} | used.lost
        if gone:
            name = f"{day}-{os.urandom(4).hex()}"
            data = "".join(f"{oid}\n" for oid in sorted(gone)).encode()
            if isinstance(area.place, Cache):
                put_cache_note(area.place, COLLECTED, name, data)
            else:
                area.place.put_note(COLLECTED, name, data)


def _apply(area: _Area, day: str, on_event: OnEvent) -> list[Outcome]:
    """Trees before files; the files stay when a tree could not be moved: it may list them."""
    trees = [item for item in area.sweep.remove if is_tree_oid(item.oid)]
    files = [item for item in area.sweep.remove if not is_tree_oid(item.oid)]
    outcomes = _set_aside(area, trees, day, on_event)
    if any(outcome.error for outcome in outcomes):
        return outcomes
    return outcomes + _set_aside(area, files, day, on_event)


def _give_back(area: _Area, day: str) -> Iterator[str]:
    """Look at the remote once more: what was pushed since it was listed may need what went to the trash."""
    if isinstance(area.place, Cache) or not area.sweep.remove:
        return
    kept = {item.oid for item in (*area.sweep.used, *area.sweep.young)}
    removed = {item.oid: Trashed(day, item.oid, item.size) for item in area.sweep.remove}
    for oid in [oid for oid, _ in area.place.list() if is_tree_oid(oid) and oid not in kept]:
        try:
            needed = set(area.read(oid).oids()) - {oid}
            lost = needed & removed.keys() - area.place.contains(needed)
            area.place.restore([removed[one] for one in lost])
        except LabError as error:
            yield f"'{oid}' was pushed meanwhile, and what it needs may be in the trash: {error}"
        else:
            if lost:
                yield f"{len(lost)} objects came back from the trash, because '{oid}' was pushed meanwhile"


def _set_aside(area: _Area, items: Sequence[Stored], day: str, on_event: OnEvent) -> list[Outcome]:
    batches = [items[start : start + _BATCH] for start in range(0, len(items), _BATCH)]

    def work(batch: Sequence[Stored]) -> None:
        if isinstance(area.place, Cache):
            cache_trash(area.place).take([item.oid for item in batch], day)
        else:
            area.place.trash({item.oid: item.size for item in batch}, day)

    results = transfer.each(batches, work, phase="removing", jobs=1, on_event=on_event)
    return [
        transfer.outcome_of(area.step(item), result)
        for batch, result in zip(batches, results, strict=True)
        for item in batch
    ]
