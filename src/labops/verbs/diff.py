"""`diff`: what changed in the data between two commits, two versions, or one of them and the workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from labops import index, references
from labops.errors import NotFound
from labops.history import Version
from labops.listings import Listings, Side
from labops.model import Oid, OnEvent, Selected, Selection, Tracked, ignore, is_tree_oid
from labops.planning.compare import compare, shown
from labops.planning.difference import Difference, Row, difference
from labops.project import Project


class Comparison(NamedTuple):
    """Two versions of datasets, compared; `new` is None for the workspace."""

    old: Version
    new: Version | None
    difference: Difference
    old_files: int
    new_files: int
    warnings: tuple[str, ...] = ()


# -- commits ------------------------------------------------------------------------------------------


def diff(
    project: Project,
    a_rev: str = "HEAD",
    b_rev: str | None = None,
    *,
    targets: Sequence[str] = (),
    on_event: OnEvent = ignore,
) -> Difference:
    """Every output, and every file inside folders, that differs between two commits, or one and the workspace.

    Against the workspace it also names what `a_rev` has and the cache lacks. A folder whose listing is
    neither in the cache nor on the remote is compared as a whole. Raises `NotFound` (`unknown-revision`,
    `no-such-target` for a target that neither side has). Before the first commit there are no differences.
    """
    history = project.history
    if history.head is None:
        return Difference()
    git = history.git
    a_sha = history.head if a_rev == "HEAD" else git.resolve(a_rev)
    b_sha = git.resolve(b_rev) if b_rev is not None else None
    if a_sha == b_sha:
        return Difference()
    before = index.load_revision(git, a_sha, project.git_prefix)
    after = project.tracked() if b_sha is None else index.load_revision(git, b_sha, project.git_prefix)
    old_items, new_items = _select(project, targets, before, after)
    if b_sha is not None:
        old_items, new_items = _without_equal(old_items, new_items)
    listings = Listings(project, on_event=on_event)
    old = listings.tracked(old_items)
    new = listings.workspace(new_items) if b_sha is None else listings.tracked(new_items)
    found = _compare(old, new)
    if b_sha is None:
        found = found._replace(not_in_cache=_not_in_cache(project, old_items, old))
    return found


def _select(
    project: Project, targets: Sequence[str], before: Sequence[Tracked], after: Sequence[Tracked]
) -> tuple[list[Selected], list[Selected]]:
    sides: list[list[Selected]] = []
    found: set[str] = set()
    for tracked in (before, after):
        here: list[Selected] = []
        for target in targets:
            try:
                here += project.select(Selection((target,)), tracked)
            except NotFound:
                continue
            found.add(target)
        chosen = here if targets else list(project.select(Selection(), tracked))
        sides.append([item for item in chosen if item.tracked.output.is_cached])
    for target in targets:
        if target not in found:
            project.select(Selection((target,)), after)  # says what is wrong with it
    return sides[0], sides[1]


def _without_equal(old: list[Selected], new: list[Selected]) -> tuple[list[Selected], list[Selected]]:
    """Outputs that are the same on both sides differ in no file: their listings need not be read."""

    def contents(items: list[Selected]) -> set[tuple[object, ...]]:
        return {(item.tracked.path, item.tracked.output.oid, item.tracked.output.hash_name) for item in items}

    same = contents(old) & contents(new)
    return [item for item in old if not contents([item]) & same], [item for item in new if not contents([item]) & same]


def _compare(old: Side, new: Side) -> Difference:
    changes = compare(old.listing, new.listing, unknown=old.unknown | new.unknown)
    return difference(old.listing, new.listing, changes)


def _not_in_cache(project: Project, items: Sequence[Selected], old: Side) -> tuple[Row, ...]:
    """What the old side has and the cache lacks."""
    rows: list[Row] = []
    for item in items:
        cache = project.cache(item.tracked.output.hash_name)
        top = item.tracked.path
        mine = {p: oid for p, oid in old.listing.items() if p == top or p.startswith(top + "/")}
        absent = cache.missing(set(mine.values()))
        rows += [Row(shown(path, oid), oid) for path, oid in mine.items() if oid in absent]
    return tuple(sorted(rows, key=lambda row: row.path))


# -- versions -----------------------------------------------------------------------------------------


def names_versions(project: Project, text: str) -> bool:
    """True when `text` means a version of a dataset (`NAME@v1`), not a git revision."""
    return _asked(project, text) is not None


def diff_versions(project: Project, old: str, new: str | None = None, *, on_event: OnEvent = ignore) -> Comparison:
    """Compare two versions file by file, with sizes; the second is the workspace when it is not given.

    Sizes are those of the objects in the cache and of the workspace's files, and unknown elsewhere. Raises
    `NotFound` (`listing-nowhere`) when the files of one side cannot be known.
    """
    one = _require(project, old)
    two = _require(project, new) if new is not None else None
    now = Selected(one.version.tracked(), one.selected.inside)
    listings = Listings(project, on_event=on_event)
    before = _inner(listings.tracked([one.selected]), one.selected)
    after = (
        _inner(listings.workspace([now]), now)
        if two is None
        else _inner(listings.tracked([two.selected]), two.selected)
    )
    for side, asked in ((before, one), (after, two)):
        if asked is not None and side.unknown:
            raise NotFound(
                f"the files of '{asked.target}' cannot be known: its listing is neither here nor on the remote",
                code="listing-nowhere",
                hint=f"fetch it on a machine that reaches the remote: lab fetch '{asked.target}'",
                target=asked.target,
            )
    is_same = two is None or two.version.path == one.version.path
    found = _compare(before, after)
    sized = _with_sizes(project, found, (one.version, two.version if two else one.version), after.sizes)
    warnings = []
    if two is not None and one.version.output.hash_name != two.version.output.hash_name:
        warnings.append("one version was made by DVC 2.x: text files with Windows line ends look changed")
    return Comparison(
        one.version,
        two.version if two else None,
        _below(sized, one.version.path, is_same=is_same),
        _nfiles(before),
        _nfiles(after),
        tuple(warnings),
    )


def _asked(project: Project, text: str) -> references.Asked | None:
    """What `NAME@VERSION` means, None for anything that is not of this form or names no dataset."""
    if "@" not in text or project.history.head is None:
        return None
    path = text.rpartition("@")[0]
    if not path:
        return None
    try:
        known = project.select(Selection((path,)), project.tracked())
    except NotFound:
        known = ()
    except ValueError:  # a revision such as `/…@{1}`: no path of ours
        return None
    if not known and not project.history.versions(project.relative(path)):
        return None
    _, found = references.split(project, Selection((text,)), project.tracked())
    return found[0] if len(found) == 1 else None


def _require(project: Project, text: str) -> references.Asked:
    found = _asked(project, text)
    if found is None:
        raise NotFound(
            f"'{text}' is no version of a dataset, and versions are compared with versions",
            code="no-such-version",
            hint="lab diff NAME@v1 NAME@v2, or lab diff NAME@v1 for the workspace",
            target=text,
        )
    return found


def _inner(side: Side, item: Selected) -> Side:
    """The same with paths relative to the dataset; a single file is called by its own name."""
    top = item.tracked.path
    cut = len(top) + 1
    listing = {path[cut:]: oid for path, oid in side.listing.items() if path != top}
    if not listing and top in side.listing and not is_tree_oid(side.listing[top]):
        listing = {"": side.listing[top]}
    return Side(listing, side.unknown, {path[cut:]: size for path, size in side.sizes.items()})


def _nfiles(side: Side) -> int:
    return len(side.listing)


def _with_sizes(
    project: Project, found: Difference, versions: tuple[Version, Version], known: Mapping[str, int]
) -> Difference:
    caches = [project.cache(version.output.hash_name) for version in versions]

    def size(which: int, oid: Oid | None, path: str) -> int | None:
        if oid is None:
            return None
        return known[path] if which == 1 and path in known else caches[which].size(oid)

    return Difference(
        *(
            tuple(
                row._replace(old_size=size(0, row.old, row.path), new_size=size(1, row.new, row.path)) for row in kind
            )
            for kind in found
        )
    )


def _below(found: Difference, top: str, *, is_same: bool) -> Difference:
    """Paths as the project knows them, below the dataset; of two datasets those that they share."""

    def place(path: str) -> str:
        if not path:
            return top
        return f"{top}/{path}" if is_same else path

    return Difference(
        *(
            tuple(row._replace(path=place(row.path), old_path=row.old_path and place(row.old_path)) for row in kind)
            for kind in found
        )
    )
