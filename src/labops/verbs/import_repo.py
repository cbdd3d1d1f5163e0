"""`import`: data of another repository, tracked here together with where it came from.

open the source at a commit → objects into our cache → `.gitignore` → `.dvc` → workspace
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from labops.errors import InvalidInput
from labops.imports import Origin, Taken, open_origin, take, with_origin
from labops.landing import arrive, arriving, written
from labops.model import Action, DvcFile, OnEvent, Output, Plan, Report, Step, ignore
from labops.project import Project


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What `import` was asked for beyond the repository and the path in it.

    `is_planned` (`--no-exec`) only writes the DVC file; `is_empty` (`--no-download`) notes the commit too but
    fetches nothing. `config`, `remote` and `remote_config` are kept in the DVC file, for later fetches.
    """

    out: str | None = None
    rev: str | None = None
    is_planned: bool = False
    is_empty: bool = False
    force: bool = False
    jobs: int | None = None
    config: str | None = None
    remote: str | None = None
    remote_config: Mapping[str, str] | None = None


def import_repo(
    project: Project,
    url: str,
    path: str,
    options: ImportOptions = ImportOptions(),
    *,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Track `path` of the repository `url`, and put it into the workspace.

    Raises `Conflict` (`destination-exists`) without `options.force`, what keeps the source from being opened,
    and `NotFound` (`no-such-path`). Nothing is tracked when an object could not be had.
    """
    origin = _origin(url, path, options)
    with arriving(project, dry_run=dry_run):
        arrival = arrive(project, path, options.out, force=options.force)
        taken = Taken()
        output = Output(posixpath.basename(arrival.path))
        if not options.is_planned:
            source = open_origin(project, origin, origin.rev)
            source.settings()  # what the person said about it must make sense before it is kept
            source.find(path)
            taken.warnings += source.warnings
            if not options.is_empty:
                taken = take(project, source, path, jobs=options.jobs, dry_run=dry_run, on_event=on_event)
            origin = origin._replace(rev_lock=source.commit)
        steps = (*taken.steps, Step(Action.TRACK, arrival.path))
        warnings = tuple(taken.warnings)
        if dry_run or any(outcome.error for outcome in taken.outcomes):
            return Report("import", Plan(steps), tuple(taken.outcomes), warnings)
        if taken.tree is not None:
            output = with_origin(output, taken)
        dvcfile = DvcFile((output,), deps=(origin.dependency(),), is_frozen=True)
        return written(project, "import", arrival, dvcfile, taken, has_md5=not options.is_planned, on_event=on_event)


def _origin(url: str, path: str, options: ImportOptions) -> Origin:
    """What the DVC file will say, put together as dvc does it."""
    config: str | Mapping[str, object] | None = options.config
    remote: str | Mapping[str, str] | None = options.remote or options.remote_config
    if options.remote and options.remote_config:
        if options.config:
            raise InvalidInput(
                "'--config' cannot go with both '--remote' and '--remote-config'",
                code="bad-usage",
                hint="put the remote into the file that --config names",
            )
        section = {options.remote: dict(options.remote_config)}
        config, remote = {"core": {"remote": options.remote}, "remote": section}, None
    return Origin(url, posixpath.normpath(path), options.rev, None, config, remote)
