"""Merging two versions of a dataset that grew apart from one ancestor: files by path, annotations by key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from labops.model import DvcFile, Entry, Oid, Output, RelPath

V = TypeVar("V")
_ANNOTATIONS = ("desc", "type", "labels", "is_cached", "is_pushed", "is_persistent", "remote")


class Clash(NamedTuple):
    """One thing that both sides changed differently; `path` is empty for what is said about the whole."""

    path: str
    what: str


class MergedFiles(NamedTuple):
    """The entries of the merged tree, sorted; those in conflict are as we have them.

    `size` (bytes) is None where it cannot be known from the sizes of the three sides.
    """

    entries: tuple[Entry, ...]
    clashes: tuple[Clash, ...]
    size: int | None


class Sizes(NamedTuple):
    """Bytes of the three sides as their DVC files say, and of single objects as far as they are here."""

    base: int | None
    ours: int | None
    theirs: int | None
    of_objects: Mapping[Oid, int]


def three_way(base: V, ours: V, theirs: V) -> tuple[V, bool]:
    """The merged value, and whether that is a clash: then it is ours."""
    if ours == theirs or theirs == base:
        return ours, False
    return (theirs, False) if ours == base else (ours, True)


def merge_files(base: Sequence[Entry], ours: Sequence[Entry], theirs: Sequence[Entry], sizes: Sizes) -> MergedFiles:
    """Each path by itself: a side that left it as it was gives way to the one that did not."""
    was, mine, yours = ({entry.path: entry.oid for entry in side} for side in (base, ours, theirs))
    merged: dict[RelPath, Oid] = {}
    clashes = []
    for path in was.keys() | mine.keys() | yours.keys():
        oid, is_clash = three_way(was.get(path), mine.get(path), yours.get(path))
        if oid is not None:
            merged[path] = oid
        if is_clash:
            clashes.append(Clash(path, _what(was.get(path), mine.get(path), yours.get(path))))
    clashes += [Clash(path, "a file on one side, a folder on the other") for path in _folders(merged) & merged.keys()]
    entries = tuple(Entry(path, merged[path], sizes.of_objects.get(merged[path])) for path in sorted(merged))
    return MergedFiles(entries, tuple(sorted(clashes)), _size(was, mine, yours, sizes))


def _what(base: Oid | None, ours: Oid | None, theirs: Oid | None) -> str:
    if ours is None or theirs is None:
        return f"{'deleted' if ours is None else 'changed'} here, {'deleted' if theirs is None else 'changed'} there"
    return "added on both sides, differently" if base is None else "changed on both sides, differently"


def _folders(paths: Iterable[RelPath]) -> set[RelPath]:
    folders: set[str] = set()
    parents = {path.rpartition("/")[0] for path in paths}
    while parents:
        folders |= parents
        parents = {folder.rpartition("/")[0] for folder in parents} - folders
    return {RelPath(folder) for folder in folders - {""}}


def _size(
    was: Mapping[RelPath, Oid], mine: Mapping[RelPath, Oid], yours: Mapping[RelPath, Oid], sizes: Sizes
) -> int | None:
    """What each side added to the ancestor, counted once where both did the same."""
    if sizes.ours is None or sizes.theirs is None or (sizes.base is None and was):
        return None
    total = sizes.ours + sizes.theirs - (sizes.base or 0)
    for path in was.keys() | mine.keys() | yours.keys():
        old, new = was.get(path), mine.get(path)
        if new == yours.get(path) and new != old:
            for oid, sign in ((new, -1), (old, 1)):
                if oid is None:
                    continue
                size = sizes.of_objects.get(oid)
                if size is None:
                    return None
                total += sign * size
    return total


# -- what a DVC file says beside its content ----------------------------------------------------------


def merge_annotations(base: Output | None, ours: Output, theirs: Output) -> tuple[Output, tuple[Clash, ...]]:
    """`ours` with the description, labels, remote … of both; the content is not looked at."""
    clashes = []
    found: dict[str, object] = {}
    for name in _ANNOTATIONS:
        old = getattr(base, name) if base is not None else None
        found[name], is_clash = three_way(old, getattr(ours, name), getattr(theirs, name))
        if is_clash:
            clashes.append(Clash("", f"'{name.removeprefix('is_')}' of '{ours.path}'"))
    meta, lost = _merge_mappings(base.meta if base is not None else None, ours.meta, theirs.meta)
    clashes += [Clash("", f"'meta.{key}' of '{ours.path}'") for key in lost]
    return ours._replace(**found, meta=meta), tuple(clashes)  # type: ignore[arg-type]


def merge_file_facts(base: DvcFile, ours: DvcFile, theirs: DvcFile) -> tuple[DvcFile, tuple[Clash, ...]]:
    """`ours` with what the file itself says merged: description, meta, frozen; not its outputs and sources."""
    clashes = []
    found: dict[str, object] = {}
    for name in ("wdir", "is_frozen", "is_always_changed", "desc"):
        found[name], is_clash = three_way(getattr(base, name), getattr(ours, name), getattr(theirs, name))
        if is_clash:
            clashes.append(Clash("", f"'{name.removeprefix('is_')}'"))
    meta, lost = _merge_mappings(base.meta, ours.meta, theirs.meta)
    clashes += [Clash("", f"'meta.{key}'") for key in lost]
    return ours._replace(**found, meta=meta), tuple(clashes)  # type: ignore[arg-type]


def _merge_mappings(
    base: Mapping[str, object] | None, ours: Mapping[str, object] | None, theirs: Mapping[str, object] | None
) -> tuple[Mapping[str, object] | None, list[str]]:
    """Key by key, in our order and then theirs; the keys in conflict keep our value."""
    was, mine, yours = base or {}, ours or {}, theirs or {}
    merged: dict[str, object] = {}
    clashes = []
    for key in dict.fromkeys((*mine, *yours)):
        value, is_clash = three_way(was.get(key), mine.get(key), yours.get(key))
        if value is not None:
            merged[key] = value
        if is_clash:
            clashes.append(key)
    return merged or None, clashes


def follow_files(base: Sequence[Entry], ours: Sequence[Entry], theirs: Sequence[Entry]) -> MergedFiles:
    """Like `merge_files`, for a workspace: what is not here any more, or never was, stays away without a word.

    Nothing is lost by that: a file that is not here is in the version that its folder came from.
    """
    was, mine = {entry.path for entry in base}, {entry.path for entry in ours}
    absent = was - mine
    return merge_files(
        [entry for entry in base if entry.path not in absent],
        ours,
        [entry for entry in theirs if entry.path not in absent],
        Sizes(None, None, None, {}),
    )
