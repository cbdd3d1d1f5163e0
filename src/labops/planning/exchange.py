"""What must travel between cache and remote."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from labops.model import Action, Oid, Plan, RelPath, Step, Tree


@dataclass(frozen=True, slots=True)
class Wanted:
    """The part of one tree that a command is about.

    `tree` is all of the output; `paths` the entries asked for, None for all. `name` is the output's path.
    """

    name: str
    tree: Tree
    paths: frozenset[RelPath] | None = None

    def named_oids(self) -> Iterable[tuple[Oid, str]]:
        """Each file object asked for, with the path people know it by."""
        for entry in self.tree.entries:
            if self.paths is None or entry.path in self.paths:
                yield entry.oid, f"{self.name}/{entry.path}" if entry.path else self.name


def plan_push(wanted: Sequence[Wanted], *, on_remote: Collection[Oid], sizes: Mapping[Oid, int]) -> Plan:
    """Every file object that the remote lacks, then every tree object it lacks.

    `sizes` holds the objects that the cache has; what neither side has is a `MISSING` step. A tree object
    may only be sent when all its files are on the remote by then: see `is_complete`.
    """
    steps: dict[Oid, Step] = {}
    for item in wanted:
        for oid, name in item.named_oids():
            if oid not in on_remote and oid not in steps:
                steps[oid] = _step(oid, name, sizes)
    for item in wanted:
        oid = item.tree.oid
        if item.tree.is_dir and oid not in on_remote and oid not in steps:
            steps[oid] = _step(oid, item.name + "/", sizes)
    return Plan(tuple(steps.values()))


def is_complete(tree: Tree, on_remote: Collection[Oid]) -> bool:
    """True when every file of `tree` is on the remote, so that the tree object may be shown there."""
    return all(entry.oid in on_remote for entry in tree.entries)


def plan_fetch(wanted: Sequence[Wanted], *, absent: Collection[Oid]) -> Plan:
    """The objects to download: those asked for that the cache lacks, tree objects last."""
    steps: dict[Oid, Step] = {}
    for item in wanted:
        for oid, name in item.named_oids():
            if oid in absent and oid not in steps:
                size = item.tree.size if not item.tree.is_dir else None
                steps[oid] = Step(Action.DOWNLOAD, name, oid, size)
    return Plan(tuple(steps.values()))


def _step(oid: Oid, name: str, sizes: Mapping[Oid, int]) -> Step:
    if oid in sizes:
        return Step(Action.UPLOAD, name, oid, sizes[oid])
    return Step(Action.MISSING, name, oid, reason="neither in the cache nor on the remote")
