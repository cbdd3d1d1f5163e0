"""`add`, `commit`, `unprotect`: from the workspace into the cache and the DVC files."""

from __future__ import annotations

import click

from labops.cli import options, show
from labops.cli.session import Command, Session, json_option, pass_session
from labops.cli.words import files
from labops.errors import InvalidInput
from labops.model import Action


def _meta(pairs: tuple[str, ...]) -> dict[str, object] | None:
    """`key=value` words as a mapping, in order; None when there are none."""
    meta: dict[str, object] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise InvalidInput(f"'{pair}' is not of the form key=value", code="bad-meta", hint="lab add --help")
        meta[key] = value
    return meta or None


@click.command("add", cls=Command)
@options.some_targets
@click.option("--no-commit", is_flag=True, help="Write the DVC file, put nothing into the cache.")
@options.glob
@click.option("-o", "--out", type=click.Path(), metavar="PATH", help="Put the data at this path.")
@click.option("--to-remote", is_flag=True, help="Send the data to the remote, keep none here.")
@click.option(
    "-r",
    "--remote",
    metavar="NAME",
    shell_complete=options.known_remotes,
    help="With --to-remote: the remote to send to.",
)
@click.option("--remote-jobs", type=click.IntRange(min=1), metavar="NUMBER",
              help="With --to-remote: how many transfers at once.")  # fmt: skip
@click.option("-f", "--force", is_flag=True, help="Replace what --out finds in its place.")
@options.no_relink
@click.option("--desc", metavar="TEXT", help="A sentence about the data, kept in the DVC file.")
@click.option("--type", "kind", metavar="TEXT", help="What kind of data it is.")
@click.option("--label", "labels", multiple=True, metavar="TEXT", help="A label; repeatable.")
@click.option("--meta", multiple=True, metavar="KEY=VALUE", help="Any fact worth keeping; repeatable.")
@options.dry_run
@json_option
@pass_session
def add(
    session: Session,
    targets: tuple[str, ...],
    no_commit: bool,
    glob: bool,
    out: str | None,
    to_remote: bool,
    remote: str | None,
    remote_jobs: int | None,
    force: bool,
    relink: bool,
    desc: str | None,
    kind: str | None,
    labels: tuple[str, ...],
    meta: tuple[str, ...],
    dry_run: bool,
) -> int:
    """Track files or folders with a DVC file beside each of them.

    Their content goes into the cache, git ignores them, and the DVC file is what git keeps.
    """
    from labops.verbs.add import AddOptions
    from labops.verbs.add import add as verb

    wanted = AddOptions(
        glob=glob,
        out=out,
        to_remote=to_remote,
        remote=remote,
        jobs=remote_jobs,
        commit=not no_commit,
        force=force,
        relink=relink,
        desc=desc,
        type=kind,
        labels=labels or None,
        meta=_meta(meta),
    )
    project = session.project()
    with session.progress() as on_event:
        report = verb(project, targets, wanted, dry_run=dry_run, on_event=on_event)
    return show.show_report(session, report, show.git_hint(report, project.root), dry_run=dry_run, root=project.root)


@click.command("commit", cls=Command)
@options.targets
@click.option("-f", "--force", is_flag=True, help="Record every change without asking.")
@options.with_deps
@options.recursive
@options.no_relink
@options.dry_run
@json_option
@pass_session
def commit(
    session: Session,
    targets: tuple[str, ...],
    force: bool,
    with_deps: bool,
    recursive: bool,
    relink: bool,
    dry_run: bool,
) -> int:
    """Record what changed in tracked files and folders, after asking.

    Without TARGETS everything that changed is recorded. Where nobody can answer, only -f goes on.
    """
    from labops.verbs.commit import commit as verb

    chosen = options.selection(targets, with_deps=with_deps, recursive=recursive)
    project = session.project()
    with session.progress() as on_event:
        report = verb(
            project,
            chosen,
            force=force,
            relink=relink,
            confirm=session.confirm,
            dry_run=dry_run,
            on_event=on_event,
        )
    return show.show_report(session, report, show.git_hint(report, project.root), dry_run=dry_run, root=project.root)


@click.command("unprotect", cls=Command)
@options.some_targets
@json_option
@pass_session
def unprotect(session: Session, targets: tuple[str, ...]) -> int:
    """Turn links into the cache into plain copies, so that they can be edited in place."""
    from labops.verbs.unprotect import unprotect as verb

    project = session.project()
    report = verb(project, targets)
    changed = report.count(Action.REPLACE)
    lines = [files(changed, "unprotected")] if changed else []
    return show.show_report(session, report, lines, dry_run=False, root=project.root)
