"""`diff NAME@v1 NAME@v3`: two versions of a dataset file by file, or one and the workspace."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from labops.errors import NotFound
from labops.history import Version
from labops.history.references import Asked, Resolver
from labops.listings import Listings
from labops.model import Oid, OnEvent, Selected, Selection, ignore, is_tree_oid
from labops.planning.compare import compare
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


class _Files(NamedTuple):
    """The files of one side by their paths inside the dataset (`""` for a single file), with sizes as far as known."""

    oids: dict[str, Oid]
    size_of: Callable[[str, Oid], int | None]


def diff_versions(
    project: Project, old: str | None, new: str | None = None, *, on_event: OnEvent = ignore
) -> Comparison | None:
    """Compare two versions, or `old` and the workspace; None when neither text names a version of a dataset.

    Sizes are those of the objects in the cache and of the workspace's files, and unknown elsewhere. Raises
    `NotFound`: `no-such-version` when only one names a version, and `listing-nowhere` when the files of one side
    cannot be known.
    """
    if not any(text is not None and "@" in text for text in (old, new)):
        return None
    asked = _ask(project, [text for text in (old, new) if text is not None])
    if not any(asked.values()):
        return None
    for text, found in asked.items():
        if found is None:
            raise NotFound(
                f"'{text}' is no version of a dataset, and versions are compared with versions",
                code="no-such-version",
                hint="lab diff NAME@v1 NAME@v2, or lab diff NAME@v1 for the workspace",
                target=text,
            )
    one, two = asked[old or ""], asked[new] if new is not None else None
    assert one is not None
    return _compare(project, one, two, on_event)


def _ask(project: Project, texts: list[str]) -> dict[str, Asked | None]:
    """What each `NAME@VERSION` means; None for a text of another form, or that names no dataset."""
    tracked = project.tracked()
    resolver = Resolver(project, tracked)
    found: dict[str, Asked | None] = {}
    for text in texts:
        path = text.rpartition("@")[0]
        found[text] = None
        if not path or resolver.history.head is None:
            continue
        try:
            known = bool(project.select(Selection((path,)), tracked))
        except NotFound:
            known = bool(resolver.history.versions(project.relative(path)))
        except ValueError:  # no path of this project: a revision such as `@{1}`
            continue
        rows = (resolver.resolve(text) or []) if known else []
        found[text] = rows[0] if len(rows) == 1 else None
    return found


def _compare(project: Project, one: Asked, two: Asked | None, on_event: OnEvent) -> Comparison:
    listings = Listings(project, on_event=on_event)
    before = _at_version(project, listings, one)
    after = _at_version(project, listings, two) if two else _in_workspace(listings, one)
    found = difference(before.oids, after.oids, compare(before.oids, after.oids))
    is_same = two is None or two.version.path == one.version.path
    shown = _shown(found, before, after, one.version.path, is_same=is_same)
    warnings: tuple[str, ...] = ()
    if two is not None and one.version.output.hash_name != two.version.output.hash_name:
        warnings = ("one version was made by DVC 2.x: text files with Windows line ends look changed",)
    return Comparison(one.version, two and two.version, shown, len(before.oids), len(after.oids), warnings)


def _at_version(project: Project, listings: Listings, asked: Asked) -> _Files:
    item, output = asked.selected, asked.version.output
    assert output.oid is not None
    cache = project.cache(output.hash_name)

    def size_of(_: str, oid: Oid) -> int | None:
        return cache.size(oid)

    if not is_tree_oid(output.oid):
        return _Files({"": output.oid}, size_of)
    tree = listings.tree(item.tracked, output.oid)
    if tree is None:
        raise NotFound(
            f"the files of '{asked.target}' cannot be known: its listing is neither here nor on the remote",
            code="listing-nowhere",
            hint=f"fetch it on a machine that reaches the remote: lab fetch '{asked.target}'",
            target=asked.target,
        )
    entries = tree.entries if item.is_whole else [entry for entry in tree.entries if item.covers(entry.path)]
    return _Files({path: oid for path, oid, _ in entries}, size_of)


def _in_workspace(listings: Listings, asked: Asked) -> _Files:
    """What lies at the dataset's place now, hashed as the version was."""
    top = asked.version.path
    side = listings.workspace([Selected(asked.version.tracked(), asked.selected.inside)])
    cut = len(top) + 1
    oids = {path[cut:]: oid for path, oid in side.listing.items() if path != top or not is_tree_oid(oid)}
    return _Files(oids, lambda path, _: side.sizes.get(f"{top}/{path}" if path else top))


def _shown(found: Difference, before: _Files, after: _Files, top: str, *, is_same: bool) -> Difference:
    """With sizes, and with paths as the project knows them; of two datasets with those that they share."""

    def place(path: str) -> str:
        if not path:
            return top
        return f"{top}/{path}" if is_same else path

    def finished(row: Row) -> Row:
        old = row.old_path or row.path
        return row._replace(
            path=place(row.path),
            old_path=row.old_path and place(row.old_path),
            old_size=before.size_of(old, row.old) if row.old else None,
            new_size=after.size_of(row.path, row.new) if row.new else None,
        )

    return Difference(*(tuple(map(finished, kind)) for kind in found))
