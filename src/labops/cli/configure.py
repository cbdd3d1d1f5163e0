"""`config`, `remote …`, `cache dir`: what the configuration files say."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from labops.cli.options import known_remotes
from labops.cli.session import Command, Family, Session, json_option, pass_session
from labops.errors import InvalidInput, LabError

F = TypeVar("F", bound=Callable[..., Any])

NO_DEFAULT = 1
"""Exit code of `remote default` when there is none, as in dvc."""
_LEVELS = {
    "system": "Use the configuration of the machine.",
    "global": "Use your own configuration for all projects.",
    "repo": "Use the project's configuration (.dvc/config, the default).",
    "local": "Use the project's configuration for this machine (.dvc/config.local).",
}


def _choose_level(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        chosen = option.name or ""
        if context.meta.setdefault("labops.level", chosen) != chosen:
            raise click.UsageError("only one of --global, --system, --project and --local can be used", context)


def level_options(function: F) -> F:
    """`--system`, `--global`, `--project`, `--local`; read by `_level`."""
    for level, text in _LEVELS.items():
        flag = "--project" if level == "repo" else f"--{level}"
        function = click.option(flag, level, is_flag=True, expose_value=False, callback=_choose_level, help=text)(
            function
        )
    return function


def _level() -> str | None:
    level: str | None = click.get_current_context().meta.get("labops.level")
    return level


def _root() -> str | None:
    from labops.settings import find_root

    return find_root()


def _warn(session: Session, warnings: Iterable[str]) -> None:
    for warning in warnings:
        session.warn(warning)


def _set_options(_context: click.Context, _option: click.Parameter, start: str) -> list[str]:
    """Names of the options that are set, for shell completion."""
    from labops.verbs.config import list_options

    try:
        return sorted({row.name for row in list_options(_root()) if row.name.startswith(start)})
    except LabError:
        return []


@click.command("config", cls=Command)
@level_options
@click.argument("name", required=False, metavar="[NAME]", shell_complete=_set_options)
@click.argument("value", required=False, metavar="[VALUE]")
@click.option("-u", "--unset", is_flag=True, help="Remove the option.")
@click.option("-l", "--list", "is_list", is_flag=True, help="List every option of every level.")
@click.option("--show-origin", is_flag=True, help="Show which file says so.")
@json_option
@pass_session
def config(
    session: Session, name: str | None, value: str | None, unset: bool, is_list: bool, show_origin: bool
) -> None:
    """Get or set configuration options (section.option, or remote.NAME.option)."""
    from labops.verbs import config as verb

    if is_list:
        if name or unset:
            raise InvalidInput("'--list' takes no name and no value", code="bad-usage", hint="lab config --help")
        _show_options(session, verb.list_options(_root(), _level()), show_origin=show_origin, is_list=True)
        return
    if name is None:
        raise InvalidInput("the name of an option is needed", code="bad-usage", hint="lab config --list")
    if show_origin and (value is not None or unset):
        raise InvalidInput("'--show-origin' only reads", code="bad-usage", hint="lab config --help")
    if unset:
        if value is not None:
            raise InvalidInput("'--unset' takes no value", code="bad-usage", hint=f"lab config --unset {name}")
        verb.unset_option(_root(), name, _level())
    elif value is not None:
        _warn(session, verb.set_option(_root(), name, value, _level()))
    else:
        row = verb.get_option(_root(), name, _level())
        _show_options(session, [row] if row else [], show_origin=show_origin, is_list=False)


def _show_options(session: Session, rows: Iterable[Any], *, show_origin: bool, is_list: bool) -> None:
    if session.is_json:
        session.show_json([row._asdict() for row in rows])
        return
    for row in rows:
        origin = f"{row.file}\t" if show_origin else ""
        session.say(f"{origin}{row.name}={row.value}" if is_list else f"{origin}{row.value}")


@click.group("remote", cls=Family)
def remote() -> None:
    """Add, list, change and remove remotes."""


@remote.command("add", short_help="Add a remote.")
@level_options
@click.argument("name")
@click.argument("url")
@click.option("-d", "--default", "is_default", is_flag=True, help="Make it the default remote.")
@click.option("-f", "--force", is_flag=True, help="Replace a remote of that name.")
@pass_session
def remote_add(session: Session, name: str, url: str, is_default: bool, force: bool) -> None:
    """Add the remote NAME at URL: s3://bucket/path, gs://…, azure://…, a folder, or https://… to read only.

    Credentials do not belong here: `lab remote modify --local NAME access_key_id …` keeps them on this machine.
    """
    from labops.verbs import remotes

    remotes.add(_root(), name, url, _level(), is_default=is_default, force=force)
    if is_default:
        session.say(f"Setting '{name.lower()}' as a default remote.")


@remote.command("default", short_help="Print or choose the default remote.")
@level_options
@click.argument("name", required=False, metavar="[NAME]", shell_complete=known_remotes)
@click.option("-u", "--unset", is_flag=True, help="Have no default remote.")
@json_option
@pass_session
def remote_default(session: Session, name: str | None, unset: bool) -> int:
    """Print the default remote, or make NAME the default one."""
    from labops.verbs import config as options
    from labops.verbs import remotes

    if unset:
        remotes.unset_default(_root(), _level())
    elif name is not None:
        remotes.set_default(_root(), name, _level())
    else:
        rows = [row for row in options.list_options(_root(), _level()) if row.name == "core.remote"]
        if session.is_json:
            session.show_json({"default": rows[-1].value if rows else None})
        else:
            session.say(rows[-1].value if rows else "No default remote set")
        return 0 if rows else NO_DEFAULT
    return 0


@remote.command("modify", short_help="Set or remove an option of a remote.")
@level_options
@click.argument("name", shell_complete=known_remotes)
@click.argument("option")
@click.argument("value", required=False, metavar="[VALUE]")
@click.option("-u", "--unset", is_flag=True, help="Remove the option.")
@pass_session
def remote_modify(session: Session, name: str, option: str, value: str | None, unset: bool) -> None:
    """Set OPTION of the remote NAME to VALUE (`-` reads it from standard input), or remove it with -u."""
    from labops.verbs import remotes

    if unset == (value is not None):
        message = "'--unset' takes no value" if unset else f"option '{option}' needs a value"
        raise InvalidInput(message, code="bad-usage", hint="lab remote modify --help")
    if value == "-":
        # A secret on the command line would stay in the shell's history.
        value = sys.stdin.readline().rstrip("\n")
    _warn(session, remotes.modify(_root(), name, option, value, _level()))


@remote.command("list", short_help="List remotes and their urls.")
@level_options
@json_option
@pass_session
def remote_list(session: Session) -> None:
    """List remotes: name, url, and which is the default one."""
    from labops.verbs import remotes

    rows = remotes.list_remotes(_root(), _level())
    if session.is_json:
        session.show_json([{"name": row.name, "url": row.url, "default": row.is_default} for row in rows])
        return
    for row in rows:
        line = "\t".join([row.name, row.url or "(no url)", *(["(default)"] if row.is_default else [])])
        session.say(line.expandtabs(8), colour="green" if row.is_default else "")


@remote.command("remove", short_help="Forget a remote; nothing is deleted there.")
@level_options
@click.argument("name", shell_complete=known_remotes)
@pass_session
def remote_remove(session: Session, name: str) -> None:
    """Forget the remote NAME. Nothing is deleted there."""
    from labops.verbs import remotes

    for line in remotes.remove(_root(), name, _level()):
        session.say(f"Remote '{name.lower()}' removed; {line}.")


@remote.command("rename", short_help="Give a remote another name.")
@level_options
@click.argument("name", shell_complete=known_remotes)
@click.argument("new")
@pass_session
def remote_rename(_session: Session, name: str, new: str) -> None:
    """Call the remote NAME NEW from now on."""
    from labops.verbs import remotes

    remotes.rename(_root(), name, new, _level())


@click.group("cache", cls=Family)
def cache() -> None:
    """Say where the cache is, or bring it up to date."""


@cache.command("dir", short_help="Print where the cache is, or choose the place.")
@level_options
@click.argument("value", required=False, type=click.Path(), metavar="[VALUE]")
@click.option("-u", "--unset", is_flag=True, help="Go back to the default place.")
@json_option
@pass_session
def cache_dir(session: Session, value: str | None, unset: bool) -> None:
    """Print where the cache is, or put it at VALUE. Nothing is moved."""
    from labops.verbs import config as verb

    if unset:
        verb.unset_option(_root(), "cache.dir", _level())
    elif value is not None:
        verb.set_option(_root(), "cache.dir", value, _level())
    elif session.is_json:
        session.show_json({"dir": verb.cache_dir(_root(), _level())})
    else:
        session.say(verb.cache_dir(_root(), _level()))


@cache.command("migrate", short_help="Give objects of dvc 2.x their names of today.")
@click.option("--dvc-files", is_flag=True, help="Let the DVC files of the workspace point at the new names.")
@click.option("-r", "--remote", metavar="NAME", shell_complete=known_remotes, help="Migrate this remote too.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="NUMBER", help="How many transfers at once, at most.")
@click.option("--dry", "--dry-run", "dry_run", is_flag=True, help="Show what would be done, and do nothing.")
@json_option
@pass_session
def cache_migrate(session: Session, dvc_files: bool, remote: str | None, jobs: int | None, dry_run: bool) -> int:
    """Store the objects of dvc 2.x under their names of today too; the old ones stay.

    Nothing is downloaded. In a remote the store itself copies what keeps its name.
    """
    from labops.cli import show
    from labops.model import Action
    from labops.verbs.migrate import migrate

    project = session.project()
    with session.progress() as on_event:
        report = migrate(project, dvc_files=dvc_files, remote=remote, jobs=jobs, dry_run=dry_run, on_event=on_event)
    lines = [f"Migrated {report.count(Action.STORE)} files to DVC 3.0 cache location."]
    if remote:
        number = report.count(Action.UPLOAD)
        lines.append(f"Brought {number} file{'s' if number != 1 else ''} to their new names in '{remote}'.")
    if dvc_files and report.count(Action.TRACK) == 0 and not report.failed:
        lines.append("No DVC files in the repo to migrate to the 3.0 format.")
    lines += show.git_hint(report, project.root)
    return show.show_report(session, report, lines, dry_run=dry_run, root=project.root)
