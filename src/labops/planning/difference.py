"""What differs between two listings, file by file, with the content on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from labops.model import Changes, Oid
from labops.planning.compare import shown


class Row(NamedTuple):
    """One path that differs; folders end with `/`. What a side does not have is None."""

    path: str
    old: Oid | None = None
    new: Oid | None = None
    old_path: str | None = None
    """Where a renamed one was before."""
    old_size: int | None = None
    new_size: int | None = None


class Difference(NamedTuple):
    """Rows by kind, each sorted by (old) path, as DVC names the kinds."""

    added: tuple[Row, ...] = ()
    deleted: tuple[Row, ...] = ()
    modified: tuple[Row, ...] = ()
    renamed: tuple[Row, ...] = ()
    not_in_cache: tuple[Row, ...] = ()
    """What the old side has and the cache lacks, changed or not; asked for against the workspace only."""

    @property
    def is_empty(self) -> bool:
        return not any(self)

    def rows(self) -> tuple[Row, ...]:
        """All that changed."""
        return (*self.added, *self.deleted, *self.modified, *self.renamed)


def difference(old: Mapping[str, Oid], new: Mapping[str, Oid], changes: Changes) -> Difference:
    """`changes` (found by comparing the two listings) as rows."""

    def oid(side: Mapping[str, Oid], path: str) -> Oid | None:
        return side.get(path.rstrip("/"))

    renamed = [Row(to, oid(old, was), oid(new, to), was) for was, to in changes.renamed]
    return Difference(
        added=tuple(Row(path, None, oid(new, path)) for path in changes.added),
        deleted=tuple(Row(path, oid(old, path)) for path in changes.deleted),
        modified=tuple(Row(_as_before(old, path), oid(old, path), oid(new, path)) for path in changes.modified),
        renamed=tuple(sorted(renamed, key=lambda row: row.old_path or "")),
    )


def _as_before(old: Mapping[str, Oid], path: str) -> str:
    """A file that became a folder is shown as the file it was, as dvc does."""
    bare = path.rstrip("/")
    return shown(bare, old[bare])
