"""`lab home …`: a member's own files on every machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from labops.cli import home_show as show
from labops.cli import options
from labops.cli.session import Family, Session, is_terminal, json_option, pass_session

if TYPE_CHECKING:
    from labops.home import HomeFolder
    from labops.home.report import HomeReport
    from labops.planning.home import Mode

F = TypeVar("F", bound=Callable[..., Any])


@click.group("home", cls=Family)
def home() -> None:
    """Keep your own files the same on every machine, without fear.

    A folder is linked to a prefix of a bucket (or to a folder of the lab server) once; `lab home sync` then
    carries changes both ways. Whatever it replaces or deletes can be brought back with `lab home restore`.
    """


_store_options = click.option(
    "-o", "--option", "pairs", multiple=True, metavar="NAME=VALUE",
    help="An option of the store, as of a dataset remote: profile, region, endpointurl …",
)  # fmt: skip
_no_rules = click.option(
    "--no-default-rules", is_flag=True, help="Sync .git, .venv, caches and the like too; .labignore still counts."
)
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
_yes = click.option("-y", "--yes", is_flag=True, help="Do not ask before the first deletion or replacement.")


def _filters(function: F) -> F:
    return _include(_exclude(function))


def _guards(function: F) -> F:
    return _max_delete(_allow_empty(_yes(options.jobs(options.dry_run(_filters(function))))))


def _folder(session: Session) -> HomeFolder:
    from labops.home import HomeFolder

    return HomeFolder.find(".", waits=session.waits_for_lock, on_wait=session.warn)


def own_home(text: str) -> tuple[str, dict[str, str], str]:
    """The home that a bare name means after `lab join`, its options, and the lab; anything else as it is."""
    from labops import lab

    if not lab.is_home_name(text) or not lab.memberships():
        return text, {}, ""
    membership = lab.find_membership(near=".")
    return membership.home_of(text), membership.options(), membership.lab


def _remember(lab: str, root: str) -> None:
    """`lab leave` looks at the folders that were linked by name."""
    if lab:
        from labops.lab import remember_folder

        remember_folder(lab, root)


@home.command("link")
@click.argument("url", required=False, metavar="[URL]")
@_store_options
@_no_rules
@click.option("-f", "--force", is_flag=True, help="Tie a folder to another home than before.")
@json_option
@pass_session
def link(session: Session, url: str | None, pairs: tuple[str, ...], no_default_rules: bool, force: bool) -> int:
    """Link this folder to a home.

    URL is s3://BUCKET/MEMBER/PROJECT, gs://…, azure://… or a folder such as /srv/lab/home/MEMBER/PROJECT; after
    `lab join` a NAME is enough (a folder begins with ./ then). Without URL the present link is shown.
    """
    from labops.verbs.home_link import link_home, parse_options

    if url is None:
        folder = _folder(session)
        return show.show_link(session, folder.root, folder.link.url, is_new=False)
    url, more, lab = own_home(url)
    given = {**more, **parse_options(pairs)}
    done = link_home(".", url, given, has_default_rules=not no_default_rules, force=force)
    _remember(lab, done.root)
    return show.show_link(session, done.root, done.url, is_new=done.is_new)


@home.command("clone")
@click.argument("url", metavar="URL")
@click.argument("target", required=False, type=click.Path(), metavar="[DIR]")
@_store_options
@_no_rules
@options.jobs
@json_option
@pass_session
def clone(
    session: Session, url: str, target: str | None, pairs: tuple[str, ...], no_default_rules: bool, jobs: int | None
) -> int:
    """Make a new folder and fill it from a home: URL, or a NAME in your own after `lab join`."""
    from labops.home import HomeFolder, read_link
    from labops.planning.home import Mode
    from labops.verbs.home_link import clone_home, parse_options
    from labops.verbs.home_sync import SyncOptions, sync_home

    url, more, lab = own_home(url)
    given = {**more, **parse_options(pairs)}
    done = clone_home(url, target or "", given, has_default_rules=not no_default_rules)
    _remember(lab, done.root)
    folder = HomeFolder(done.root, read_link(done.root))
    with session.progress() as on_event:
        report = sync_home(folder, Mode.PULL, SyncOptions(jobs=jobs), on_event=on_event)
    return show.show_report(session, report)


@home.command("status")
@_filters
@json_option
@pass_session
def status(session: Session, include: tuple[str, ...], exclude: tuple[str, ...]) -> int:
    """Show what `sync` would do; -v adds what is left out."""
    from labops.planning.home import Mode
    from labops.verbs.home_sync import SyncOptions, sync_home

    chosen = SyncOptions(include=include, exclude=exclude)
    with session.progress() as on_event:
        report = sync_home(_folder(session), Mode.SYNC, chosen, dry_run=True, on_event=on_event)
    return show.show_report(session, report)


def _run(session: Session, mode: Mode, *, dry_run: bool, yes: bool, jobs: int | None, **chosen: Any) -> int:
    from labops.verbs.home_sync import SyncOptions, sync_home

    chosen["allows_empty"] = chosen.pop("allow_empty")
    with session.progress() as on_event:
        report = sync_home(
            _folder(session),
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


@home.command("ls")
@click.argument("path", default="", metavar="[PATH]")
@click.option("-R", "--recursive", is_flag=True, help="Every file below, not only the first level.")
@click.option("--size", "with_size", is_flag=True, help="Sizes too, and the sum.")
@json_option
@pass_session
def ls(session: Session, path: str, recursive: bool, with_size: bool) -> int:
    """List the home, odd keys included."""
    from labops.verbs.home_look import list_home

    return show.show_rows(session, list_home(_folder(session), path, recursive=recursive), with_size=with_size)


@home.command("trash")
@click.argument("path", default="", metavar="[PATH]")
@json_option
@pass_session
def trash(session: Session, path: str) -> int:
    """List what was replaced or deleted, the youngest first."""
    from labops.verbs.home_restore import list_trash

    return show.show_trash(session, list_trash(_folder(session), path))


@home.command("restore")
@click.argument("path", metavar="PATH")
@click.option("--at", metavar="TIME", help="The content it had then: 2026-04-01, or '2026-04-01 09:30'.")
@click.option("--to", default="", type=click.Path(), metavar="PATH", help="Put it there instead.")
@options.dry_run
@json_option
@pass_session
def restore(session: Session, path: str, at: str | None, to: str, dry_run: bool) -> int:
    """Bring back what was replaced or deleted: a file, or everything below a folder.

    It comes into the folder here; what is there now goes into the trash, and the next sync carries it on.
    """
    from labops.verbs.home_restore import parse_time, restore_home

    when = None if at is None else parse_time(at)
    done = restore_home(_folder(session), path, at=when, to=to, dry_run=dry_run)
    return show.show_restored(session, done, dry_run=dry_run)
