"""`cache migrate`: give the objects of DVC 2.x their 3.x names, and on request the DVC files and a remote too.

hash every old object → the new names beside the old → tree objects → the remote → the DVC files
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from labops import pointers, transfer
from labops.drivers import fs
from labops.errors import Corrupt, InvalidInput, LabError, NotFound
from labops.formats.dirfile import render_tree, tree_oid
from labops.formats.dvcfile import import_md5, render_dvcfile
from labops.model import (
    Action,
    Entry,
    HashName,
    Oid,
    OnEvent,
    Outcome,
    Plan,
    Report,
    Result,
    Step,
    Tracked,
    Tree,
    file_tree,
    ignore,
    is_tree_oid,
)
from labops.places.cache import Batch
from labops.places.remote import Remote
from labops.planning.exchange import is_complete
from labops.project import Project
from labops.sides import jobs_for
from labops.survey import survey
from labops.trees import fetch_tree

_LINKS = ("reflink", "hardlink", "copy")


@dataclass(slots=True)
class _Migration:
    """What was planned and done so far. `names` are the 3.x names of the old objects, by their old ones."""

    steps: list[Step] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    names: dict[Oid, Oid] = field(default_factory=dict)
    trees: dict[Oid, Tree] = field(default_factory=dict)
    """The 3.x trees that are whole in the cache now, by their oid."""


def migrate(
    project: Project,
    *,
    dvc_files: bool = False,
    remote: str | None = None,
    jobs: int | None = None,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Store each 2.x object of the cache under its 3.x name too, by a link where that works; nothing is removed.

    With `dvc_files` the `.dvc` files and locks of the workspace point at the new names. With `remote` that
    remote gets them as well, by a copy it makes itself where the name is the same, else by an upload: nothing
    is downloaded, and it does not matter whether the DVC files were renamed now or before. A damaged object is
    a failed outcome. Can be repeated.
    """
    done = _Migration()
    with contextlib.nullcontext() if dry_run else project.lock():
        outdated = [item for item in project.tracked() if _is_outdated(item)] if dvc_files else []
        old = project.cache(HashName.MD5_DOS2UNIX)
        oids = sorted(old.list(), key=lambda oid: (is_tree_oid(oid), oid))
        done.steps += [Step(Action.STORE, f"cache: {oid[:2]}/{oid[2:]}", oid, old.size(oid)) for oid in oids]
        done.steps += [Step(Action.TRACK, item.path, item.output.oid, item.output.size) for item in outdated]
        if dry_run:
            return Report("migrate", Plan(tuple(done.steps)))
        with project.cache().batch() as batch:
            _store(project, batch, done, on_event)
            _store_trees(project, batch, done, [oid for oid in oids if is_tree_oid(oid)])
        new = [(item, _new_tree(project, done, item, on_event)) for item in outdated]
        if remote is not None:
            done.trees.update(_renamed_before(project, done, remote))
            _move_remote(project, done, remote, jobs, on_event)
        for item, tree in new:
            if tree is not None:
                _point(project, done, item, tree)
    warnings = tuple(dict.fromkeys(done.warnings))
    left = project.tell_git(list(dict.fromkeys(done.changed)))
    return Report("migrate", Plan(tuple(done.steps)), tuple(done.outcomes), warnings, changed_files=left)


def _is_outdated(item: Tracked) -> bool:
    output = item.output
    is_old = output.hash_name is HashName.MD5_DOS2UNIX and output.oid is not None
    return is_old and output.is_cached and not output.is_cloud_versioned


# -- the cache ----------------------------------------------------------------------------------------


def _store(project: Project, batch: Batch, done: _Migration, on_event: OnEvent) -> None:
    """Hash each old file and give it its new name."""
    old, new = project.cache(HashName.MD5_DOS2UNIX), project.cache()
    steps = [step for step in done.steps if step.action is Action.STORE and step.oid and not is_tree_oid(step.oid)]

    def work(step: Step) -> Result | None:
        assert step.oid is not None
        path = old.path(step.oid)
        name = fs.hash_file(path).oid
        if name != step.oid and fs.hash_file(path, HashName.MD5_DOS2UNIX).oid != step.oid:
            old.quarantine(step.oid)
        done.names[step.oid] = name
        if not new.missing([name]):
            return Result.ALREADY
        target = batch.temporary()
        old.link(step.oid, target, types=_LINKS)
        batch.adopt(name, target, step.size or 0)
        return None

    done.outcomes += transfer.apply(steps, work, phase="migrating", on_event=on_event)


def _store_trees(project: Project, batch: Batch, done: _Migration, oids: Sequence[Oid]) -> None:
    """A listing that names its files by hashes that are the same today is a 3.x listing as it is.

    dvc copies every one, also those whose files then have other names; such a listing is worth nothing.
    """
    old, new = project.cache(HashName.MD5_DOS2UNIX), project.cache()
    for oid in oids:
        step = next(step for step in done.steps if step.oid == oid and step.action is Action.STORE)
        try:
            tree = old.read_tree(oid)
        except LabError as error:
            done.outcomes.append(Outcome(step, Result.FAILED, error))
            continue
        if any(done.names.get(entry.oid) != entry.oid for entry in tree.entries):
            done.outcomes.append(Outcome(step, Result.SKIPPED))
            continue
        is_there = not new.missing([oid])
        batch.store_bytes(oid, fs.read_bytes(old.path(oid)))
        done.trees[oid] = tree
        done.outcomes.append(Outcome(step, Result.ALREADY if is_there else Result.DONE))


# -- the DVC files ------------------------------------------------------------------------------------


def _new_tree(project: Project, done: _Migration, item: Tracked, on_event: OnEvent) -> Tree | None:
    """The output's tree under 3.x names, in the cache; None, and a failed outcome, where its files are not here."""
    step = next(step for step in done.steps if step.action is Action.TRACK and step.path == item.path)
    try:
        tree = _renamed(project, done, item, on_event) or _from_workspace(project, item, on_event)
    except LabError as error:
        done.outcomes.append(Outcome(step, Result.FAILED, error))
        return None
    if tree is None:
        missing = NotFound(
            f"not all files of '{item.path}' are in the cache, so their 3.x names are not known",
            code="not-in-cache",
            hint=f"get them first: lab fetch {item.file}",
            path=item.path,
        )
        done.outcomes.append(Outcome(step, Result.FAILED, missing))
        return None
    done.trees[tree.oid] = tree
    return tree


def _renamed(project: Project, done: _Migration, item: Tracked, on_event: OnEvent) -> Tree | None:
    oid = item.output.oid
    assert oid is not None
    if not is_tree_oid(oid):
        return file_tree(done.names[oid], item.output.size) if oid in done.names else None
    old = fetch_tree(project, item, on_event=on_event)
    if any(entry.oid not in done.names for entry in old.entries):
        return None
    entries = tuple(Entry(entry.path, done.names[entry.oid]) for entry in old.entries)
    data = render_tree(entries)
    with project.cache().batch() as batch:
        batch.store_bytes(tree_oid(data), data)
    return Tree(tree_oid(data), entries)


def _from_workspace(project: Project, item: Tracked, on_event: OnEvent) -> Tree | None:
    """The same from the workspace, where that holds just what is recorded."""
    if survey(project, item.path, HashName.MD5_DOS2UNIX, on_event=on_event).oid != item.output.oid:
        return None
    with project.cache().batch() as batch:
        tree = survey(project, item.path, batch=batch, on_event=on_event).tree()
        assert tree is not None
        if tree.is_dir:
            batch.store_bytes(tree.oid, render_tree(tree.entries))
    return tree


def _point(project: Project, done: _Migration, item: Tracked, tree: Tree) -> None:
    """Write the new name into the DVC file; all else in it stays."""
    step = next(step for step in done.steps if step.action is Action.TRACK and step.path == item.path)
    output = item.output._replace(
        oid=tree.oid,
        hash_name=HashName.MD5,
        size=_size(project, tree) if item.output.size is None else item.output.size,
        nfiles=tree.nfiles if tree.is_dir else None,
    )
    if item.stage:
        done.changed.append(pointers.save_stage_output(project, item, output))
    else:
        pointers.save_output(project, item.file, output)
        _mend_import(project, item.file)
        done.changed.append(item.file)
    done.outcomes.append(Outcome(step, Result.DONE))


def _renamed_before(project: Project, done: _Migration, remote: str) -> dict[Oid, Tree]:
    """The trees of DVC files that an earlier run renamed: no old object leads to such a listing any more."""
    new, names, found = project.cache(), set(done.names.values()), {}
    for item in project.tracked():
        output = item.output
        is_ours = output.is_cached and output.is_pushed and not item.is_repo_import and output.remote in (None, remote)
        is_new = output.hash_name is HashName.MD5 and not output.is_cloud_versioned
        if not (is_ours and is_new) or output.oid is None or not is_tree_oid(output.oid) or new.missing([output.oid]):
            continue
        tree = new.read_tree(output.oid)
        if names.issuperset(entry.oid for entry in tree.entries):
            found[output.oid] = tree
    return found


def _size(project: Project, tree: Tree) -> int | None:
    sizes = [project.cache().size(entry.oid) for entry in tree.entries]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _mend_import(project: Project, file: str) -> None:
    """An import holds a hash over its own description."""
    dvcfile, text = pointers.read_pointer(project, file)
    if dvcfile.md5 is not None and dvcfile.md5 != import_md5(dvcfile):
        dvcfile = dvcfile._replace(md5=import_md5(dvcfile))
        fs.write_atomic(project.absolute(file), render_dvcfile(dvcfile, previous=text).encode())


# -- the remote ---------------------------------------------------------------------------------------


def _move_remote(project: Project, done: _Migration, name: str, jobs: int | None, on_event: OnEvent) -> None:
    """Files first, then the trees whose files are all there."""
    place = project.remote(name)
    if place.is_read_only:
        place.delete([])  # says so
    held = dict(project.remote(name, HashName.MD5_DOS2UNIX).list())
    unknown = [oid for oid in held if oid not in done.names and not is_tree_oid(oid)]
    if unknown:
        done.warnings.append(
            f"{len(unknown)} file(s) of remote '{place.name}' are not in the cache, so their 3.x names are not known; "
            "get them first: lab fetch -a -T"
        )
    wanted = {done.names[oid] for oid in held if oid in done.names}
    wanted |= {entry.oid for tree in done.trees.values() for entry in tree.entries}
    present = place.contains([*wanted, *done.trees], on_event=on_event)
    steps = [
        Step(Action.UPLOAD, f"{place.name}: files/md5/{oid[:2]}/{oid[2:]}", oid, project.cache().size(oid))
        for oid in sorted(wanted - present)
    ]
    done.steps += steps

    def work(step: Step) -> None:
        assert step.oid is not None
        size = step.size if step.size is not None else held[step.oid]
        if step.oid in held and done.names.get(step.oid) == step.oid:
            place.adopt(step.oid, size)
        else:
            place.upload(step.oid, project.cache().path(step.oid), size)

    threads = jobs_for(project, place.name, jobs)
    outcomes = transfer.apply(steps, work, phase="migrating", jobs=threads, on_event=on_event)
    place.finish()
    done.outcomes += outcomes
    arrived = {outcome.step.oid for outcome in outcomes if outcome.error is None and outcome.step.oid}
    _upload_trees(project, done, place, present | arrived)


def _upload_trees(project: Project, done: _Migration, place: Remote, present: set[Oid]) -> None:
    for oid, tree in done.trees.items():
        if not tree.is_dir or oid in present:
            continue
        step = Step(Action.UPLOAD, f"{place.name}: files/md5/{oid[:2]}/{oid[2:]}", oid)
        done.steps.append(step)
        if not is_complete(tree, present):
            done.outcomes.append(Outcome(step, Result.SKIPPED))
            continue
        try:
            place.upload_bytes(oid, fs.read_bytes(project.cache().path(oid)))
        except (Corrupt, InvalidInput) as error:
            done.outcomes.append(Outcome(step, Result.FAILED, error))
        else:
            done.outcomes.append(Outcome(step, Result.DONE))
    place.finish()
