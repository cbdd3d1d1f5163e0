"""The reference of commands, written from the command line itself when the documentation is built.

mkdocs loads this file as a hook. Nothing generated is committed, so the page cannot fall behind the code.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGE = "reference/commands.md"

COMMON = {"quiet", "verbose"}
"""Options that every command has: told once, at the top of the page."""

HEAD = """\
# Commands

Names, options and arguments are those of DVC, so a script written for `dvc` runs with `lab` in its place.
Results go to standard output; hints for people, warnings, errors and progress go to standard error.
Exit codes are listed on the page of [errors and exit codes](errors.md).

Options of every command; `-q` and `-v` may also follow its name:

{common}
"""


def walk() -> Iterator[tuple[str, click.Command]]:
    """Every visible command with its name as typed after `lab`, groups before their members."""
    from labops.cli.app import root

    return _below(root, ())


def _below(group: click.Group, names: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    context = _context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield " ".join((*names, name)), command
        if isinstance(command, click.Group):
            yield from _below(command, (*names, name))


def _context(command: click.Command) -> click.Context:
    # A command remembers the help option of its first context: it must be the one that lab itself gives.
    return click.Context(command, info_name="lab", help_option_names=["-h", "--help"])


def commands_page() -> str:
    """The whole page as Markdown."""
    from labops.cli.app import root

    parts = [HEAD.format(common="\n".join(_options(root)))]
    for name, command in walk():
        parts += [f"## lab {name}", _synopsis(name, command), _prose(command)]
        rows = list(_options(command))
        if rows:
            parts.append("\n".join(rows))
    return "\n\n".join(part for part in parts if part) + "\n"


def _synopsis(name: str, command: click.Command) -> str:
    words = " ".join(command.collect_usage_pieces(_context(command)))
    return f"```\nlab {name} {words}\n```"


def _prose(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or command.short_help or "")
    return text.replace("\b\n", "").partition("\f")[0].strip()


def _options(command: click.Command) -> Iterator[str]:
    from labops.cli.app import root

    visible = [
        param
        for param in command.params
        if isinstance(param, click.Option) and not param.hidden and (command is root or param.name not in COMMON)
    ]
    if not visible:
        return
    yield "| option | meaning |"
    yield "|---|---|"
    for option in visible:
        names = ", ".join(f"`{name}`" for name in sorted({*option.opts, *option.secondary_opts}, key=_short_first))
        value = "" if option.is_flag or option.count else f" {option.make_metavar(_context(command))}"
        yield f"| {names}{value.replace('|', chr(92) + '|')} | {(option.help or '').replace('|', chr(92) + '|')} |"


def _short_first(name: str) -> tuple[bool, str]:
    return name.startswith("--"), name


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """mkdocs asks here for pages that are not in the folder."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=commands_page()))
    return files
