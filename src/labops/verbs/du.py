"""`du`: how much room the files of a repository take, tracked data included, here, at a commit, or elsewhere."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from labops.model import Tracked
from labops.source import Found, Source


class Row(NamedTuple):
    """One file or folder and its bytes, None where they are not known."""

    path: str
    size: int | None


class Usage(NamedTuple):
    """What lies directly in a path, sorted by name, and the total; `is_file` when the path is a file itself."""

    rows: tuple[Row, ...]
    total: int | None
    is_file: bool = False


def du(source: Source, path: str = "") -> Usage:
    """The usage of `path`, relative to the root of `source`.

    DVC files themselves do not count, as in dvc. Raises `NotFound` (`no-such-path`).
    """
    found = source.find(path)
    leaves = list(_members(source, found) if found.tracked is not None else _leaves(source, found))
    if not found.is_folder:
        return Usage((), _sum([leaf.size for leaf in leaves]), is_file=True)
    inside = f"{found.path}/" if found.path else ""
    groups: dict[str, list[int | None]] = {}
    for leaf in leaves:
        groups.setdefault(inside + leaf.path[len(inside) :].partition("/")[0], []).append(leaf.size)
    rows = tuple(Row(name, _sum(sizes)) for name, sizes in sorted(groups.items()))
    return Usage(rows, _sum([row.size for row in rows]))


def _sum(sizes: list[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _leaves(source: Source, found: Found) -> Iterator[Row]:
    """Plain files, and outputs as a whole."""
    outputs = [item for item in source.below(found.path) if item.output.is_cached]
    tracked = {item.path for item in outputs}
    plain = [
        file
        for file in source.files.below(found.path)
        if not _is_pointer(file.path) and file.path not in tracked and not _is_data(source, file.path)
    ]
    sizes = source.files.sizes(plain)
    yield from (Row(file.path, sizes.get(file.path)) for file in plain)
    yield from (Row(item.path, _size_of(source, item)) for item in outputs)


def _is_data(source: Source, path: str) -> bool:
    owner = source.paths.above(path)
    return owner is not None and owner.output.is_cached


def _is_pointer(name: str) -> bool:
    last = posixpath.basename(name)
    return last.endswith(".dvc") or last in ("dvc.yaml", ".dvcignore")


def _size_of(source: Source, item: Tracked) -> int | None:
    output = item.output
    if output.size is not None or output.oid is None:
        return output.size
    return _sum([row.size for row in _members(source, Found(item.path, is_folder=True, tracked=item))])


def _members(source: Source, found: Found) -> list[Row]:
    """The files of an output, or of a part of it. A listing does not say their sizes: a file or a cache does."""
    assert found.tracked is not None
    caches = source.places.caches(found.tracked)
    rows = []
    for file in source.at(found):
        size = file.size
        if size is None and file.oid is not None:
            size = next((known for cache in caches if (known := cache.size(file.oid)) is not None), None)
        rows.append(Row(file.path, size))
    return rows
