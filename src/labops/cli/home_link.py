"""`lab home link` and `clone`, and what every command of a linked folder begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from labops.cli import home_show as show
from labops.cli import options
from labops.cli.session import Command, Session, json_option, pass_session

if TYPE_CHECKING:
    from labops.home import HomeFolder

store_options = click.option(
    "-o", "--option", "pairs", multiple=True, metavar="NAME=VALUE",
    help="An option of the store, as of a dataset remote: profile, region, endpointurl …",
)  # fmt: skip
_no_rules = click.option(
    "--no-default-rules", is_flag=True, help="Sync .git, .venv, caches and the like too; .labignore still counts."
)


def bytes_of(text: str) -> int:
    """A size or a rate."""
    from labops.formats.quantities import parse_size

    return parse_size(text)


def folder_here(session: Session) -> HomeFolder:
    """The linked folder at or above the current directory."""
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


@click.command("link", cls=Command)
@click.argument("url", required=False, metavar="[URL]")
@store_options
@_no_rules
@click.option("-f", "--force", is_flag=True, help="Tie a folder to another home than before.")
@click.option("--limit", metavar="RATE", help="Bytes per second at most, from now on: 500k, 10MB; 'off' for no limit.")
@click.option("--max-size", metavar="SIZE", help="Leave larger files alone, from now on: 500MB, 2GiB; or 'off'.")
@click.option("--keep-trash", metavar="TIME", help="Empty the trash of what is older, once a day: 30d, 12w; or 'off'.")
@json_option
@pass_session
def link(
    session: Session,
    url: str | None,
    pairs: tuple[str, ...],
    no_default_rules: bool,
    force: bool,
    limit: str | None,
    max_size: str | None,
    keep_trash: str | None,
) -> int:
    """Link this folder to a home.

    URL is s3://BUCKET/MEMBER/PROJECT, gs://…, azure://… or a folder such as /srv/lab/home/MEMBER/PROJECT; after
    `lab join` a NAME is enough (a folder begins with ./ then). Without URL the present link is shown, and its
    limits can be changed.
    """
    from labops.home import read_link
    from labops.planning.gc import parse_duration
    from labops.verbs.home_link import change_link, link_home, parse_options

    asked = (("limit", limit, bytes_of), ("max_size", max_size, bytes_of), ("keep_trash", keep_trash, parse_duration))
    numbers = {name: None if text == "off" else read(text) for name, text, read in asked if text is not None}
    if url is None:
        folder = folder_here(session)
        change_link(folder, numbers)
        return show.show_link(session, folder.root, folder.link, is_new=False)
    rules = not no_default_rules
    url, more, lab = own_home(url)
    given = {**more, **parse_options(pairs, url)}
    done = link_home(".", url, given, has_default_rules=rules, numbers=numbers, force=force)
    _remember(lab, done.root)
    return show.show_link(session, done.root, read_link(done.root), is_new=done.is_new)


@click.command("clone", cls=Command)
@click.argument("url", metavar="URL")
@click.argument("target", required=False, type=click.Path(), metavar="[DIR]")
@store_options
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
    given = {**more, **parse_options(pairs, url)}
    done = clone_home(url, target or "", given, has_default_rules=not no_default_rules)
    _remember(lab, done.root)
    folder = HomeFolder(done.root, read_link(done.root))
    with session.progress() as on_event:
        report = sync_home(folder, Mode.PULL, SyncOptions(jobs=jobs), on_event=on_event)
    return show.show_report(session, report)
