"""The history of a home, put together from what is left of it: present objects, the trash, kept versions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

RUN_SECONDS = 24 * 3600.0
"""How long a run may have lasted: an object that is younger than its run by more was copied or renamed since."""


class Content(NamedTuple):
    """One content that a path has or had. Times are seconds since 1970, 0 where nobody knows."""

    path: str
    size: int
    began: float = 0.0
    ended: float = 0.0
    """0 while it is the present one."""
    ended_by: str = ""
    """The machine that replaced or deleted it, and `ended_in` the run."""
    ended_in: str = ""
    version: str = ""
    """How the store names it, when it keeps versions."""
    key: str = ""
    """Where it lies now, when that is the trash."""


class Maker(NamedTuple):
    """Which run on which machine stored a content, and when it began; empty for another tool's."""

    run: str = ""
    machine: str = ""
    began: float = 0.0


class Change(NamedTuple):
    """One change: `what` is `new`, `changed` or `deleted`; `machine` is empty where nobody knows."""

    when: float
    path: str
    what: str
    size: int
    machine: str = ""
    content: Content | None = None
    """For a content that is still held: whose metadata may tell who stored it."""


def changes_of(contents: Iterable[Content]) -> list[Change]:
    """What must have happened so that these contents are and were there; the youngest first."""
    paths: dict[str, list[Content]] = {}
    for content in contents:
        paths.setdefault(content.path, []).append(content)
    found = [change for rows in paths.values() for change in _of_one(sorted(rows, key=_age))]
    return sorted(found, key=_youngest_first)


def _youngest_first(change: Change) -> tuple[float, str]:
    return (-change.when, change.path)


def _age(content: Content) -> tuple[float, float]:
    return (content.ended or float("inf"), content.began)


def _of_one(rows: Sequence[Content]) -> list[Change]:
    """The changes of one path, whose contents come oldest first."""
    found: list[Change] = []
    for at, row in enumerate(rows):
        follower = rows[at + 1] if at + 1 < len(rows) else None
        if row.began:
            earlier = rows[at - 1] if at else None
            is_new = earlier is None or bool(earlier.version and row.began > earlier.ended)
            found.append(Change(row.began, row.path, "new" if is_new else "changed", row.size, "", row))
        if not row.ended:
            continue
        if follower is None or (row.version and follower.began > row.ended):
            found.append(Change(row.ended, row.path, "deleted", row.size, row.ended_by))
        elif not row.version:
            buried = follower if follower.key else None
            found.append(Change(row.ended, row.path, "changed", follower.size, row.ended_by, buried))
    return found


def name_machines(
    changes: Sequence[Change], makers: Mapping[Content, Maker], contents: Iterable[Content]
) -> list[Change]:
    """`changes` with the machines that the objects themselves name.

    A present content that was stored in the run that put the older one into the trash is one change, not two; one
    that a later run stored as new was deleted in between. So was one that lies in the trash itself by now.
    """
    ends = [row for row in sorted(contents, key=_age) if row.ended and not row.version]
    last_end = {row.path: row for row in ends}
    end_at = {(row.path, row.ended): row for row in ends}
    merged: dict[str, str] = {}
    found: list[Change] = []
    for change in changes:
        maker = makers.get(change.content, Maker()) if change.content else Maker()
        if change.content is None:
            found.append(change)
            continue
        if change.content.key:
            found += _before_buried(change, maker, end_at[change.path, change.when])
            continue
        is_own = bool(maker.machine) and 0 <= change.when - maker.began + 1 < RUN_SECONDS
        machine = maker.machine if is_own else ""
        old = last_end.get(change.path)
        if old is not None and not change.content.ended and is_own:
            if maker.run == old.ended_in:
                merged[change.path] = "same"
            elif maker.began > old.ended:
                merged[change.path] = "deleted"
                change = change._replace(what="new")
        found.append(change._replace(machine=machine))
    found = [_told(change, merged, last_end) for change in found if not _is_double(change, merged, last_end)]
    return sorted(found, key=_youngest_first)


def _before_buried(change: Change, maker: Maker, old: Content) -> list[Change]:
    """`old` was deleted, not replaced, when a later run stored what lies in the trash after it."""
    if maker.run == old.ended_in or maker.began <= old.ended:
        return [change]
    stored = Change(maker.began, change.path, "new", change.size, maker.machine, change.content)
    return [stored, change._replace(what="deleted", size=old.size)]


def _is_end(change: Change, last_end: Mapping[str, Content]) -> bool:
    old = last_end.get(change.path)
    return change.content is None and old is not None and change.when == old.ended


def _is_double(change: Change, merged: Mapping[str, str], last_end: Mapping[str, Content]) -> bool:
    return merged.get(change.path) == "same" and change.what == "changed" and _is_end(change, last_end)


def _told(change: Change, merged: Mapping[str, str], last_end: Mapping[str, Content]) -> Change:
    if merged.get(change.path) == "deleted" and _is_end(change, last_end):
        return change._replace(what="deleted", size=last_end[change.path].size)
    return change
