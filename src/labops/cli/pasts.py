"""Versions, tags and differences as text and as JSON. Writes nothing itself: the session does."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from labops.cli.words import human_size

if TYPE_CHECKING:
    from labops.history import Version
    from labops.planning.difference import Difference
    from labops.planning.difference import Row as DiffRow
    from labops.verbs.diff_versions import Comparison
    from labops.verbs.log import Row
    from labops.verbs.tag import TagRow

_KINDS = ("added", "deleted", "renamed", "modified", "not in cache")
_ABBREVIATED = 8


def _columns(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows as lines, each column as wide as its widest cell."""
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _day(time: int) -> str:
    """The day in this machine's time zone, which is also how `NAME@2026-04-01` is read."""
    return dt.datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d")


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _size(size: int | None) -> str:
    return "-" if size is None else human_size(size)


# -- log ----------------------------------------------------------------------------------------------


def log_document(rows: Iterable[Row]) -> list[dict[str, object]]:
    """What `lab log --json` prints: newest first within each dataset; what is not known is null."""
    return [_log_entry(row) for row in rows]


def _log_entry(row: Row) -> dict[str, object]:
    counts = row.counts
    document: dict[str, object] = {"path": row.path, "version": None}
    if row.version is not None:
        document |= version_document(row.version)
    document |= {"files": row.nfiles, "size_bytes": row.size}
    document |= dict(zip(("added", "deleted", "modified"), counts or (None, None, None), strict=True))
    document["is_current"] = row.is_current
    return document


def version_document(version: Version) -> dict[str, object]:
    """One version as JSON; `version` and `number` are null where nobody can count."""
    return {
        "path": version.path,
        "version": version.label if version.number else None,
        "number": version.number or None,
        "tags": list(version.tags),
        "commit": version.rev,
        "time": version.time,
        "date": dt.datetime.fromtimestamp(version.time, dt.UTC).isoformat(),
        "author": version.author,
        "message": version.message,
        "md5": version.output.oid,
    }


def log_lines(rows: Sequence[Row]) -> Iterator[str]:
    """One line for each version; a heading where there are several datasets."""
    groups = [(path, list(group)) for path, group in itertools.groupby(rows, key=lambda row: row.path)]
    for number, (path, group) in enumerate(groups):
        if len(groups) > 1:
            yield from ["", path] if number else [path]
        yield from _columns(_log_row(row) for row in group)


def _log_row(row: Row) -> list[str]:
    version = row.version
    size = [_count(row.nfiles) + (" file" if row.nfiles == 1 else " files"), _size(row.size)]
    if version is None:
        return ["-*", "", "", "", *size, "", "not committed to git yet"]
    changes = "+{:,} -{:,} ~{:,}".format(*row.counts) if row.counts else "-"
    return [
        (f"v{version.number}" if version.number else "-") + ("*" if row.is_current else ""),
        _day(version.time),
        version.rev[:7],
        version.author,
        *size,
        changes,
        " ".join([*(f"[{tag}]" for tag in version.tags), version.message]),
    ]


def overview_lines(rows: Iterable[Row]) -> Iterator[str]:
    """One line for each dataset, with its newest version."""
    yield from _columns(_overview_row(row) for row in rows)


def _overview_row(row: Row) -> list[str]:
    label, day, commit, author, files, size, _, message = _log_row(row)
    return [row.path, label, day, commit, author, files, size, message]


# -- tag ----------------------------------------------------------------------------------------------


def tag_document(row: TagRow) -> dict[str, object]:
    """One tag as JSON."""
    return {
        "path": row.path,
        "tag": row.tag,
        "version": row.version.label if row.version and row.version.number else None,
        "git_tag": row.git_name,
        "commit": row.commit,
        "time": row.time,
        "message": row.message,
    }


def tag_lines(rows: Sequence[TagRow]) -> Iterator[str]:
    """One line for each tag."""
    if not rows:
        yield "No version has a tag yet.\nGive one with: lab tag NAME TAG"
        return
    yield from _columns(
        (
            f"{row.path}@{row.tag}",
            row.version.label if row.version else "-",
            row.commit[:7],
            _day(row.time),
            row.message,
        )
        for row in rows
    )


# -- diff ---------------------------------------------------------------------------------------------


def _kinds(found: Difference, *, hides: bool) -> dict[str, Sequence[DiffRow]]:
    """In the order of dvc's text; what is not in the cache last, where it is not hidden."""
    groups = (found.added, found.deleted, found.renamed, found.modified, found.not_in_cache)
    kinds: dict[str, Sequence[DiffRow]] = dict(zip(_KINDS, groups, strict=True))
    if hides:
        del kinds["not in cache"]
    return kinds


def diff_document(
    found: Difference, *, show_hash: bool, hides: bool, comparison: Comparison | None
) -> dict[str, object]:
    """dvc's own shape; for two versions also sizes, and what was compared."""
    document: dict[str, object] = {}
    if not found.is_empty:
        kinds = _kinds(found, hides=hides)
        for kind in ("added", "deleted", "modified", "renamed", "not in cache"):
            if kind in kinds:
                rows = kinds[kind]
                document[kind] = [_entry(row, show_hash=show_hash, has_sizes=comparison is not None) for row in rows]
    if comparison is not None:
        document["from"] = version_document(comparison.old) | {"files": comparison.old_files}
        new = comparison.new
        document["to"] = (version_document(new) if new else {"path": comparison.old.path, "version": "workspace"}) | {
            "files": comparison.new_files
        }
    return document


def _entry(row: DiffRow, *, show_hash: bool, has_sizes: bool) -> dict[str, object]:
    is_renamed = row.old_path is not None
    is_both = row.old is not None and row.new is not None
    entry: dict[str, object] = {"path": {"old": row.old_path, "new": row.path} if is_renamed else row.path}
    if show_hash:
        entry["hash"] = {"old": row.old, "new": row.new} if is_both and not is_renamed else row.old or row.new
    if has_sizes:
        one = row.new_size if row.old is None else row.old_size
        entry["size_bytes"] = {"old": row.old_size, "new": row.new_size} if is_both and not is_renamed else one
    return entry


def _shown_path(row: DiffRow) -> str:
    return row.path if row.old_path is None else f"{row.old_path} -> {row.path}"


def _digest(row: DiffRow) -> str:
    if row.old and row.new and row.old_path is None:
        return f"{row.old[:_ABBREVIATED]}..{row.new[:_ABBREVIATED]}"
    return (row.old or row.new or "")[:_ABBREVIATED]


def diff_lines(found: Difference, *, show_hash: bool, hides: bool, comparison: Comparison | None) -> Iterator[str]:
    """dvc's layout: a block for each kind, then a summary of files."""
    if found.is_empty:
        if comparison is not None:
            yield "There are no differences."
        return
    kinds = _kinds(found, hides=hides)
    summary: list[str] = []
    for kind, rows in kinds.items():
        number = sum(not _shown_path(row).endswith("/") for row in rows)
        if number:
            summary.append(f"{number} {kind}")
        if not rows:
            continue
        yield f"{kind.capitalize()}:"
        for row in rows:
            digest = f"{_digest(row)}  " if show_hash else ""
            sizes = f"  ({_sizes(row)})" if comparison is not None else ""
            yield f"    {digest}{_shown_path(row)}{sizes}"
        yield ""
    if summary:
        yield f"files summary: {', '.join(summary)}"


def _sizes(row: DiffRow) -> str:
    if row.old is None or row.new is None or row.old_path is not None:
        return _size(row.new_size if row.old is None else row.old_size)
    return f"{_size(row.old_size)} -> {_size(row.new_size)}"


def markdown_lines(found: Difference, *, show_hash: bool, hides: bool) -> Iterator[str]:
    """A table for GitHub, as dvc draws it."""
    header = ["Status", "Hash", "Path"] if show_hash else ["Status", "Path"]
    rows = []
    for kind, entries in _kinds(found, hides=hides).items():
        rows += [[kind, *([_digest(row)] if show_hash else []), _shown_path(row)] for row in entries]
    widths = [max([len(title) + 2, *(len(row[n]) for row in rows)]) for n, title in enumerate(header)]
    yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(header, widths, strict=True)) + " |"
    yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    for row in rows:
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
    yield ""


def stat_lines(found: Difference, comparison: Comparison | None) -> Iterator[str]:
    """Counts, and bytes as far as they are known."""
    if comparison is not None:
        new = comparison.new.label if comparison.new else "workspace"
        yield (
            f"{comparison.old.path}: {comparison.old.label} -> {new}, "
            f"{comparison.old_files:,} -> {comparison.new_files:,} files"
        )
    rows = []
    for kind, entries in _kinds(found, hides=True).items():
        files = [row for row in entries if not row.path.endswith("/")]
        if files:
            rows.append((f"{len(files):,}", kind, *_bytes(files, comparison)))
    if rows:
        yield from _columns(rows)
    elif comparison is None:
        yield "no differences"


def _bytes(rows: Sequence[DiffRow], comparison: Comparison | None) -> tuple[str, ...]:
    if comparison is None:
        return ()
    olds = [row.old_size for row in rows if row.old is not None]
    news = [row.new_size for row in rows if row.new is not None and row.old_path is None]
    before, after = (None if None in sizes else sum(map(int, sizes)) for sizes in (olds, news))  # type: ignore[arg-type]
    if olds and news:
        return (f"{_size(before)} -> {_size(after)}",)
    return (_size(before if olds else after),)
