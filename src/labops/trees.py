"""Trees by oid, read from the cache or else from the remote."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from labops import transfer
from labops.errors import Corrupt, LabError, NotFound
from labops.formats.dirfile import parse_tree
from labops.model import Oid, OnEvent, Output, Selected, Tracked, Tree, file_tree, ignore, is_tree_oid
from labops.project import Project
from labops.sides import Side, sides


class Trees:
    """Trees of one side; the bytes of those that came from the remote are kept in `fetched`."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self.fetched: dict[Oid, tuple[str, bytes]] = {}
        self._trees: dict[Oid, Tree | LabError] = {}

    def load(self, items: Sequence[Selected], on_event: OnEvent) -> None:
        """Get the trees of all `items`, in parallel where they must come from the remote."""
        far: dict[Oid, str] = {}
        for item in items:
            oid = item.tracked.output.oid
            assert oid is not None
            if not is_tree_oid(oid):
                self._trees[oid] = file_tree(oid, item.tracked.output.size)
                continue
            try:
                self._trees[oid] = self._side.cache.read_tree(oid)
            except (NotFound, Corrupt):
                far[oid] = item.tracked.path
        names = list(far.items())
        results = transfer.each(
            names,
            lambda row: self._side.remote.read(row[0]),
            phase="reading listings",
            jobs=self._side.jobs,
            on_event=on_event,
        )
        for (oid, name), data in zip(names, results, strict=True):
            if isinstance(data, LabError):
                self._trees[oid] = data
            else:
                self._trees[oid] = parse_tree(data, oid=oid)
                self.fetched[oid] = (name, data)

    def get(self, oid: Oid) -> Tree | LabError:
        """The tree, or what kept it from being read; `load` must have been told of it."""
        return self._trees[oid]


def fetch_tree(project: Project, item: Tracked, *, on_event: OnEvent = ignore) -> Tree:
    """The tree of a tracked folder; raises what prevents it.

    Its listing is brought into the cache where absent, unless the project is only looking.
    """
    output = item.output
    assert output.oid is not None
    cache = project.cache(output.hash_name)
    with contextlib.suppress(NotFound, Corrupt):
        return cache.read_tree(output.oid)
    (side,) = sides(project, [Selected(item)], None, None)
    trees = Trees(side)
    trees.load([Selected(item)], on_event)
    found = trees.get(output.oid)
    if isinstance(found, LabError):
        raise found
    if project.is_looking:
        return found
    with cache.batch() as batch:
        for oid, (_, data) in trees.fetched.items():
            batch.store_bytes(oid, data)
    return found


class Peek:
    """Trees for questions: from the cache or a remote, written nowhere, None where they cannot be had.

    A remote that is not configured or does not answer is no error, and is asked only once.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._silent: set[str | None] = set()

    def tree(self, item: Tracked) -> Tree | None:
        """The tree that the output's oid names."""
        oid = item.output.oid
        assert oid is not None
        if not is_tree_oid(oid):
            return file_tree(oid)
        data = self.listing(item)
        if data is None:
            return None
        with contextlib.suppress(Corrupt):
            return parse_tree(data, oid=oid)
        return None

    def listing(self, item: Tracked) -> bytes | None:
        """The bytes of the tree object that the output's oid names, checked against it."""
        output = item.output
        assert output.oid is not None
        try:
            return self._project.cache(output.hash_name).read_listing(output.oid)
        except (NotFound, Corrupt):
            return None if item.is_repo_import else self._from_remote(output, output.oid)

    def _from_remote(self, output: Output, oid: Oid) -> bytes | None:
        if output.remote in self._silent:
            return None
        try:
            return self._project.remote(output.remote, output.hash_name).read(oid)
        except LabError as error:
            if error.code not in {"no-such-object", "corrupt-download"}:
                self._silent.add(output.remote)
            return None
