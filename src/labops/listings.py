"""Listings: outputs as path → oid, as pointer files have them or as they lie in the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from labops.model import Oid, OnEvent, Selected, Tracked, Tree, ignore, is_tree_oid
from labops.project import Project
from labops.survey import survey
from labops.trees import Peek


@dataclass(frozen=True, slots=True)
class Side:
    """One side: path → oid, the outputs and (where that is asked for) the files inside folders.

    `unknown` are the folders that could not be listed; `sizes` are those (bytes) that looking has shown.
    """

    listing: dict[str, Oid] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)


class Listings:
    """Sides of the outputs of one project; each listing is read once, from the cache or else the remote."""

    def __init__(self, project: Project, *, is_granular: bool = True, on_event: OnEvent = ignore) -> None:
        self._project = project
        self._is_granular = is_granular
        self._on_event = on_event
        self._peek = Peek(project)
        self._trees: dict[Oid, Tree | None] = {}

    def tracked(self, selected: Sequence[Selected]) -> Side:
        """The outputs as their pointer files have them."""
        side = Side()
        for item in selected:
            path, oid = item.tracked.path, item.tracked.output.oid
            if oid is None:
                continue
            if item.is_whole:
                side.listing[path] = oid
            if not is_tree_oid(oid) or not self._is_granular:
                continue
            tree = self.tree(item.tracked, oid)
            if tree is None:
                side.unknown.add(path)
                continue
            top = f"{path}/"
            if item.is_whole:
                side.listing.update({top + name: its_oid for name, its_oid, _ in tree.entries})
            else:
                side.listing.update((top + e.path, e.oid) for e in tree.entries if item.covers(e.path))
        return side

    def workspace(self, selected: Sequence[Selected]) -> Side:
        """The outputs as they lie in the workspace; reads only files that changed."""
        side = Side()
        for item in selected:
            path = item.tracked.path
            now = survey(self._project, path, item.tracked.output.hash_name, on_event=self._on_event)
            if now.oid is None:
                continue
            if item.is_whole:
                side.listing[path] = now.oid
            if now.scan.kind == "file":
                side.sizes.update((path, entry.size) for entry in now.entries() if entry.size is not None)
            if now.scan.kind == "dir" and self._is_granular:
                covered = [entry for entry in now.entries() if item.covers(entry.path)]
                side.listing.update((f"{path}/{entry.path}", entry.oid) for entry in covered)
                side.sizes.update((f"{path}/{entry.path}", entry.size) for entry in covered if entry.size is not None)
        return side

    def tree(self, item: Tracked, oid: Oid) -> Tree | None:
        """The tree of a tracked folder; None where it cannot be had."""
        if oid not in self._trees:
            self._trees[oid] = self._peek.tree(item)
        return self._trees[oid]
