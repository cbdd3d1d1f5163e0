"""`list`: what a repository holds, git's files and tracked data alike; nothing is downloaded but listings."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from labops.errors import LabError
from labops.model import Oid, is_tree_oid
from labops.source import Found, Source, SourceFile


class Row(NamedTuple):
    """One file or folder. `size` is in bytes: of a tracked folder all of it, of any other folder None."""

    path: str
    is_output: bool = False
    is_folder: bool = False
    is_executable: bool = False
    size: int | None = None
    oid: Oid | None = None


class ListOptions(NamedTuple):
    """`depth` limits a recursive listing; with `is_sized` files of git are measured, which may fetch large ones."""

    is_deep: bool = False
    depth: int | None = None
    is_dvc_only: bool = False
    is_sized: bool = False


_FLAT = ListOptions()


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows sorted by path, which count from the listed folder, and warnings for people."""

    rows: tuple[Row, ...]
    top: Row
    """What was listed: the folder, or the file itself."""
    warnings: tuple[str, ...] = ()


def list_source(source: Source, path: str = "", options: ListOptions = _FLAT) -> Listing:
    """The files and folders at `path` of `source`.

    Raises `NotFound` (`no-such-path`). A tracked folder whose listing cannot be had stands for itself, with a
    warning.
    """
    found = source.find(path)
    lost: dict[str, LabError] = {}
    if not found.is_folder:
        rows = [_row(file, posixpath.basename(found.path)) for file in source.at(found)]
    elif options.is_deep and options.depth == 0:
        rows = [_folder(source, found.path)._replace(path=posixpath.basename(found.path) or ".")]
    elif options.is_deep or found.tracked is not None:
        depth = options.depth if options.is_deep else 1
        rows = _deep(source, found, depth, lost)
    else:
        rows = _flat(source, found.path)
    if options.is_dvc_only:
        rows = [row for row in rows if row.is_output or _holds_output(source, found, row)]
    if options.is_sized:
        rows = _sized(source, found, rows)
    warnings = [*source.warnings, *(f"'{name}' cannot be looked into: {error}" for name, error in lost.items())]
    top = _folder(source, found.path) if found.is_folder else rows[0]
    return Listing(tuple(sorted(rows)), top, tuple(warnings))


def _named(row: Row, path: str) -> Row:
    return row._replace(path=path)


def _row(file: SourceFile, path: str) -> Row:
    is_output = file.tracked is not None
    oid = file.oid
    if file.tracked is not None and file.path == file.tracked.path:
        oid = file.tracked.output.oid
    return Row(path, is_output, False, file.is_executable, file.size, oid)


def _folder(source: Source, path: str) -> Row:
    item = source.paths.at(path)
    if item is not None:
        return Row(path, True, True, False, item.output.size, item.output.oid)
    return Row(path, source.paths.above(path) is not None, True)


def _deep(source: Source, found: Found, depth: int | None, lost: dict[str, LabError]) -> list[Row]:
    """Files at any depth; at the last one that is asked for, folders stand for what is in them."""
    start = len(found.path) + 1 if found.path else 0
    rows: dict[str, Row] = {}
    for file in source.at(found, lost):
        path = file.path[start:]
        if depth is None or path.count("/") < depth:
            rows[path] = _row(file, path)
        elif (short := "/".join(path.split("/")[:depth])) not in rows:
            rows[short] = _named(_folder(source, file.path[: start + len(short)]), short)
    for name in lost:
        short = "/".join(name[start:].split("/")[:depth])
        rows.setdefault(short, _named(_folder(source, name[: start + len(short)]), short))
    return list(rows.values())


def _flat(source: Source, path: str) -> list[Row]:
    """The files and folders directly in `path`, without reading a listing."""
    start = path + "/" if path else ""
    rows: dict[str, Row] = {}
    for folder in source.files.folders(path):
        rows[folder] = _named(_folder(source, start + folder), folder)
    for file in source.files.below(path, is_deep=False):
        item = source.paths.at(file.path)
        oid = item.output.oid if item else None
        name = file.path[len(start) :]
        rows[name] = Row(name, item is not None, False, file.is_executable, file.size, oid)
    for item in source.below(path):
        name = item.path[len(start) :].partition("/")[0]
        if name in rows:
            continue
        if start + name != item.path or is_tree_oid(item.output.oid or Oid("")):
            rows[name] = _named(_folder(source, start + name), name)
        else:
            rows[name] = Row(name, True, False, item.output.is_executable, item.output.size, item.output.oid)
    return list(rows.values())


def _holds_output(source: Source, found: Found, row: Row) -> bool:
    return row.is_folder and bool(source.below(posixpath.join(found.path, row.path).removesuffix("/.")))


def _sized(source: Source, found: Found, rows: Iterable[Row]) -> list[Row]:
    """The rows with the sizes of git's files, which a listing does not tell."""
    start = found.path + "/" if found.path and found.is_folder else posixpath.dirname(found.path)
    unknown = {posixpath.join(start, row.path) for row in rows if row.size is None and not row.is_folder}
    files = [file for file in source.files.below(found.path) if file.path in unknown]
    sizes = source.files.sizes(files)
    return [
        row if row.size is not None else row._replace(size=sizes.get(posixpath.join(start, row.path))) for row in rows
    ]
