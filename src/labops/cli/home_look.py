"""`lab home ls`, `log`, `trash`, `restore`: what a home holds and held."""

from __future__ import annotations

import click

from labops.cli import home_rows as rows
from labops.cli import options
from labops.cli.home_link import folder_here, store_options
from labops.cli.home_objects import spots_of
from labops.cli.session import Command, Session, is_terminal, json_option, pass_session
from labops.errors import InvalidInput

_THIRTY_DAYS = 30 * 24 * 3600


@click.command("ls", cls=Command)
@click.argument("path", default="", metavar="[PATH]")
@click.option("-R", "--recursive", is_flag=True, help="Every file below, not only the first level.")
@click.option("--size", "with_size", is_flag=True, help="Sizes too, and the sum.")
@click.option("--du", "by_size", is_flag=True, help="Sizes too, the largest first: what takes the room?")
@store_options
@json_option
@pass_session
def ls(session: Session, path: str, recursive: bool, with_size: bool, by_size: bool, pairs: tuple[str, ...]) -> int:
    """List the home, or a folder of it, odd keys included; or an address such as s3://BUCKET/MEMBER."""
    from labops.verbs.home_look import list_home

    (spot,) = spots_of(session, [path], pairs)
    found = list_home(spot, spot.path, recursive=recursive)
    if by_size:
        found.sort(key=lambda row: (-row.size, row.path))
    return rows.show_rows(session, found, with_size=with_size or by_size)


@click.command("log", cls=Command)
@click.argument("path", default="", metavar="[PATH]")
@click.option("-n", "--number", "most", type=click.IntRange(min=1), default=50, show_default=True, metavar="NUMBER",
              help="How many changes, at most.")  # fmt: skip
@json_option
@pass_session
def log(session: Session, path: str, most: int) -> int:
    """Tell what changed in the home, when and from which machine, the youngest first.

    It is put together from what the home still holds: times of objects, stamps in the trash, versions of the bucket.
    Changes by other tools have no machine, and a rename leaves no trace of the old name.
    """
    from labops.verbs.home_log import log_home

    return rows.show_log(session, log_home(folder_here(session), path, most=most))


@click.command("trash", cls=Command)
@click.argument("words", nargs=-1, metavar="[PATH | empty]")
@click.option("--older-than", metavar="TIME", help="With `empty`: what is older, as in 30d (default); 0 for all.")
@click.option("-y", "--yes", is_flag=True, help="With `empty`: do not ask.")
@options.dry_run
@json_option
@pass_session
def trash(session: Session, words: tuple[str, ...], older_than: str | None, yes: bool, dry_run: bool) -> int:
    """List what was replaced or deleted, the youngest first; `lab home trash empty` deletes it for good.

    A file that is called `empty` is meant by ./empty. How long the trash keeps things without being told:
    lab home link --keep-trash 30d.
    """
    from labops.verbs.home_restore import list_trash

    if words[:1] == ("empty",):
        return _empty(session, words[1:], older_than, yes=yes, dry_run=dry_run)
    if len(words) > 1 or older_than is not None:
        raise InvalidInput("this lists one path", code="bad-usage", hint="lab home trash empty --older-than 30d")
    path = words[0].removeprefix("./") if words else ""
    return rows.show_trash(session, list_trash(folder_here(session), path))


def _empty(session: Session, rest: tuple[str, ...], older_than: str | None, *, yes: bool, dry_run: bool) -> int:
    import sys

    from labops.cli.words import files, human_size
    from labops.home.upkeep import Old
    from labops.planning.gc import parse_duration
    from labops.verbs.home_trash import empty_trash

    if rest:
        raise InvalidInput("the trash is emptied as a whole", code="bad-usage", hint="lab home trash empty")
    folder = folder_here(session)
    kept = folder.link.keep_trash
    seconds = parse_duration(older_than) if older_than is not None else _THIRTY_DAYS if kept is None else kept

    def confirm(old: Old) -> bool:
        if yes or session.is_json or not is_terminal(sys.stdin):
            return True
        return session.confirm(f"Delete {files(old.files, f'({human_size(old.size)})')} for good?")

    with session.progress() as on_event:
        done = empty_trash(folder, seconds, dry_run=dry_run, confirm=confirm, on_event=on_event)
    return rows.show_emptied(session, done)


@click.command("restore", cls=Command)
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
    done = restore_home(folder_here(session), path, at=when, to=to, dry_run=dry_run)
    return rows.show_restored(session, done, dry_run=dry_run)
