"""Two listings side by side: what was added, modified, deleted or renamed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from labops.model import Changes, Oid, is_tree_oid


def compare(old: Mapping[str, Oid], new: Mapping[str, Oid], *, unknown: Collection[str] = ()) -> Changes:
    """The differences between two listings of path → oid, each kind sorted; folders are shown with a `/`.

    A path that left one place and came up elsewhere with the same oid is renamed. `unknown` are folders that
    one side could not list: nobody knows what became of the files that are in them now, and those that only
    the old side names are no news.
    """
    inside = tuple(folder + "/" for folder in unknown)
    unclear = {path for path in (*old, *new) if path.startswith(inside)} if inside else set()
    added = sorted(new.keys() - old.keys() - unclear)
    deleted = sorted(old.keys() - new.keys() - unclear)
    modified = [path for path, oid in new.items() if old.get(path, oid) != oid and path not in unclear]
    renamed = _renamed(old, new, added, deleted)
    gone = {pair[0] for pair in renamed}
    come = {pair[1] for pair in renamed}
    return Changes(
        tuple(shown(path, new[path]) for path in added if path not in come),
        tuple(shown(path, new[path]) for path in sorted(modified)),
        tuple(shown(path, old[path]) for path in deleted if path not in gone),
        tuple((shown(left, old[left]), shown(right, new[right])) for left, right in renamed),
        tuple(shown(path, new[path]) for path in sorted(unclear) if path in new),
    )


def unchanged(*sides: Mapping[str, Oid]) -> tuple[str, ...]:
    """The paths that all sides hold with the same oid, sorted."""
    first, *others = sides
    return tuple(sorted(shown(path, oid) for path, oid in first.items() if all(o.get(path) == oid for o in others)))


def shown(path: str, oid: Oid) -> str:
    """The path as people see it: a folder ends with `/`."""
    return path + "/" if is_tree_oid(oid) else path


def _renamed(
    old: Mapping[str, Oid], new: Mapping[str, Oid], added: list[str], deleted: list[str]
) -> list[tuple[str, str]]:
    sources: dict[Oid, list[str]] = {}
    for path in reversed(deleted):
        sources.setdefault(old[path], []).append(path)
    return [(sources[new[path]].pop(), path) for path in added if sources.get(new[path])]
