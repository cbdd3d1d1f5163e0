"""What must change in the workspace for an output to be what its DVC file says."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass

from labops.model import HERE, Action, Entry, Oid, Plan, RelPath, Step


@dataclass(frozen=True, slots=True)
class Sides:
    """One output twice: `want` as tracked, `have` as it lies in the workspace; path → oid.

    A single file is the one path `HERE`. `lost` are objects that are nowhere in the cache; `saved` are those
    that are there, so that a workspace file of that content can be made again.
    """

    name: str
    want: Mapping[RelPath, Oid]
    have: Mapping[RelPath, Oid]
    lost: Collection[Oid]
    unsaved: Collection[Oid]

    def shown(self, path: RelPath) -> str:
        """The path as people know it."""
        return f"{self.name}/{path}" if path else self.name


def plan_checkout(sides: Sides, *, is_forced: bool, relinking: Container[RelPath]) -> Plan:
    """Deletions that make room, creations and replacements, then the other deletions.

    A file whose content is not in the cache is unsaved work: touching it is a `CONFLICT`, unless
    `is_forced`. A wanted object that is lost is a `MISSING` step, and what lies in its place stays: one
    missing object never costs a good file.
    """
    first: list[Step] = []
    middle: list[Step] = []
    last: list[Step] = []
    blocked = _parents_that_are_files(sides)
    for path, oid in sides.want.items():
        old = sides.have.get(path)
        if oid in sides.lost and old != oid:
            middle.append(Step(Action.MISSING, path, oid, reason="its object is not in the cache"))
        elif old is None:
            middle.append(Step(Action.CREATE, path, oid))
        elif old != oid:
            middle.append(_touch(sides, path, Action.REPLACE, oid, is_forced=is_forced))
        elif path in relinking:
            middle.append(Step(Action.REPLACE, path, oid, reason="relink"))
    for path in sides.have:
        if path not in sides.want:
            step = _touch(sides, path, Action.DELETE, None, is_forced=is_forced)
            (first if path in blocked else last).append(step)
    return Plan((*first, *middle, *last))


def _touch(sides: Sides, path: RelPath, action: Action, oid: Oid | None, *, is_forced: bool) -> Step:
    if sides.have[path] in sides.unsaved and not is_forced:
        return Step(Action.CONFLICT, path, oid, reason="its content is not in the cache")
    return Step(action, path, oid)


def _parents_that_are_files(sides: Sides) -> set[RelPath]:
    """Workspace files standing where a wanted path needs a folder, and files in a folder where it needs a file."""
    if HERE in sides.want or HERE in sides.have:
        return {path for path in sides.have if path not in sides.want}
    extra = [path for path in sides.have if path not in sides.want]
    if not extra:
        return set()
    folders = {RelPath(parent) for path in sides.want for parent in _parents(path)}
    return {path for path in extra if path in folders or any(parent in sides.want for parent in _parents(path))}


def _parents(path: str) -> list[RelPath]:
    parts = path.split("/")[:-1]
    return [RelPath("/".join(parts[: depth + 1])) for depth in range(len(parts))]


def as_mapping(entries: Sequence[Entry]) -> dict[RelPath, Oid]:
    """Path → oid of some entries."""
    return {entry.path: entry.oid for entry in entries}
