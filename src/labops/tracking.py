"""Tracking: files or folders of the workspace get a pointer, whoever asks for it (`add`, `publish`).

    look at every target → hash and store what changed → tree objects → `.gitignore` → `.dvc`

All targets are hashed and stored before the first pointer file is written: a failure leaves every
pointer as it was, and git never gets to see the data.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from labops import exchange, pointers
from labops.errors import InvalidInput, NotFound
from labops.formats.dirfile import render_tree, tree_oid
from labops.history import references
from labops.materialise import materialise
from labops.model import (
    Action,
    HashName,
    OnEvent,
    Outcome,
    Output,
    Plan,
    Report,
    Result,
    Selected,
    Step,
    Tracked,
    Tree,
    ignore,
    is_tree_oid,
)
from labops.places.cache import Batch
from labops.planning.add import merge_into
from labops.project import Project
from labops.survey import Survey, survey, witness
from labops.targets import Into, Target, expand_globs, refuse, resolve
from labops.trees import fetch_tree


@dataclass(frozen=True, slots=True)
class AddOptions:
    """What `add` was asked for beyond its targets.

    `out` puts a copy of the (one) source there; `to_remote` uploads it instead of keeping it here. `commit`
    False only writes pointers. `desc`, `type`, `labels` and `meta` annotate the output; None keeps what is.
    """

    glob: bool = False
    out: str | None = None
    to_remote: bool = False
    remote: str | None = None
    jobs: int | None = None
    commit: bool = True
    force: bool = False
    relink: bool = True
    desc: str | None = None
    type: str | None = None
    labels: tuple[str, ...] | None = None
    meta: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """One target after hashing."""

    target: Target
    surveys: tuple[Survey, ...]
    tree: Tree
    size: int | None
    hash_name: HashName = HashName.MD5


def track(
    project: Project,
    targets: Sequence[str],
    options: AddOptions = AddOptions(),
    *,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Track `targets`, paths relative to the current directory; the caller holds the lock, unless `dry_run`.

    All of them are tracked afterwards, or none. A path inside a tracked folder updates that folder's listing;
    the rest of it need not be here.
    """
    tracked = project.tracked()
    names = expand_globs(targets) if options.glob else targets
    references.refuse_versions(project, names, tracked, "add")
    into = Into(options.out, is_sent=options.to_remote, is_forced=options.force)
    wanted = resolve(project, names, tracked, into)
    refuse(project, wanted, tracked)
    if dry_run:
        found = [_look(project, target, None, options, on_event) for target in wanted]
        is_cached = options.commit and not options.to_remote
        steps = tuple(_foreseen(project, found) if is_cached else _steps(found))
        return Report("add", Plan(steps), warnings=tuple(_warnings(found)))
    batch = None
    if options.to_remote:
        found = _send(project, wanted, options, on_event)
    elif options.commit:
        found, batch = _store(project, wanted, options, on_event)
    else:
        found = [_look(project, target, None, options, on_event, remember=True) for target in wanted]
    changed = _write_pointers(project, found, options)
    if options.relink and options.commit and not options.to_remote:
        _relink(project, found, on_event)
    steps = tuple(_steps(found))
    outcomes = tuple(Outcome(step, Result.DONE) for step in steps)
    changed_files = project.tell_git(changed)
    if batch is not None:
        _remember_presence(project, batch, found)
    return Report("add", Plan(steps), outcomes, tuple(_warnings(found)), changed_files=changed_files)


# -- hashing and storing ------------------------------------------------------------------------------


def _store(
    project: Project, wanted: Sequence[Target], options: AddOptions, on_event: OnEvent
) -> tuple[list[_Found], Batch]:
    with project.cache().batch() as batch:
        found = [_look(project, target, batch, options, on_event, remember=True) for target in wanted]
        for item in found:
            if item.tree.is_dir and item.hash_name is HashName.MD5:  # an unchanged 2.x folder has its own cache
                batch.store_bytes(item.tree.oid, _listing(item))
    return found, batch


def _remember_presence(project: Project, batch: Batch, found: Sequence[_Found]) -> None:
    """So that the next command need not look for each object. Last of all: a folder just written proves nothing."""
    for item in found:
        is_ours = item.hash_name is HashName.MD5 and not item.target.parts
        if is_ours and witness(project.cache(), item.surveys[0].scan):
            proof = batch.proof([item.tree.oid, *(entry.oid for entry in item.tree.entries)])
            project.state.prove(item.target.path, item.tree.oid, proof)


def _listing(item: _Found) -> bytes:
    """The bytes of the tree object; the survey has made them unless nothing changed or only parts were seen."""
    made = None if item.target.parts else item.surveys[0].listing
    return made or render_tree(item.tree.entries)


def _look(
    project: Project,
    target: Target,
    batch: Batch | None,
    options: AddOptions,
    on_event: OnEvent,
    *,
    remember: bool = False,
) -> _Found:
    """Hash one target, into `batch` if there is one."""
    if target.parts:
        return _look_inside(project, target, batch, on_event, remember=remember)
    source = target.source if target.source != project.absolute(target.path) else None
    old = target.old.output if target.old else None
    if old is not None and old.hash_name is HashName.MD5_DOS2UNIX:
        kept = _look_legacy(project, target, old, options, on_event, remember=remember)
        if kept is not None:
            return kept
    seen = survey(project, target.path, batch=batch, source=source, remember=remember, on_event=on_event)
    tree = seen.tree()
    assert tree is not None
    return _Found(target, (seen,), tree, tree.size)


def _look_legacy(
    project: Project, target: Target, old: Output, options: AddOptions, on_event: OnEvent, *, remember: bool
) -> _Found | None:
    """A 2.x output whose content is the same under its old hash stays as it is."""
    hash_name = HashName.MD5_DOS2UNIX
    seen = survey(project, target.path, hash_name, remember=remember, on_event=on_event)
    tree = seen.tree()
    if tree is None or tree.oid != old.oid:
        return None
    if remember and options.commit:
        with project.cache(hash_name).batch() as batch:
            seen = survey(project, target.path, hash_name, batch=batch, on_event=on_event)
            if tree.is_dir:
                batch.store_bytes(tree.oid, render_tree(tree.entries))
    return _Found(target, (seen,), tree, old.size, hash_name)


def _look_inside(project: Project, target: Target, batch: Batch | None, on_event: OnEvent, *, remember: bool) -> _Found:
    """A new listing for a tracked folder of which only `target.parts` are looked at."""
    assert target.old is not None
    output = target.old.output
    if output.hash_name is HashName.MD5_DOS2UNIX:
        raise InvalidInput(
            f"'{target.path}' is a dvc 2.x folder; one file cannot be added to it without mixing two kinds of hash",
            code="legacy-folder",
            hint=f"upgrade all of it first: lab pull {target.path} && touch a file && lab add {target.path}",
        )
    tree = _known_tree(project, target.old, on_event)
    surveys = []
    size = output.size
    for part in target.parts:
        seen = survey(project, f"{target.path}/{part}", batch=batch, remember=remember, on_event=on_event)
        if seen.is_missing and not tree.below(part):
            path = f"{target.path}/{part}"
            raise NotFound(f"'{path}' does not exist", code="no-such-file", hint="check the spelling", path=path)
        merged = merge_into(tree.entries, part, seen.entries(), size)
        tree, size = Tree(tree_oid(render_tree(merged.entries)), merged.entries), merged.size
        surveys.append(seen)
    return _Found(target, tuple(surveys), tree, output.size if tree.oid == output.oid else size)


def _known_tree(project: Project, item: Tracked, on_event: OnEvent) -> Tree:
    """The listing of a tracked folder, from the cache or else from its remote."""
    if item.output.oid is None or not is_tree_oid(item.output.oid):
        raise InvalidInput(f"'{item.path}' is tracked as a file", code="not-a-folder", path=item.path)
    return fetch_tree(project, item, on_event=on_event)


def _send(project: Project, wanted: Sequence[Target], options: AddOptions, on_event: OnEvent) -> list[_Found]:
    """`--to-remote`: hash the source where it is and upload it; nothing stays here but the pointer."""
    (target,) = wanted
    seen = survey(project, target.path, source=target.source, remember=False, on_event=on_event)
    tree = seen.tree()
    assert tree is not None
    files = {entry.oid: f"{target.source}/{entry.path}" if entry.path else target.source for entry in tree.entries}
    exchange.send(project, tree, files, remote=options.remote, jobs=options.jobs, on_event=on_event)
    return [_Found(target, (seen,), tree, tree.size)]


# -- writing ------------------------------------------------------------------------------------------


def _write_pointers(project: Project, found: Sequence[_Found], options: AddOptions) -> list[str]:
    """`.gitignore` lines first: data must be ignored before anything points at it."""
    changed = pointers.ignore_outputs(project, [item.target.path for item in found])
    for item in found:
        output = _output(item, options)
        is_plain = item.target.old is not None and item.target.old.is_import
        if pointers.save_output(project, item.target.file, output, is_plain=is_plain):
            changed.append(item.target.file)
    return changed


def _output(item: _Found, options: AddOptions) -> Output:
    target = item.target
    base = target.old.output if target.old else Output(posixpath.basename(target.path))
    if base.oid != item.tree.oid:
        base = base._replace(hash_name=HashName.MD5)  # changed data upgrades a 2.x output
    if options.desc is not None:
        base = base._replace(desc=options.desc)
    if options.type is not None:
        base = base._replace(type=options.type)
    if options.labels is not None:
        base = base._replace(labels=options.labels)
    if options.meta is not None:
        base = base._replace(meta={**(base.meta or {}), **options.meta})
    return pointers.with_content(base, item.tree, size=item.size, is_executable=item.surveys[0].is_executable)


def _relink(project: Project, found: Sequence[_Found], on_event: OnEvent) -> None:
    """Put links to the cache where the configuration asks for them, and files where symbolic links were."""
    types = project.cache().link_types
    for item in found:
        target, tree = item.target, item.tree
        if target.parts or (target.old and target.old.output.hash_name is HashName.MD5_DOS2UNIX):
            continue
        output = Output(
            posixpath.basename(target.path), tree.oid, size=tree.size, is_executable=item.surveys[0].is_executable
        )
        selected = Selected(Tracked(target.path, output, target.file))
        if target.source != project.absolute(target.path):
            materialise(project, [selected], is_forced=True, on_event=on_event)
        elif types[:1] in (("hardlink",), ("symlink",)):
            unlinked = frozenset(
                entry.path
                for entry in tree.entries
                if not project.cache().is_linked(entry.oid, _join(target.source, entry.path), types[0])
            )
            materialise(project, [selected], relinking=unlinked, on_event=on_event)
        elif links := item.surveys[0].linked_paths():
            materialise(project, [selected], relinking=links, on_event=on_event)


def _join(top: str, path: str) -> str:
    return f"{top}/{path}" if path else top


# -- telling ------------------------------------------------------------------------------------------


def _steps(found: Sequence[_Found]) -> Iterator[Step]:
    for item in found:
        for seen in item.surveys:
            for path, size in seen.read:
                yield Step(Action.STORE, _join(seen.path, path), None, size)
        yield Step(Action.TRACK, item.target.path, item.tree.oid, item.size)


def _foreseen(project: Project, found: Sequence[_Found]) -> Iterator[Step]:
    """What the cache lacks, each content once and by name: what a look had to hash says nothing about that."""
    for item in found:
        cache = project.cache(item.hash_name)
        for seen in item.surveys:
            entries = sorted(seen.entries())
            lacking = cache.missing([entry.oid for entry in entries])
            for entry in entries:
                if entry.oid in lacking:
                    lacking.discard(entry.oid)
                    yield Step(Action.STORE, _join(seen.path, entry.path), None, entry.size)
        yield Step(Action.TRACK, item.target.path, item.tree.oid, item.size)


def _warnings(found: Sequence[_Found]) -> Iterator[str]:
    for item in found:
        for seen in item.surveys:
            yield from seen.losses()
        old = item.target.old
        before = old.output.nfiles if old else None
        if before is not None and not item.target.parts and item.tree.nfiles < before:
            gone = before - item.tree.nfiles
            yield (
                f"'{item.target.path}' has {gone} file(s) fewer than before; if they were only not pulled, "
                f"take this back: git checkout -- '{item.target.file}'"
            )
