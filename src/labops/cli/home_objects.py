"""`lab home get`, `put`, `cat`, `rm`, `mv`, `share`: single objects of a home."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from labops.cli import options
from labops.cli.home_link import bytes_of, store_options
from labops.cli.session import Command, Session, is_terminal, json_option, pass_session

if TYPE_CHECKING:
    from labops.home.naming import Spot
    from labops.home.objects import ObjectsReport

F = TypeVar("F", bound=Callable[..., Any])

_limit = click.option("--limit", metavar="RATE", help="Bytes per second at most, this time: 500k, 10MB.")
_recursive = click.option("-r", "-R", "--recursive", is_flag=True, help="A folder, with everything below it.")


def spots_of(session: Session, names: Sequence[str], pairs: tuple[str, ...]) -> list[Spot]:
    """What the words of one command name."""
    from labops.home.naming import find_spot
    from labops.verbs.home_link import parse_options

    chosen = parse_options(pairs)
    spots: list[Spot] = []
    for name in names:
        near = spots[0] if spots else None
        spots.append(find_spot(name, chosen, waits=session.waits_for_lock, on_wait=session.warn, near=near))
    return spots


def _slow_down(spot: Spot, limit: str | None) -> None:
    if limit is not None:
        spot.home.pace.rate = bytes_of(limit)


@click.command("get", cls=Command)
@click.argument("key", metavar="KEY")
@click.argument("path", default="", type=click.Path(), metavar="[PATH]")
@_recursive
@click.option("-f", "--force", is_flag=True, help="Replace what is there.")
@_limit
@store_options
@options.jobs
@options.dry_run
@json_option
@pass_session
def get(session: Session, /, key: str, path: str, pairs: tuple[str, ...], limit: str | None, **chosen: Any) -> int:
    """Fetch a file of the home, or a folder (-r, or a / at its end).

    KEY is relative to the home of the linked folder, or an address such as s3://BUCKET/MEMBER/FILE. PATH is where it
    goes: its own name here when it is left out, into PATH where that is a folder.
    """
    from labops.cli import home_rows as show
    from labops.verbs.home_get import get_objects

    (spot,) = spots_of(session, [key], pairs)
    _slow_down(spot, limit)
    with session.progress() as on_event:
        report = get_objects(spot, path, on_event=on_event, **chosen)
    return show.show_objects(session, report)


@click.command("put", cls=Command)
@click.argument("path", type=click.Path(), metavar="PATH")
@click.argument("key", default="", metavar="[KEY]")
@_recursive
@_limit
@store_options
@options.jobs
@options.dry_run
@json_option
@pass_session
def put(session: Session, /, path: str, key: str, pairs: tuple[str, ...], limit: str | None, **chosen: Any) -> int:
    """Store a file in the home, or a folder (-r, or a / at its end).

    KEY is its name there: when it is left out the place it has in the linked folder, or else its own name. What is
    replaced goes into the trash of the home.
    """
    from labops.cli import home_rows as show
    from labops.home.naming import default_key
    from labops.verbs.home_put import put_objects

    (spot,) = spots_of(session, [key], pairs)
    if not key:
        spot = default_key(spot, path)
    _slow_down(spot, limit)
    with session.progress() as on_event:
        report = put_objects(path, spot, on_event=on_event, **chosen)
    return show.show_objects(session, report)


@click.command("cat", cls=Command)
@click.argument("key", metavar="KEY")
@store_options
@pass_session
def cat(session: Session, key: str, pairs: tuple[str, ...]) -> int:
    """Write a file of the home to standard output."""
    import sys

    from labops.verbs.home_get import cat_object

    (spot,) = spots_of(session, [key], pairs)

    def write(data: bytes | memoryview) -> None:
        sys.stdout.buffer.write(data)

    cat_object(spot, write)
    sys.stdout.buffer.flush()
    return 0


@click.command("rm", cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@_recursive
@click.option("-y", "--yes", is_flag=True, help="Do not ask before a folder is deleted.")
@store_options
@options.dry_run
@json_option
@pass_session
def rm(
    session: Session, paths: tuple[str, ...], recursive: bool, yes: bool, pairs: tuple[str, ...], dry_run: bool
) -> int:
    """Delete files of the home, or folders (-r); they stay in its trash.

    The folder here is left as it is: the next sync carries the deletion to it.
    """
    from labops.cli import home_rows as show
    from labops.verbs.home_rearrange import remove_objects

    spots = spots_of(session, paths, pairs)

    def agrees(report: ObjectsReport) -> bool:
        return yes or not recursive or _agrees(session, report)

    with session.progress() as on_event:
        report = remove_objects(spots, recursive=recursive, dry_run=dry_run, confirm=agrees, on_event=on_event)
    return show.show_objects(session, report)


def _agrees(session: Session, report: ObjectsReport) -> bool:
    import sys

    from labops.cli.words import files, human_size

    if session.is_quiet or session.is_json or not is_terminal(sys.stdin):
        return True
    size = human_size(sum(row.size for row in report.rows))
    return session.confirm(f"Move {files(len(report.rows), f'({size})')} of the home to its trash?")


@click.command("mv", cls=Command)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@store_options
@options.dry_run
@json_option
@pass_session
def mv(session: Session, source: str, target: str, pairs: tuple[str, ...], dry_run: bool) -> int:
    """Rename a file or a folder inside the home; nothing is sent, nothing replaced.

    The folder here is left as it is: the next sync carries the new name to it.
    """
    from labops.cli import home_rows as show
    from labops.verbs.home_rearrange import move_objects

    one, other = spots_of(session, [source, target], pairs)
    with session.progress() as on_event:
        report = move_objects(one, other, dry_run=dry_run, on_event=on_event)
    return show.show_objects(session, report)


@click.command("share", cls=Command)
@click.argument("key", metavar="KEY")
@click.option("--for", "lasts", default="7d", show_default=True, metavar="TIME", help="How long: 1h, 2d; at most 7d.")
@store_options
@json_option
@pass_session
def share(session: Session, key: str, lasts: str, pairs: tuple[str, ...]) -> int:
    """Print a link under which anybody may read one file of the home for a while.

    Whoever has the link needs no account and no key. It cannot be called back before its time, except by deleting or
    renaming the file, or by ending the key that signed it.
    """
    from labops.cli import home_rows as show
    from labops.planning.gc import parse_duration
    from labops.verbs.home_share import share_object

    (spot,) = spots_of(session, [key], pairs)
    return show.show_shared(session, share_object(spot, parse_duration(lasts)))
