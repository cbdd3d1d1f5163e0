"""Urls: data that no repository tracks, taken into this project's cache or sent to its remote.

What `import-url` and `update` share.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from labops import exchange, transfer
from labops.drivers import fs
from labops.errors import Corrupt, InvalidInput, LabError, NotFound
from labops.formats.dirfile import render_tree, tree_oid
from labops.formats.dvcconfig import Settings
from labops.imports import Taken
from labops.model import HERE, Action, Entry, OnEvent, RelPath, Step, Tree, file_tree, ignore
from labops.places.outside import Outside, OutsideFile, is_folder, open_outside
from labops.project import Project

UNPACKED = "unpacked"
"""The key below `meta: lab:` that says an import is the content of the archive at its url."""


class UrlOptions(NamedTuple):
    """How a url is taken. `md5` is what the one file must have; `is_unpacked` takes an archive's content."""

    md5: str | None = None
    is_unpacked: bool = False
    to_remote: bool = False
    remote: str | None = None
    jobs: int | None = None


def open_url(
    url: str, *, settings: Settings | None, fs_config: Mapping[str, str] | None, base: str, state_dir: str | None = None
) -> Outside:
    """The place behind `url`; `remote://NAME/path` is followed, a relative path counts from the folder `base`."""
    options = dict(fs_config or {})
    scheme, separator, rest = url.partition("://")
    place = url
    if scheme == "remote" and separator:
        name, _, below = rest.partition("/")
        found = settings.remotes.get(name.lower()) if settings is not None else None
        if found is None:
            raise NotFound(
                f"remote '{name}' does not exist", code="no-such-remote", hint=f"lab remote add {name} URL", remote=name
            )
        place = f"{found.url}/{below}" if below else found.url
        options = {**found.options, **options}
    elif not separator:
        place = os.path.join(base, os.path.expanduser(url))
    return open_outside(place, options, state_dir)


def take_url(
    project: Project,
    outside: Outside,
    files: Sequence[OutsideFile],
    options: UrlOptions,
    *,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Taken:
    """`files` of `outside` into the project's cache, or with `to_remote` straight to its remote.

    An interrupted download from a web server or bucket goes on when it is run again. Raises `Corrupt`
    (`wrong-hash`) when one file does not have `options.md5`, before anything of it is kept.
    """
    taken = Taken(steps=[Step(Action.DOWNLOAD, _shown(outside, file), None, max(file.size, 0)) for file in files])
    _check(files, options)
    if dry_run:
        return taken
    bench = fs.make_workbench(project.state.workbench())
    try:
        fetched, results = _fetch(project, outside, files, bench, options, on_event)
        for step, result in zip(taken.steps, results, strict=True):
            taken.outcomes.append(transfer.outcome_of(step, result))
        if any(outcome.error for outcome in taken.outcomes):
            return taken
        if options.md5:
            _compare(fetched[HERE], options.md5, outside.url)
        if options.is_unpacked:
            fetched = _unpacked(fetched[HERE], os.path.join(bench, "unpacked"))
        _keep(project, taken, fetched, options, on_event)
    finally:
        fs.remove_workbench(bench)
    return taken


def _shown(outside: Outside, file: OutsideFile) -> str:
    return f"{outside.url.rstrip('/')}/{file.path}" if file.path else outside.url


def _check(files: Sequence[OutsideFile], options: UrlOptions) -> None:
    if (options.md5 or options.is_unpacked) and is_folder(files):
        flag = "--md5" if options.md5 else "--extract"
        raise InvalidInput(f"'{flag}' is for one file, and the url names a folder", code="url-is-a-folder")


def _fetch(
    project: Project,
    outside: Outside,
    files: Sequence[OutsideFile],
    bench: str,
    options: UrlOptions,
    on_event: OnEvent,
) -> tuple[dict[RelPath, str], list[LabError | None]]:
    """Path → where the file is on this machine now, and how each fetch ended."""
    places: dict[RelPath, str] = {}
    partials = os.path.join(project.state.folder, "partial")
    fs.make_folder(partials)

    def work(row: tuple[int, OutsideFile]) -> None:
        number, file = row
        place = outside.local_path(file)
        if not place:
            place = f"{bench}/{number}"
            name = hashlib.md5(f"{_shown(outside, file)}|{file.etag}".encode()).hexdigest()
            outside.fetch(file, place, os.path.join(partials, name))
        places[file.path] = place

    results = transfer.each(
        list(enumerate(files)),
        work,
        phase="fetching",
        jobs=options.jobs or (transfer.NETWORK_JOBS if "://" in outside.url else transfer.DISK_JOBS),
        size_of=lambda row: max(row[1].size, 0),
        on_event=on_event,
    )
    return places, results


def _compare(path: str, md5: str, url: str) -> None:
    found = fs.hash_file(path).oid
    if found != md5.lower():
        raise Corrupt(
            f"'{url}' has the md5 {found}, not {md5.lower()}",
            code="wrong-hash",
            hint="check the hash with whoever published it; nothing was kept",
        )


def _unpacked(archive: str, folder: str) -> dict[RelPath, str]:
    from labops.drivers.fs.archives import unpack
    from labops.places.outside import Folder

    fs.make_folder(folder)
    unpack(archive, folder)
    inside = Folder(folder, folder)
    return {file.path: inside.local_path(file) for file in inside.files()}


def _keep(
    project: Project, taken: Taken, places: Mapping[RelPath, str], options: UrlOptions, on_event: OnEvent
) -> None:
    """Hash everything into the cache, or towards the remote, and make the tree."""
    rows = sorted(places.items())
    if options.to_remote:
        hashed = [fs.hash_file(path) for _, path in rows]
    else:
        with project.cache().batch() as batch:
            results = transfer.each(rows, lambda row: batch.store_file(row[1]), phase="adding", on_event=on_event)
            hashed = [_must(result) for result in results]
    entries = tuple(Entry(path, one.oid, one.fingerprint.size) for (path, _), one in zip(rows, hashed, strict=True))
    taken.tree = _tree(entries, is_folder=list(places) != [HERE] or options.is_unpacked)
    taken.size = sum(entry.size or 0 for entry in entries)
    if options.to_remote:
        sources = {entry.oid: places[entry.path] for entry in entries}
        exchange.send(project, taken.tree, sources, remote=options.remote, jobs=options.jobs, on_event=on_event)
    elif taken.tree.is_dir:
        with project.cache().batch() as batch:
            batch.store_bytes(taken.tree.oid, render_tree(entries))


def _must(result: fs.Hashed | LabError) -> fs.Hashed:
    if isinstance(result, LabError):
        raise result
    return result


def _tree(entries: tuple[Entry, ...], *, is_folder: bool) -> Tree:
    if is_folder:
        return Tree(tree_oid(render_tree(entries)), entries)
    return file_tree(entries[0].oid, entries[0].size)


def stamp_of(outside: Outside, files: Sequence[OutsideFile], taken: Taken) -> dict[str, object]:
    """What tells the content of a url later: the place's own tags, or for a path of this machine its hash."""
    known = outside.stamp(files)
    if known or not outside.local_path(files[0] if files else OutsideFile(HERE, 0)):
        return known
    tree = taken.tree
    if tree is None or tree.is_dir != is_folder(files):  # nothing was taken, or what is in an archive
        rows = [Entry(file.path, fs.hash_file(outside.local_path(file)).oid, file.size) for file in files]
        tree = _tree(tuple(rows), is_folder=is_folder(files))
    facts: dict[str, object] = {"md5": tree.oid, "size": sum(file.size for file in files)}
    return facts | ({"nfiles": tree.nfiles} if tree.is_dir else {})


def dependency(stamp: Mapping[str, object], path: str, fs_config: Mapping[str, str] | None) -> dict[str, object]:
    """The mapping that a DVC file holds, in dvc's order."""
    found: dict[str, object] = {**stamp, "hash": "md5", "path": path}
    return found | ({"fs_config": dict(fs_config)} if fs_config else {})


def dependency_path(project: Project, url: str, folder: str) -> str:
    """How a DVC file in `folder` names `url`: a path of the project, or a relative one, counts from there."""
    if "://" in url:
        return url
    place = os.path.abspath(os.path.expanduser(url))
    inside = os.path.realpath(place).startswith(os.path.realpath(project.root) + os.sep)
    if os.path.isabs(url) and not inside:
        return url
    return posixpath.normpath(os.path.relpath(place, project.absolute(folder)).replace(os.sep, "/"))
