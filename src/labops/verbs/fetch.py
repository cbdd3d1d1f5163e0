"""`fetch`: bring objects from the remote into the cache."""

from __future__ import annotations

from labops import exchange
from labops.model import OnEvent, Report, Selection, ignore
from labops.project import Project


def fetch(
    project: Project,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    *,
    remote: str | None = None,
    jobs: int | None = None,
    max_size: int | None = None,
    dry_run: bool = False,
    on_event: OnEvent = ignore,
) -> Report:
    """Download what the cache lacks of the selected outputs, hashed before it gets its name.

    Objects that are there, but that nobody hashed since they last changed, are checked first; bad ones go to
    quarantine and are fetched again. `max_size` (bytes) leaves out larger single files.
    """
    project = project.looking() if dry_run else project
    with project.lock():
        done = exchange.fetch(
            project,
            project.select_everywhere(selection),
            remote=remote,
            jobs=jobs,
            max_size=max_size,
            is_thorough=True,
            dry_run=dry_run,
            on_event=on_event,
        )
    return Report("fetch", done.plan, tuple(done.outcomes), tuple(done.warnings))
