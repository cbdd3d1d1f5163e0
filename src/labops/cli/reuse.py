"""`list`, `get` and their `-url` forms, `artifacts get`: data of other repositories, without a project here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from labops.cli import options, show
from labops.cli.session import Command, Family, Session, json_option, pass_session
from labops.cli.words import files
from labops.errors import InvalidInput
from labops.model import Action, Report

if TYPE_CHECKING:
    from labops.source import Source
    from labops.verbs.list import Row

F = TypeVar("F", bound=Callable[..., Any])


class PairsCommand(Command):
    """A command whose `--remote-config` and `--fs-config` take several `k=v` after them, as in dvc."""

    def parse_args(self, context: click.Context, words: list[str]) -> list[str]:
        """Repeat the option before each further pair."""
        spread: list[str] = []
        option = ""
        for word in words:
            if word in ("--remote-config", "--fs-config"):
                option = word
            elif option and "=" in word and not word.startswith("-"):
                spread += [option, word]
            else:
                option = ""
                spread.append(word)
        return super().parse_args(context, spread)


def pairs(words: Sequence[str], option: str) -> dict[str, str] | None:
    """`k=v` words as a mapping, None for none."""
    found = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator or not key:
            raise InvalidInput(
                f"'{word}' is not of the form KEY=VALUE", code="bad-usage", hint=f"{option} url=s3://b/p"
            )
        found[key.lower()] = value
    return found or None


def source_options(function: F) -> F:
    """`--rev`, `--config`, `--remote` and `--remote-config`."""
    for option in (
        click.option("--remote-config", multiple=True, metavar="K=V", help="Options of the source's remote."),
        click.option("--remote", metavar="NAME", help="The remote of the source to take data from."),
        click.option("--config", metavar="PATH", type=click.Path(), help="A file of settings for the source."),
        click.option("--rev", metavar="COMMIT", help="A commit, branch or tag of the source."),
    ):
        function = option(function)
    return function


fs_config = click.option("--fs-config", multiple=True, metavar="K=V", help="Options of the place behind the url.")
force = click.option("-f", "--force", is_flag=True, help="Replace what is there.")
out = click.option("-o", "--out", metavar="PATH", type=click.Path(), help="Where to put it.")


def opened(url: str, rev: str | None, config: str | None, remote: str | None, remote_config: Sequence[str]) -> Source:
    """The source that a command's words mean."""
    from labops.source import open_source

    settings = pairs(remote_config, "--remote-config")
    return open_source(url, rev, config=config, remote=remote, remote_config=settings)


# -- list ---------------------------------------------------------------------------------------------


@click.command("list", cls=PairsCommand)
@click.argument("url")
@click.argument("path", required=False, default="")
@click.option("-R", "--recursive", is_flag=True, help="List the files in all folders.")
@click.option("-T", "--tree", is_flag=True, help="Draw folders as a tree.")
@click.option("-L", "--level", type=click.IntRange(min=0), metavar="DEPTH", help="How deep -R and -T go.")
@click.option("--dvc-only", is_flag=True, help="Show tracked data only.")
@click.option("--size", is_flag=True, help="Show sizes.")
@click.option("--show-hash", is_flag=True, help="Show hashes.")
@source_options
@json_option
@pass_session
def list_(
    session: Session,
    /,
    url: str,
    path: str,
    recursive: bool,
    tree: bool,
    level: int | None,
    dvc_only: bool,
    size: bool,
    show_hash: bool,
    **source: Any,
) -> int:
    """List what a repository holds: git's files and tracked data.

    URL is a folder or the address of a git repository; PATH is a folder or file in it, or NAME@VERSION.
    """
    from labops.source.versions import at_version
    from labops.verbs.list import ListOptions, list_source

    if tree and session.is_json:
        raise InvalidInput("'--tree' and '--json' exclude each other", code="bad-usage", hint="lab list -R --json URL")
    is_sized = size or session.is_json
    wanted = ListOptions(recursive or tree, level, dvc_only, is_sized)
    where, path = at_version(opened(url, **source), path)
    listing = list_source(where, path, wanted)
    for warning in listing.warnings:
        session.warn(warning)
    _show_rows(
        session, listing.rows, listing.top._replace(path=path or "."), is_tree=tree, with_size=size, with_hash=show_hash
    )
    return 0


def _show_rows(
    session: Session, rows: Sequence[Row], top: Row, *, is_tree: bool, with_size: bool, with_hash: bool
) -> None:
    if session.is_json:
        session.show_json([_row_document(row) for row in rows])
        return
    drawn = _drawn(rows, top) if is_tree else [(row.path, row) for row in rows]
    sizes = [_size(row) for _, row in drawn] if with_size else []
    hashes = [(row and row.oid) or "-" for _, row in drawn] if with_hash else []
    width = max(map(len, sizes), default=0)
    hash_width = max(map(len, hashes), default=0)
    lines = []
    for index, (text, _) in enumerate(drawn):
        cells = [sizes[index].rjust(width)] if with_size else []
        cells += [hashes[index].ljust(hash_width)] if with_hash else []
        lines.append("  ".join([*cells, text]))
    if lines:
        session.say("\n".join(lines))


def _row_document(row: Row) -> dict[str, object]:
    return {
        "isout": row.is_output,
        "isdir": row.is_folder,
        "isexec": row.is_executable,
        "size": row.size,
        "md5": row.oid,
        "path": row.path,
    }


def _size(row: Row | None) -> str:
    """Bytes as dvc writes them: three digits and a letter."""
    if row is None or row.size is None:
        return "-"
    value = float(row.size)
    if value < 1024:
        return str(row.size)
    for unit in "kMGTPE":
        value /= 1024
        if value < 999.5:
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f}{unit}"
    return f"{value:.1f}E"


def _drawn(rows: Sequence[Row], top: Row) -> list[tuple[str, Row | None]]:
    """Rows as the lines of a tree below `top`; a folder that only lies in between has no row."""
    lines: list[tuple[str, Row | None]] = [(top.path, top)]
    if not top.is_folder or [row.path for row in rows if row.path == "."]:
        return lines
    folders: dict[str, Any] = {}
    by_path = {row.path: row for row in rows}
    for row in rows:
        at = folders
        for part in row.path.split("/"):
            at = at.setdefault(part, {})

    def draw(level: dict[str, Any], before: str, path: str) -> Iterator[tuple[str, Row | None]]:
        for index, part in enumerate(sorted(level), start=1):
            is_last = index == len(level)
            here = f"{path}{part}"
            yield before + ("└── " if is_last else "├── ") + part, by_path.get(here)
            yield from draw(level[part], before + ("    " if is_last else "│   "), here + "/")

    lines.extend(draw(folders, "", ""))
    return lines


# -- get ----------------------------------------------------------------------------------------------


@click.command("get", cls=PairsCommand)
@click.argument("url")
@click.argument("path")
@out
@click.option("--show-url", is_flag=True, help="Print where the object lies, and fetch nothing.")
@options.jobs
@force
@source_options
@options.dry_run
@json_option
@pass_session
def get(
    session: Session,
    /,
    url: str,
    path: str,
    out: str | None,
    show_url: bool,
    jobs: int | None,
    force: bool,
    dry_run: bool,
    **source: Any,
) -> int:
    """Download a file or folder of a repository, without tracking it.

    Of a large dataset only what is named moves. It appears whole or not at all. PATH may be NAME@VERSION.
    """
    from labops.source.versions import at_version
    from labops.verbs.get import get as verb
    from labops.verbs.get import object_url

    where, path = at_version(opened(url, **source), path)
    if show_url:
        session.say(object_url(where, path))
        return 0
    with session.progress() as on_event:
        report = verb(where, path, out, force=force, jobs=jobs, dry_run=dry_run, on_event=on_event)
    return show.show_report(session, report, got_lines(report), dry_run=dry_run)


def got_lines(report: Report) -> list[str]:
    """`3 files got: data`."""
    number = report.count(Action.DOWNLOAD)
    where = report.outputs[0][1] if report.outputs else ""
    return [f"{files(number, 'written')}: {where}"] if number else []


# -- urls ---------------------------------------------------------------------------------------------


@click.command("list-url", cls=PairsCommand)
@click.argument("url")
@click.option("-R", "--recursive", is_flag=True, help="List the files in all folders.")
@click.option("-T", "--tree", is_flag=True, help="Draw folders as a tree.")
@click.option("-L", "--level", type=click.IntRange(min=0), metavar="DEPTH", help="How deep -R and -T go.")
@click.option("--size", is_flag=True, help="Show sizes.")
@fs_config
@json_option
@pass_session
def list_url(
    session: Session, url: str, recursive: bool, tree: bool, level: int | None, size: bool, fs_config: tuple[str, ...]
) -> int:
    """List what is behind a url: a path, http(s)://, s3:// or remote://NAME/path."""
    from labops.verbs.get_url import list_url as verb
    from labops.verbs.list import Row

    found = verb(url, is_deep=recursive or tree, depth=level, fs_config=pairs(fs_config, "--fs-config"))
    rows = [Row(row.path, False, row.is_folder, False, row.size) for row in found]
    _show_rows(session, rows, Row(url, is_folder=True), is_tree=tree, with_size=size, with_hash=False)
    return 0


@click.command("get-url", cls=PairsCommand)
@click.argument("url")
@click.argument("out", required=False)
@options.jobs
@force
@fs_config
@options.dry_run
@json_option
@pass_session
def get_url(
    session: Session,
    url: str,
    out: str | None,
    jobs: int | None,
    force: bool,
    fs_config: tuple[str, ...],
    dry_run: bool,
) -> int:
    """Download a file or folder from a url: a path, http(s)://, s3:// or remote://NAME/path.

    An interrupted download goes on when it is run again.
    """
    from labops.verbs.get_url import get_url as verb

    with session.progress() as on_event:
        report = verb(
            url,
            out,
            fs_config=pairs(fs_config, "--fs-config"),
            force=force,
            jobs=jobs,
            dry_run=dry_run,
            on_event=on_event,
        )
    return show.show_report(session, report, got_lines(report), dry_run=dry_run)


# -- artifacts ----------------------------------------------------------------------------------------


@click.group("artifacts", cls=Family)
def artifacts() -> None:
    """Models and datasets that a 'dvc.yaml' gives a name, by version or stage."""


@artifacts.command("get", cls=PairsCommand, short_help="Download an artifact.")
@click.argument("url")
@click.argument("name")
@click.option("--rev", metavar="VERSION", help="A version of it (v1.2.0) instead of the newest.")
@click.option("--stage", metavar="STAGE", help="The version that is in this stage (prod).")
@out
@click.option("--show-url", is_flag=True, help="Print where the object lies, and fetch nothing.")
@options.jobs
@force
@click.option("--config", metavar="PATH", type=click.Path(), help="A file of settings for the source.")
@click.option("--remote", metavar="NAME", help="The remote of the source to take data from.")
@click.option("--remote-config", multiple=True, metavar="K=V", help="Options of the source's remote.")
@json_option
@pass_session
def artifacts_get(
    session: Session,
    /,
    url: str,
    name: str,
    rev: str | None,
    stage: str | None,
    out: str | None,
    show_url: bool,
    jobs: int | None,
    force: bool,
    config: str | None,
    remote: str | None,
    remote_config: tuple[str, ...],
) -> int:
    """Download an artifact: NAME is as in 'dvc.yaml', or folder:name for one further down."""
    from labops.verbs.artifacts import find_artifact
    from labops.verbs.get import get as verb
    from labops.verbs.get import object_url

    commit = find_artifact(url, name, version=rev, stage=stage)
    where = opened(url, commit.rev, config, remote, remote_config)
    path = commit.path(where)
    if show_url:
        session.say(object_url(where, path))
        return 0
    with session.progress() as on_event:
        report = verb(where, path, out, force=force, jobs=jobs, on_event=on_event)
    return show.show_report(session, report, got_lines(report), dry_run=False)
