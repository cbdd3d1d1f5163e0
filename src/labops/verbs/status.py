"""`status`: what differs between DVC files, workspace and cache, or between cache and remote."""

from __future__ import annotations

import itertools
import os
import posixpath
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from labops.errors import Corrupt, InvalidInput, NotFound
from labops.model import CloudStatusRow, OnEvent, Selected, Selection, StatusRow, Tracked, ignore, is_tree_oid
from labops.project import Project
from labops.survey import Survey, survey, witness

if TYPE_CHECKING:
    from labops.pipelines import Stage


def status(
    project: Project,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    *,
    on_event: OnEvent = ignore,
) -> tuple[StatusRow, ...]:
    """Every difference of the selected outputs, in the order of their DVC files; empty when all is clean.

    States are dvc's: `deleted`, `new`, `modified`, and, before all others, `not in cache` when any object
    of the output is absent there. Paths are relative to the current directory. Reads only files that changed.
    """
    if selection.all_branches or selection.all_tags or selection.all_commits:
        raise InvalidInput(
            "other revisions can only be compared with a remote",
            code="bad-status-options",
            hint="add --cloud (or -r NAME), or leave out --all-branches, --all-tags and --all-commits",
        )
    tracked = project.tracked()
    stages = _stages(project, tracked)
    bare = [target for target in selection.targets if target in stages and not stages[target].facts.outs]
    targets = tuple(target for target in selection.targets if target not in bare)
    chosen = selection._replace(targets=targets)
    selected = project.select(chosen, tracked, has_versions=True) if targets or not bare else ()
    rows: list[StatusRow] = []
    for address, items in itertools.groupby(selected, key=lambda item: _shown_address(project, item.tracked)):
        rows += _stage_rows(project, address, list(items), stages.pop(address, None), on_event)
    for address, stage in stages.items():
        if not stage.facts.outs and (address in bare or not selection.targets):
            rows += _stage_rows(project, address, [], stage, on_event)
    return tuple(rows)


def _stages(project: Project, tracked: Sequence[Tracked]) -> dict[str, Stage]:
    """The stages of pipelines by the names that people know from here."""
    if not any(item.stage for item in tracked) and not os.path.exists(project.absolute("dvc.yaml")):
        return {}
    from labops import pipelines  # few projects have one

    stages = pipelines.load_stages(project, tracked)
    return {_address(project, stage.file, stage.facts.stage): stage for stage in stages}


def _stage_rows(
    project: Project, address: str, items: Sequence[Selected], stage: Stage | None, on_event: OnEvent
) -> Iterator[StatusRow]:
    """What changed about one DVC file or stage, in dvc's order."""
    if stage is not None:
        from labops.pipelines import changed_deps, changed_stage

        yield from changed_deps(project, stage, address, on_event=on_event)
    if items and items[0].tracked.is_import:
        yield from _checksum_rows(project, items[0].tracked)
    for item in items:
        state = _state(project, item, on_event)
        if state:
            yield StatusRow(address, "changed outs", project.shown(item.tracked.path), state)
    if stage is not None:
        yield from changed_stage(stage, address)


def _shown_address(project: Project, tracked: Tracked) -> str:
    return _address(project, tracked.file, tracked.stage)


def _address(project: Project, file: str, stage: str) -> str:
    shown = project.shown(file)
    if not stage:
        return shown
    return stage if shown == "dvc.yaml" else f"{shown}:{stage}"


def _checksum_rows(project: Project, tracked: Tracked) -> Iterator[StatusRow]:
    """An import whose file was edited by hand no longer has the md5 that it claims."""
    from labops.formats.dvcfile import import_md5
    from labops.pointers import read_pointer

    dvcfile, _ = read_pointer(project, tracked.file)
    if dvcfile.md5 and dvcfile.md5 != import_md5(dvcfile):
        yield StatusRow(project.shown(tracked.file), "changed checksum")


def _state(project: Project, item: Selected, on_event: OnEvent) -> str:
    output = item.tracked.output
    if output.is_cloud_versioned:
        return ""
    now = survey(project, item.tracked.path, output.hash_name, on_event=on_event)
    if output.oid is not None and output.is_cached and not _is_cached(project, item, now):
        return "not in cache"
    if now.is_missing:
        return "deleted"
    if output.oid is None:
        return "new"
    if now.oid == output.oid:
        return ""
    return "modified" if item.is_whole or _part_differs(project, item, now) else ""


def _is_cached(project: Project, item: Selected, now: Survey) -> bool:
    """True when every object of the output is in the cache. Needs no listing when the workspace is as tracked."""
    output = item.tracked.output
    cache = project.cache(output.hash_name)
    assert output.oid is not None
    seen = witness(cache, now.scan)
    if project.state.is_proven(item.tracked.path, output.oid, seen):
        return True
    if now.oid == output.oid:
        oids = set(now.recall.known_oids())
    else:
        try:
            oids = {entry.oid for entry in cache.read_tree(output.oid).entries}
        except (NotFound, Corrupt):
            return False
    is_complete = not cache.missing(oids | {output.oid})
    if is_complete:
        project.state.prove(item.tracked.path, output.oid, seen)
    return is_complete


def _part_differs(project: Project, item: Selected, now: Survey) -> bool:
    output = item.tracked.output
    if output.oid is None or not is_tree_oid(output.oid):
        return True
    tree = project.cache(output.hash_name).read_tree(output.oid)
    want = {entry.path: entry.oid for entry in tree.entries if item.covers(entry.path)}
    return want != {entry.path: entry.oid for entry in now.entries() if item.covers(entry.path)}


def cloud_status(
    project: Project,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    *,
    remote: str | None = None,
    jobs: int | None = None,
    on_event: OnEvent = ignore,
) -> tuple[CloudStatusRow, ...]:
    """Objects that are only in the cache (`new`), only on the remote (`deleted`), or in neither (`missing`).

    Every file is asked for; a listing on the remote proves nothing. Outputs with a remote of their own are
    left out, as in dvc. Paths are relative to the current directory, sorted.
    """
    from labops import exchange  # heavy, and plain `status` must start at once

    selected = [item for item in project.select_everywhere(selection) if item.tracked.output.remote is None]
    rows = set()
    for name, is_cached, is_remote in exchange.compare(project, selected, remote=remote, jobs=jobs, on_event=on_event):
        if is_cached and is_remote:
            continue
        state = "new" if is_cached else "deleted" if is_remote else "missing"
        rows.add(CloudStatusRow(posixpath.normpath(project.shown(name)), state))
    return tuple(sorted(rows))
