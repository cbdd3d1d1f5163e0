"""`push`, `fetch`, `pull`, `checkout`: between the remote, the cache and the workspace."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from labops.cli import options, show
from labops.cli.app import use_dvc
from labops.cli.session import Command, Session, json_option, pass_session
from labops.cli.words import files, join
from labops.errors import InvalidInput
from labops.model import Action, Report, Result, Selection

if TYPE_CHECKING:
    from labops.project import Project

UP_TO_DATE = "Everything is up to date."


@click.command("push", cls=Command)
@options.targets
@options.jobs
@options.remote
@options.revisions
@options.with_deps
@options.recursive
@options.run_cache
@options.glob
@options.dry_run
@json_option
@pass_session
def push(
    session: Session,
    /,
    targets: tuple[str, ...],
    jobs: int | None,
    remote: str | None,
    run_cache: bool,
    dry_run: bool,
    **chosen: bool,
) -> int:
    """Upload tracked data to a remote.

    A folder's listing goes last, so that nobody ever sees a folder with missing files.
    """
    from labops.verbs.push import push as verb

    _refuse_run_cache("push", run_cache)
    project = session.project()
    with session.progress() as on_event:
        report = verb(
            project,
            Selection(targets, **chosen),
            remote=remote,
            jobs=jobs,
            dry_run=dry_run,
            on_event=on_event,
        )
    number = report.count(Action.UPLOAD)
    lines = _summary(report, [files(number, "pushed")] if number else [])
    return show.show_report(session, report, lines, dry_run=dry_run, root=project.root)


@click.command("fetch", cls=Command)
@options.targets
@options.jobs
@options.remote
@options.revisions
@options.with_deps
@options.recursive
@options.run_cache
@click.option("--max-size", type=click.IntRange(min=0), metavar="BYTES", help="Leave out files larger than this.")
@click.option("--type", "types", multiple=True, type=click.Choice(["metrics", "plots"]), help="Left to dvc.")
@options.dry_run
@json_option
@pass_session
def fetch(
    session: Session,
    /,
    targets: tuple[str, ...],
    jobs: int | None,
    remote: str | None,
    run_cache: bool,
    max_size: int | None,
    types: tuple[str, ...],
    dry_run: bool,
    **chosen: bool,
) -> int:
    """Download tracked data into the cache; the workspace stays as it is."""
    from labops.verbs.fetch import fetch as verb

    _refuse_run_cache("fetch", run_cache)
    if types:
        raise use_dvc("fetch", *(word for kind in types for word in ("--type", kind)))
    project = session.project()
    with session.progress() as on_event:
        report = verb(
            project,
            Selection(targets, **chosen),
            remote=remote,
            jobs=jobs,
            max_size=max_size,
            dry_run=dry_run,
            on_event=on_event,
        )
    number = show.fetched_count(report)
    lines = _summary(report, [files(number, "fetched")] if number else [])
    return show.show_report(session, report, lines, dry_run=dry_run, root=project.root)


@click.command("pull", cls=Command)
@options.targets
@options.jobs
@options.remote
@options.revisions
@options.with_deps
@options.recursive
@options.run_cache
@options.glob
@click.option("-f", "--force", is_flag=True, help="Replace unsaved changes in the workspace.")
@click.option("--allow-missing", is_flag=True, help="Succeed even where data is nowhere to be found.")
@click.option("-o", "--out", type=click.Path(), metavar="PATH",
              help="Put the one target beside the tracked data, at PATH.")  # fmt: skip
@options.dry_run
@json_option
@pass_session
def pull(
    session: Session,
    /,
    targets: tuple[str, ...],
    out: str | None,
    jobs: int | None,
    remote: str | None,
    run_cache: bool,
    force: bool,
    allow_missing: bool,
    dry_run: bool,
    **chosen: bool,
) -> int:
    """Download tracked data and put it into the workspace.

    Unsaved work is never overwritten without -f. NAME@v1 (or a tag, a commit, a day) puts that version there; the
    DVC file stays as it is. With -o it goes to another path, which nothing tracks.
    """
    from labops.verbs.pull import pull as verb

    _refuse_run_cache("pull", run_cache)
    project = session.project()
    if out is not None:
        return _take(session, project, targets, out, remote=remote, jobs=jobs, force=force, dry_run=dry_run)
    with session.progress() as on_event:
        report = verb(
            project,
            Selection(targets, **chosen),
            remote=remote,
            jobs=jobs,
            force=force,
            allow_missing=allow_missing,
            dry_run=dry_run,
            on_event=on_event,
        )
    number = show.fetched_count(report)
    parts = [files(number, "fetched")] if number else []
    lines = itertools.chain(_with_workspace(report, parts, project.root), _held(project, report, targets))
    return show.show_report(session, report, lines, dry_run=dry_run, root=project.root)


def _take(
    session: Session,
    project: Project,
    targets: tuple[str, ...],
    out: str,
    *,
    remote: str | None,
    jobs: int | None,
    force: bool,
    dry_run: bool,
) -> int:
    from labops.verbs.take import take

    if len(targets) != 1:
        raise InvalidInput(
            f"--out is the place of one target, not of {len(targets)}",
            code="bad-pull-options",
            hint="lab pull NAME@v1 -o PATH",
        )
    with session.progress() as on_event:
        report = take(
            project, targets[0], out, remote=remote, jobs=jobs, force=force, dry_run=dry_run, on_event=on_event
        )
    number = show.fetched_count(report)
    placed = report.count(Action.CREATE) + report.count(Action.REPLACE)
    parts = [files(number, "fetched")] if number else []
    lines = [join([*parts, files(placed, f"put at '{out}'")])] if placed else [f"'{out}' is there already."]
    if placed and project.git is not None:
        lines.append("Nothing tracks it: keep it out of git, and delete it when you are done.")
    return show.show_report(session, report, [] if report.failed else lines, dry_run=dry_run, root=project.root)


def _held(project: Project, report: Report, targets: tuple[str, ...]) -> Iterator[str]:
    """Which versions the workspace holds now that the DVC files do not name, and the way back."""
    if report.failed or not any("@" in target for target in targets):
        return
    from labops.history import references

    tracked = project.tracked()
    now = {item.path: (item.output.oid, item.output.hash_name) for item in tracked}
    _, asked = references.split(project, Selection(targets), tracked)
    for row in asked:
        path, version = row.version.path, row.version
        if now.get(path) != version.content:
            name = shlex.quote(project.shown(path))
            short = version.rev[:7]
            label = version.label if version.label == short else f"{version.label} ({short})"
            what = f"'{path}'" if row.selected.is_whole else f"a part of '{path}'"
            yield f"{what} is {label} now, and its DVC file stays; go back with: lab pull {name}"


@click.command("checkout", cls=Command)
@options.targets
@click.option("--summary", is_flag=True, help="One line of counts instead of one line per change.")
@options.with_deps
@options.recursive
@click.option("-f", "--force", is_flag=True, help="Replace unsaved changes in the workspace.")
@click.option("--relink", is_flag=True, help="Make every link or copy anew, of the configured type.")
@click.option("--allow-missing", is_flag=True, help="Succeed even where the cache lacks data.")
@options.dry_run
@json_option
@pass_session
def checkout(
    session: Session,
    targets: tuple[str, ...],
    summary: bool,
    with_deps: bool,
    recursive: bool,
    force: bool,
    relink: bool,
    allow_missing: bool,
    dry_run: bool,
) -> int:
    """Make the workspace equal to its DVC files, from the cache.

    Unsaved work is never overwritten without -f.
    """
    from labops.verbs.checkout import checkout as verb

    chosen = options.selection(targets, with_deps=with_deps, recursive=recursive)
    project = session.project()
    with session.progress() as on_event:
        report = verb(
            project,
            chosen,
            force=force,
            relink=relink,
            allow_missing=allow_missing,
            dry_run=dry_run,
            on_event=on_event,
        )
    if summary:
        lines = [join(show.workspace_counts(report)) or "No changes."]
    else:
        lines = list(show.shortened(show.workspace_lines(report, project.root)))
        lines += ["Relinked successfully"] if relink and not report.failed else []
        lines += _held(project, report, targets)
    return show.show_report(session, report, lines, dry_run=dry_run, root=project.root)


def _refuse_run_cache(verb: str, is_wanted: bool) -> None:
    if is_wanted:
        raise use_dvc(verb, "--run-cache")


def _with_workspace(report: Report, parts: list[str], root: str) -> Iterator[str]:
    yield from show.shortened(show.workspace_lines(report, root))
    yield from _summary(report, parts + show.workspace_counts(report))


def _summary(report: Report, parts: list[str]) -> Iterator[str]:
    """dvc's last line; silent when nothing moved because something failed."""
    is_all_done = all(outcome.result in (Result.DONE, Result.ALREADY) for outcome in report.outcomes)
    if parts:
        yield join(parts)
    elif is_all_done:
        yield UP_TO_DATE
