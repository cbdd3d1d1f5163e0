"""`lab home …`: a member's own files on every machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from labops.cli import home_link, home_look, home_objects, home_watch, options
from labops.cli import home_show as show
from labops.cli.home_link import bytes_of, folder_here
from labops.cli.session import Family, Session, is_terminal, json_option, pass_session

if TYPE_CHECKING:
    from labops.home.report import HomeReport
    from labops.planning.home import Mode

F = TypeVar("F", bound=Callable[..., Any])


@click.group("home", cls=Family)
def home() -> None:
    """Keep your own files the same on every machine, without fear.

    A folder is linked to a prefix of a bucket (or to a folder of the lab server) once; `lab home sync` then
    carries changes both ways. Whatever it replaces or deletes can be brought back with `lab home restore`.
    """


_include = click.option(
    "--include", multiple=True, metavar="PATTERN", help="Only files that match (as in .gitignore); may be repeated."
)
_exclude = click.option(
    "--exclude", multiple=True, metavar="PATTERN", help="Leave these files alone, this time; may be repeated."
)
_max_delete = click.option(
    "--max-delete", type=click.IntRange(min=0), metavar="NUMBER",
    help="Allow this many deletions on one side (default: 100, or 30 % of the files).",
)  # fmt: skip
_allow_empty = click.option("--allow-empty", is_flag=True, help="Go on though one side has become empty.")
_limit = click.option("--limit", metavar="RATE", help="Bytes per second at most, this time: 500k, 10MB.")
_max_size = click.option("--max-size", metavar="SIZE", help="Leave larger files alone, this time: 500MB, 2GiB.")
_yes = click.option("-y", "--yes", is_flag=True, help="Do not ask before the first deletion or replacement.")


def _filters(function: F) -> F:
    return _include(_exclude(_max_size(function)))


def _guards(function: F) -> F:
    return _max_delete(_allow_empty(_yes(_limit(options.jobs(options.dry_run(_filters(function)))))))


@home.command("status")
@_filters
@json_option
@pass_session
def status(session: Session, include: tuple[str, ...], exclude: tuple[str, ...], max_size: str | None) -> int:
    """Show what `sync` would do; -v adds what is left out."""
    from labops.planning.home import Mode
    from labops.verbs.home_sync import SyncOptions, sync_home

    chosen = SyncOptions(include=include, exclude=exclude, max_size=bytes_of(max_size) if max_size else None)
    with session.progress() as on_event:
        report = sync_home(folder_here(session), Mode.SYNC, chosen, dry_run=True, on_event=on_event)
    return show.show_report(session, report)


def _run(session: Session, mode: Mode, *, dry_run: bool, yes: bool, jobs: int | None, **chosen: Any) -> int:
    from labops.verbs.home_sync import SyncOptions, sync_home

    chosen["allows_empty"] = chosen.pop("allow_empty")
    chosen |= {name: bytes_of(chosen[name]) for name in ("limit", "max_size") if chosen[name] is not None}
    with session.progress() as on_event:
        report = sync_home(
            folder_here(session),
            mode,
            SyncOptions(jobs=jobs, **chosen),
            dry_run=dry_run,
            confirm=lambda plan: yes or _agrees(session, plan),
            on_event=on_event,
        )
    return show.show_report(session, report)


def _agrees(session: Session, report: HomeReport) -> bool:
    """On a terminal the plan is shown before anything is deleted or replaced, and a word asked for."""
    import sys

    if session.is_quiet or session.is_json or not is_terminal(sys.stdin) or not show.destructive(report):
        return True
    for line in show.plan_lines(report):
        session.say(line)
    return session.confirm("Go on? What is replaced or deleted can be restored")


@home.command("sync")
@_guards
@json_option
@pass_session
def sync(session: Session, /, **chosen: Any) -> int:
    """Carry changes both ways; nothing is lost.

    A file that changed on both sides is kept twice, a file that was deleted on one side and not changed on the
    other is deleted there too, and stays in the trash.
    """
    from labops.planning.home import Mode

    return _run(session, Mode.SYNC, **chosen)


@home.command("push")
@click.option("--delete", "deletes", is_flag=True, help="Delete in the home what was deleted here.")
@click.option("-f", "--force", "forces", is_flag=True, help="Overwrite what others changed; it stays in the trash.")
@_guards
@json_option
@pass_session
def push(session: Session, /, **chosen: Any) -> int:
    """Carry changes from here to the home only."""
    from labops.planning.home import Mode

    return _run(session, Mode.PUSH, **chosen)


@home.command("pull")
@click.option("--delete", "deletes", is_flag=True, help="Delete here what was deleted in the home.")
@click.option("-f", "--force", "forces", is_flag=True, help="Overwrite what changed here; it stays in the trash.")
@_guards
@json_option
@pass_session
def pull(session: Session, /, **chosen: Any) -> int:
    """Carry changes from the home to here only."""
    from labops.planning.home import Mode

    return _run(session, Mode.PULL, **chosen)


for _command in (
    home_link.link, home_link.clone, home_look.ls, home_look.log, home_look.trash, home_look.restore,
    home_objects.get, home_objects.put, home_objects.cat, home_objects.rm, home_objects.mv, home_objects.share,
    home_watch.watch,
):  # fmt: skip
    home.add_command(_command)
