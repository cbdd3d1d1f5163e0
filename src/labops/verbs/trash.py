"""The trash of gc: bring back what was set aside, or let it go for good."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from labops import transfer
from labops.errors import Conflict, InvalidInput
from labops.model import (
    Action,
    HashName,
    Oid,
    OnEvent,
    Outcome,
    Plan,
    Report,
    Result,
    Step,
    ignore,
    is_tree_oid,
)
from labops.places.cache import Cache
from labops.places.cachetrash import cache_trash
from labops.places.remote import Remote
from labops.places.trash import Trashed
from labops.project import Project

_BATCH = 250
ALL = "all"


@dataclass(frozen=True, slots=True)
class _Area:
    """One place in one layout, with what is in its trash."""

    name: str
    hash_name: HashName
    place: Cache | Remote

    def trashed(self) -> list[Trashed]:
        if isinstance(self.place, Cache):
            return list(cache_trash(self.place).list())
        return list(self.place.trashed())

    def present(self, oids: Collection[Oid]) -> set[Oid]:
        if isinstance(self.place, Cache):
            return set(oids) - self.place.missing(oids)
        return self.place.contains(oids) if oids else set()

    def step(self, action: Action, item: Trashed) -> Step:
        inside = "files/md5/" if self.hash_name is HashName.MD5 else ""
        return Step(action, f"{self.name}: {inside}{item.oid[:2]}/{item.oid[2:]}", item.oid, item.size, item.day)


def restore(
    project: Project,
    day: str = ALL,
    *,
    cloud: bool = False,
    remote: str | None = None,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Put back what was set aside on `day` (`2026-11-25`, or `all`): files first, then trees.

    The cache always, the remote with `cloud`. An object that is there again already stays as it is. Raises
    `InvalidInput` (`bad-date`).
    """
    chosen = None if day == ALL else _date(day)
    steps: list[Step] = []
    outcomes: list[Outcome] = []
    with contextlib.nullcontext() if dry_run else project.lock():
        for area in _areas(project, cloud=cloud, remote=remote):
            items = [item for item in area.trashed() if chosen is None or item.day == chosen.isoformat()]
            items = list({item.oid: item for item in sorted(items)}.values())  # of two days the later
            present = area.present({item.oid for item in items})
            todo = [item for item in items if item.oid not in present]
            todo.sort(key=lambda item: (is_tree_oid(item.oid), item.oid))
            steps += [area.step(Action.CREATE, item) for item in todo]
            if not dry_run:
                outcomes += _restore(area, todo, on_event)
    return Report("restore", Plan(tuple(steps)), tuple(outcomes))


def _restore(area: _Area, items: Sequence[Trashed], on_event: OnEvent) -> list[Outcome]:
    """A tree waits for all files: while one of those is not back, its listing stays in the trash."""

    def work(batch: Sequence[Trashed]) -> None:
        if isinstance(area.place, Cache):
            cache_trash(area.place).give_back(batch)
        else:
            area.place.restore(batch)

    files = [item for item in items if not is_tree_oid(item.oid)]
    trees = [item for item in items if is_tree_oid(item.oid)]
    outcomes = _in_batches(area, Action.CREATE, files, work, "restoring", on_event)
    if any(outcome.error for outcome in outcomes):
        return outcomes + [Outcome(area.step(Action.CREATE, item), Result.SKIPPED) for item in trees]
    return outcomes + _in_batches(area, Action.CREATE, trees, work, "restoring", on_event)


def empty_trash(
    project: Project,
    older_than: int,
    *,
    cloud: bool = False,
    remote: str | None = None,
    confirm: Callable[[Plan], bool] = lambda _: False,
    dry_run: bool = False,
    now: float | None = None,
    on_event: OnEvent = ignore,
) -> Report:
    """Delete for good what was set aside more than `older_than` seconds ago; 0 means all of it.

    The cache's trash always, the remote's with `cloud`. `confirm` is asked once; raises `Conflict`
    (`gc-not-confirmed`) when it says no.
    """
    moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
    last = (moment - timedelta(seconds=older_than)).date().isoformat()
    with contextlib.nullcontext() if dry_run else project.lock():
        areas = [
            (area, [item for item in area.trashed() if item.day <= last or not older_than])
            for area in _areas(project, cloud=cloud, remote=remote)
        ]
        plan = Plan(tuple(area.step(Action.DELETE, item) for area, items in areas for item in items))
        if dry_run or not plan.steps:
            return Report("empty-trash", plan)
        if not confirm(plan):
            raise Conflict(
                f"{len(plan.steps)} objects in the trash were not deleted",
                code="gc-not-confirmed",
                hint="see what would go with: --dry; delete it without a question with: -f",
            )
        outcomes = [outcome for area, items in areas for outcome in _purge(area, items, on_event)]
    return Report("empty-trash", plan, tuple(outcomes))


def _purge(area: _Area, items: Sequence[Trashed], on_event: OnEvent) -> list[Outcome]:
    def work(batch: Sequence[Trashed]) -> None:
        if isinstance(area.place, Cache):
            cache_trash(area.place).purge(batch)
        else:
            area.place.purge(batch)

    return _in_batches(area, Action.DELETE, items, work, "removing", on_event)


def _in_batches(
    area: _Area,
    action: Action,
    items: Sequence[Trashed],
    work: Callable[[Sequence[Trashed]], None],
    phase: str,
    on_event: OnEvent,
) -> list[Outcome]:
    batches = [items[start : start + _BATCH] for start in range(0, len(items), _BATCH)]
    results = transfer.each(batches, work, phase=phase, jobs=1, on_event=on_event)
    return [
        transfer.outcome_of(area.step(action, item), result)
        for batch, result in zip(batches, results, strict=True)
        for item in batch
    ]


def _areas(project: Project, *, cloud: bool, remote: str | None) -> Iterator[_Area]:
    for hash_name in HashName:
        yield _Area("cache", hash_name, project.cache(hash_name))
    if cloud:
        for hash_name in HashName:
            place = project.remote(remote, hash_name)
            yield _Area(place.name, hash_name, place)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"'{text}' is not a date", code="bad-date", hint="write it as in: --restore 2026-04-01, or all"
        ) from error
