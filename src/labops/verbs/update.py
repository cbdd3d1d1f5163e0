"""`update`: imports brought to what their source holds now.

open each source at its newest commit → objects → look for unsaved work → `.dvc` → workspace
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labops import pointers
from labops.drivers import fs
from labops.errors import InvalidInput, LabError, Unsupported
from labops.formats.dvcfile import import_md5, render_dvcfile
from labops.imports import Taken, open_origin, parse_origin, take, with_origin
from labops.landing import Arrival, arriving, placed
from labops.materialise import materialise
from labops.model import (
    Action,
    DvcFile,
    OnEvent,
    Outcome,
    Output,
    Plan,
    Report,
    Result,
    Selected,
    Selection,
    Step,
    Tracked,
    ignore,
)
from labops.project import Project
from labops.urls import UNPACKED, UrlOptions, dependency, open_url, stamp_of, take_url


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """What `update` was asked for beyond its targets. `rev` becomes the revision that the import follows."""

    rev: str | None = None
    is_deep: bool = False
    is_empty: bool = False
    """`--no-download`: note the newest version, fetch nothing."""
    to_remote: bool = False
    remote: str | None = None
    force: bool = False
    jobs: int | None = None


def update(
    project: Project,
    targets: Sequence[str],
    options: UpdateOptions = UpdateOptions(),
    *,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Bring the imports among `targets` up to date; anything else is only told.

    Unsaved work in the way fails that import with `Conflict` (`unsaved-changes`) unless `options.force`, before
    its DVC file is touched. One import that fails does not stop the others.
    """
    _check(targets, options)
    reports: list[Report] = []
    with arriving(project, dry_run=dry_run):
        selected = project.select(Selection(tuple(targets), recursive=options.is_deep))
        for item in {item.tracked.file: item.tracked for item in selected}.values():
            try:
                reports.append(_update_one(project, item, options, dry_run=dry_run, on_event=on_event))
            except LabError as error:
                step = Step(Action.TRACK, item.path)
                reports.append(Report("update", Plan((step,)), (Outcome(step, Result.FAILED, error),)))
        changed = [path for report in reports for path in report.changed_files]
        left = project.tell_git(changed) if changed else ()
    return Report(
        "update",
        Plan(tuple(step for report in reports for step in report.plan.steps)),
        tuple(outcome for report in reports for outcome in report.outcomes),
        tuple(warning for report in reports for warning in report.warnings),
        tuple(output for report in reports for output in report.outputs),
        left,
    )


def _check(targets: Sequence[str], options: UpdateOptions) -> None:
    problem = ""
    if not targets:
        problem = "nothing to update"
    elif options.to_remote and options.is_empty:
        problem = "'--to-remote' and '--no-download' exclude each other"
    elif options.remote and not options.to_remote:
        problem = "'--remote' needs '--to-remote'"
    if problem:
        raise InvalidInput(problem, code="bad-usage", hint="see: lab update --help")


def _update_one(project: Project, item: Tracked, options: UpdateOptions, *, dry_run: bool, on_event: OnEvent) -> Report:
    if item.origin is None:
        return Report("update", warnings=(f"'{item.address}' is no import, so there is nothing to update it from",))
    if item.is_repo_import:
        return _update_repo(project, item, options, dry_run=dry_run, on_event=on_event)
    return _update_url(project, item, options, dry_run=dry_run, on_event=on_event)


def _update_repo(
    project: Project, item: Tracked, options: UpdateOptions, *, dry_run: bool, on_event: OnEvent
) -> Report:
    if options.to_remote:
        raise InvalidInput(
            f"'{item.path}' comes from another repository, which keeps its data: it is not sent to a remote of ours",
            code="import-not-pushed",
            hint=f"lab update {item.file}",
        )
    assert item.origin is not None
    was = parse_origin(item.origin)
    origin = was._replace(rev=options.rev or was.rev)
    source = open_origin(project, origin, origin.rev, near=posixpath.dirname(item.file))
    origin = origin._replace(rev_lock=source.commit)
    if origin == was and item.output.oid is not None and _is_present(project, item):
        step = Step(Action.TRACK, item.path, item.output.oid)
        return Report("update", Plan((step,)), (Outcome(step, Result.ALREADY),), tuple(source.warnings))
    taken = Taken(warnings=list(source.warnings))
    source.find(origin.path)
    if not options.is_empty:
        taken = take(project, source, origin.path, jobs=options.jobs, dry_run=dry_run, on_event=on_event)
    if dry_run:
        return Report("update", Plan((*taken.steps, Step(Action.TRACK, item.path))), warnings=tuple(taken.warnings))
    if any(outcome.error for outcome in taken.outcomes):
        return Report("update", Plan(tuple(taken.steps)), tuple(taken.outcomes), tuple(taken.warnings))
    output = with_origin(item.output, taken) if taken.tree is not None else _emptied(item.output)
    return rewritten(project, item, output, origin.dependency(), taken, options, on_event)


def _update_url(project: Project, item: Tracked, options: UpdateOptions, *, dry_run: bool, on_event: OnEvent) -> Report:
    assert item.origin is not None
    path = str(item.origin["path"])
    config = item.origin.get("fs_config")
    fs_config = {str(key): str(value) for key, value in config.items()} if isinstance(config, Mapping) else None
    if fs_config and fs_config.get("version_aware", "").lower() == "true":
        raise Unsupported(
            f"'{item.path}' follows versions of a bucket", code="cloud-versioned", hint=f"dvc update {item.file}"
        )
    folder = posixpath.dirname(item.file)
    outside = open_url(
        path,
        settings=project.settings,
        fs_config=fs_config,
        base=project.absolute(folder),
        state_dir=os.path.join(project.state.folder, "remotes"),
    )
    files = outside.files()
    stamp = stamp_of(outside, files, Taken())
    is_same = stamp.keys() - {"size"} and all(item.origin.get(key) == value for key, value in stamp.items())
    is_here = options.to_remote or _is_present(project, item)
    if is_same and item.output.oid is not None and is_here:
        step = Step(Action.TRACK, item.path, item.output.oid)
        return Report("update", Plan((step,)), (Outcome(step, Result.ALREADY),))
    taken = Taken()
    if not options.is_empty:
        dvcfile, _ = pointers.read_pointer(project, item.file)
        how = UrlOptions(None, _is_unpacked(dvcfile), options.to_remote, options.remote, options.jobs)
        taken = take_url(project, outside, files, how, dry_run=dry_run, on_event=on_event)
    if dry_run:
        return Report("update", Plan((*taken.steps, Step(Action.TRACK, item.path))))
    if any(outcome.error for outcome in taken.outcomes):
        return Report("update", Plan(tuple(taken.steps)), tuple(taken.outcomes), tuple(taken.warnings))
    output = with_origin(item.output, taken) if taken.tree is not None else _emptied(item.output)
    return rewritten(project, item, output, dependency(stamp, path, fs_config), taken, options, on_event)


def _is_unpacked(dvcfile: DvcFile) -> bool:
    ours = (dvcfile.meta or {}).get("lab")
    return isinstance(ours, Mapping) and ours.get(UNPACKED) is True


def _is_present(project: Project, item: Tracked) -> bool:
    """True when the workspace holds what the DVC file says."""
    return not materialise(project, [Selected(item)], is_forced=True, dry_run=True).plan.steps


def _emptied(output: Output) -> Output:
    return output._replace(oid=None, size=None, nfiles=None, is_executable=False)


def rewritten(
    project: Project,
    item: Tracked,
    output: Output,
    dependency: dict[str, object],
    taken: Taken,
    options: UpdateOptions,
    on_event: OnEvent,
) -> Report:
    """Write the new content and source into the DVC file, then the workspace; unsaved work is asked about first."""
    shown = output._replace(oid=None) if options.to_remote else output
    materialise(project, [Selected(Tracked(item.path, shown, item.file))], is_forced=options.force, dry_run=True)
    dvcfile, text = pointers.read_pointer(project, item.file)
    new: DvcFile = dvcfile._replace(outs=(output,), deps=(dependency,), md5=None)
    new = new._replace(md5=import_md5(new))
    rendered = render_dvcfile(new, previous=text)
    changed = []
    if rendered != text:
        fs.write_atomic(project.absolute(item.file), rendered.encode())
        changed.append(item.file)
    report = placed(
        project, "update", Arrival(item.path, item.file), shown, taken, [], is_forced=options.force, on_event=on_event
    )
    return Report(report.verb, report.plan, report.outcomes, report.warnings, report.outputs, tuple(changed))
