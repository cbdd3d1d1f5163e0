"""`add`: track files or folders of the workspace, under the project's lock."""

from __future__ import annotations

from collections.abc import Sequence

from labops.errors import InvalidInput
from labops.model import OnEvent, Report, ignore
from labops.project import Project
from labops.tracking import AddOptions, track

__all__ = ["AddOptions", "add"]


def add(
    project: Project,
    targets: Sequence[str],
    options: AddOptions = AddOptions(),  # noqa: B008 - frozen
    *,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Track `targets`, paths relative to the current directory.

    Every target is hashed, and unless `options.commit` is False stored in the cache, before any `.dvc` file
    is written: all of them are tracked afterwards, or none. A path inside a tracked folder updates that
    folder's listing; the rest of it need not be here.
    """
    _check_options(targets, options)
    project = project.looking() if dry_run else project
    with project.lock():
        return track(project, targets, options, dry_run=dry_run, on_event=on_event)


def _check_options(targets: Sequence[str], options: AddOptions) -> None:
    problem = ""
    if not targets:
        problem = "nothing to add"
    elif (options.to_remote or options.out) and len(targets) != 1:
        problem = "--out and --to-remote take one target"
    elif (options.to_remote or options.out) and options.glob:
        problem = "--glob cannot go with --out or --to-remote"
    elif options.to_remote and not options.commit:
        problem = "--no-commit cannot go with --to-remote"
    elif not options.to_remote and (options.remote or options.jobs):
        problem = "--remote and --remote-jobs need --to-remote"
    if problem:
        raise InvalidInput(problem, code="bad-add-options", hint="see: lab add --help")
