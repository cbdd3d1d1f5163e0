"""`remove` and `move`: what is tracked, and under which name."""

from __future__ import annotations

import click

from labops.cli import options, show
from labops.cli.session import Command, Session, json_option, pass_session


@click.command("remove", cls=Command)
@options.some_targets
@click.option("--outs", is_flag=True, help="Delete the data too.")
@click.option("-f", "--force", is_flag=True, help="With --outs: also data that is saved nowhere.")
@options.dry_run
@json_option
@pass_session
def remove(session: Session, targets: tuple[str, ...], outs: bool, force: bool, dry_run: bool) -> int:
    """Stop tracking data: remove its DVC files and ignore lines. The data itself stays."""
    from labops.verbs.remove import remove as verb

    project = session.project()
    report = verb(project, targets, outs=outs, force=force, dry_run=dry_run)
    hint = show.git_hint(report, project.root)
    return show.show_report(session, report, hint, dry_run=dry_run, root=project.root)


@click.command("move", cls=Command)
@click.argument("src", type=click.Path())
@click.argument("dst", type=click.Path())
@options.dry_run
@json_option
@pass_session
def move(session: Session, src: str, dst: str, dry_run: bool) -> int:
    """Rename the tracked file or folder SRC to DST, or move it into the folder DST, with its DVC file."""
    from labops.verbs.move import move as verb

    project = session.project()
    report = verb(project, src, dst, dry_run=dry_run)
    hint = show.git_hint(report, project.root)
    return show.show_report(session, report, hint, dry_run=dry_run, root=project.root)
