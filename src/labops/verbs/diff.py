"""`diff`: what changed in the data between two commits, or one of them and the workspace."""

from __future__ import annotations

from collections.abc import Sequence

from labops import index
from labops.drivers.git import Git
from labops.errors import NotFound
from labops.listings import Listings, Side
from labops.model import OnEvent, Selected, Selection, Tracked, ignore
from labops.planning.compare import compare, shown
from labops.planning.difference import Difference, Row, difference
from labops.project import Project


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
    a_sha = history.head if a_rev == "HEAD" else _resolve(project, git, a_rev)
    b_sha = _resolve(project, git, b_rev) if b_rev is not None else None
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


def _resolve(project: Project, git: Git, rev: str) -> str:
    """The commit; who names a dataset instead of one is told how to ask about it."""
    try:
        return git.resolve(rev)
    except NotFound as error:
        if any(rev.rstrip("/") in (item.path, item.file) for item in project.tracked()):
            name = rev.rstrip("/")
            error.hint = f"'{name}' is a dataset: lab diff --targets '{name}', or lab diff '{name}@v1' '{name}@v2'"
        raise


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
