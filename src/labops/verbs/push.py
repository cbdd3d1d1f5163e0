"""`push`: bring objects from the cache to the remote."""

from __future__ import annotations

from labops import exchange
from labops.model import OnEvent, Report, Selection, ignore
from labops.project import Project


def push(
    project: Project,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    *,
    remote: str | None = None,
    jobs: int | None = None,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Upload what the remote lacks of the selected outputs; each folder's listing after all its files.

    Asks the remote about every file, so that a remote that lost some is repaired. What is neither in the
    cache nor on the remote is a failed outcome.
    """
    project = project.looking() if dry_run else project
    with project.lock():
        selected = project.select_everywhere(selection)
        done = exchange.push(project, selected, remote=remote, jobs=jobs, dry_run=dry_run, on_event=on_event)
    return Report("push", done.plan, tuple(done.outcomes), tuple(done.warnings))
