"""`import-url`: a file or folder from any url, tracked here together with where it came from."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from labops.errors import InvalidInput
from labops.imports import Taken, with_origin
from labops.landing import arrive, arriving, written
from labops.model import Action, DvcFile, OnEvent, Output, Plan, Report, Step, ignore
from labops.places.outside import name_of
from labops.project import Project
from labops.urls import UNPACKED, UrlOptions, dependency, dependency_path, open_url, stamp_of, take_url

_ARCHIVES = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".tar", ".zip")


@dataclass(frozen=True, slots=True)
class ImportUrlOptions:
    """What `import-url` was asked for beyond the url.

    `is_planned` (`--no-exec`) only writes the DVC file, `is_empty` (`--no-download`) notes what is at the url too.
    `to_remote` keeps nothing here: the data goes straight to a remote.
    """

    out: str | None = None
    is_planned: bool = False
    is_empty: bool = False
    force: bool = False
    how: UrlOptions = UrlOptions()  # noqa: RUF009 - frozen
    fs_config: Mapping[str, str] | None = None


def import_url(
    project: Project,
    url: str,
    options: ImportUrlOptions = ImportUrlOptions(),
    *,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Track what is at `url` (a path, `http(s)://`, `s3://`, `remote://NAME/path`), and put it into the workspace.

    Raises `Conflict` (`destination-exists`) without `options.force`, `NotFound` (`no-such-url`) and `Unsupported`
    (`unsupported-url`). Nothing is tracked when something could not be had.
    """
    _check(options)
    outside = open_url(
        url,
        settings=project.settings,
        fs_config=options.fs_config,
        base=os.getcwd(),
        state_dir=os.path.join(project.state.folder, "remotes"),
    )
    with arriving(project, dry_run=dry_run):
        arrival = arrive(project, _name(url, options), options.out, force=options.force)
        files = [] if options.is_planned else outside.files()
        taken = Taken()
        if not options.is_planned and not options.is_empty:
            taken = take_url(project, outside, files, options.how, dry_run=dry_run, on_event=on_event)
        steps = (*taken.steps, Step(Action.TRACK, arrival.path))
        if dry_run or any(outcome.error for outcome in taken.outcomes):
            return Report("import-url", Plan(steps), tuple(taken.outcomes), tuple(taken.warnings))
        output = Output(posixpath.basename(arrival.path))
        output = with_origin(output, taken) if taken.tree is not None else output
        stamp = {} if options.is_planned else stamp_of(outside, files, taken)
        path = dependency_path(project, url, posixpath.dirname(arrival.path))
        meta = {"lab": {UNPACKED: True}} if options.how.is_unpacked else None
        dvcfile = DvcFile((output,), deps=(dependency(stamp, path, options.fs_config),), is_frozen=True, meta=meta)
        return written(
            project,
            "import-url",
            arrival,
            dvcfile,
            taken,
            has_md5=not options.is_planned,
            is_here=not options.how.to_remote,
            on_event=on_event,
        )


def _name(url: str, options: ImportUrlOptions) -> str:
    name = name_of(url)
    if options.how.is_unpacked and not options.out:
        ending = next((ending for ending in _ARCHIVES if name.lower().endswith(ending)), "")
        return name[: len(name) - len(ending)] or name
    return name


def _check(options: ImportUrlOptions) -> None:
    how, problem = options.how, ""
    if how.to_remote and (options.is_planned or options.is_empty):
        problem = "'--to-remote' cannot go with '--no-exec' or '--no-download'"
    elif how.remote and not how.to_remote:
        problem = "'--remote' needs '--to-remote'"
    elif (how.md5 or how.is_unpacked) and (options.is_planned or options.is_empty):
        problem = "'--md5' and '--extract' need the data: leave out '--no-exec' and '--no-download'"
    elif how.md5 and (len(how.md5) != 32 or not set(how.md5.lower()) <= set("0123456789abcdef")):
        problem = f"'{how.md5}' is not an md5: 32 hexadecimal digits"
    if problem:
        raise InvalidInput(problem, code="bad-usage", hint="see: lab import-url --help")
