"""Two listings side by side: what was added, modified, deleted or renamed."""

from __future__ import annotations

from collections.abc import Mapping

from labops.model import Changes, Oid


def compare(old: Mapping[str, Oid | None], new: Mapping[str, Oid | None], *, unknown: tuple[str, ...] = ()) -> Changes:
    """The differences between two listings of path → oid, each kind sorted by path.

    A path that left one place and came up elsewhere with the same oid is renamed. An oid of None is a path
    without a known content, which counts as modified wherever the other side knows one.
    """
    added = sorted(path for path in new if path not in old)
    deleted = sorted(path for path in old if path not in new)
    modified = tuple(sorted(path for path in new if path in old and old[path] != new[path]))
    renamed = _renamed(old, new, added, deleted)
    gone = {pair[0] for pair in renamed}
    come = {pair[1] for pair in renamed}
    return Changes(
        tuple(path for path in added if path not in come),
        modified,
        tuple(path for path in deleted if path not in gone),
        tuple(renamed),
        unknown,
    )


def _renamed(
    old: Mapping[str, Oid | None], new: Mapping[str, Oid | None], added: list[str], deleted: list[str]
) -> list[tuple[str, str]]:
    sources: dict[Oid, list[str]] = {}
    for path in reversed(deleted):
        oid = old[path]
        if oid is not None:
            sources.setdefault(oid, []).append(path)
    pairs = []
    for path in added:
        oid = new[path]
        if oid is not None and sources.get(oid):
            pairs.append((sources[oid].pop(), path))
    return pairs
