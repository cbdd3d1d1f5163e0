"""The references of commands and of Python, written from the code itself when the documentation is built.

mkdocs loads this file as a hook. Nothing generated is committed, so the pages cannot fall behind the code.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

import labops

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGE = "reference/commands.md"
PYTHON_PAGE = "reference/python.md"
LAB_PAGE = "reference/lab-toml.md"

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


PYTHON_HEAD = """\
# Python

```
import labops            # open, read, filesystem, Dataset, require
import labops.api        # those, and the names of dvc.api
import labops.mlflow     # with the extra labops[mlflow]
```

The package is typed. Importing it loads nothing; names are loaded when they are first used.
[Use a version in code](../how-to/use-in-code.md) shows them at work.
Every error is a `labops.errors.LabError` with a `code`, a `message` and a `hint`
([all of them](errors.md)).
"""

PYTHON = (
    ("labops", "labops.api", ("open", "read", "filesystem")),
    ("labops", "labops.datasets", ("require", "Dataset", "File", "Card", "Verification")),
    ("labops.api", "labops.api", ("get_url", "artifacts_show", "all_branches", "all_tags", "all_commits", "forget")),
)
"""The module people name, the one that holds the names, and the names."""


def python_page() -> str:
    """The whole page as Markdown."""
    parts = [PYTHON_HEAD]
    for shown, home, names in PYTHON:
        module = importlib.import_module(home)
        for name in names:
            parts += _described(shown, name, getattr(module, name))
    return "\n\n".join(parts) + "\n"


def _described(module: str, name: str, thing: object) -> Iterator[str]:
    where = f"{module}." if module == "labops.api" or name in labops.__all__ else ""
    yield f"## {where}{name}"
    if not _is_row(thing):
        yield f"```python\n{where}{name}{_signature(thing)}\n```"
    yield inspect.getdoc(thing) or ""
    if not inspect.isclass(thing):
        return
    for member, value in vars(thing).items():
        if not member.startswith("_"):
            yield from _member(member, value)


def _member(name: str, value: object) -> Iterator[str]:
    doc = inspect.getdoc(value)
    if isinstance(value, (property, functools.cached_property)):
        yield f"`.{name}`: {doc}"
    elif inspect.isfunction(value):
        yield f"```python\n.{name}{_signature(value)}\n```\n\n{doc}"


def _is_row(thing: object) -> bool:
    return inspect.isclass(thing) and issubclass(thing, tuple)


def _signature(thing: object) -> str:
    """Parameters as they are typed, one line for each where there are many."""
    assert callable(thing)
    found = inspect.signature(thing)
    words: list[str] = []
    for word in found.parameters.values():
        if word.kind is word.KEYWORD_ONLY and "*" not in words and not any(one.startswith("*") for one in words):
            words.append("*")
        if word.name not in ("self", "on_event"):
            text = str(word.replace(annotation=word.empty, default=word.empty))
            default = "" if word.default is word.empty else f" = {word.default!r}"
            words.append(f"{text}: {word.annotation}{default}")
    words = words[:-1] if words and words[-1] == "*" else words
    many = ",\n    ".join(words)
    listed = f"(\n    {many},\n)" if len(words) > 3 else f"({', '.join(words)})"
    returned = "" if inspect.isclass(thing) else f" -> {found.return_annotation}"
    return listed + returned


_LAB_INTRODUCTION = """\
# lab.toml

The lab on one page, at the root of the datasets repository; `lab admin init` writes one. It is TOML. A key that is not
listed here is an error, which names the line. `lab admin schema` prints the same as a JSON schema, for editors. No
value may hold a password.
"""


def lab_page() -> str:
    """The reference of `lab.toml`, from the table that the reader checks."""
    from labops.formats.labschema import LISTS, NAMED, REQUIRED, TABLES

    parts = [_LAB_INTRODUCTION]
    for title, tables in ((_plain, TABLES), (_named, NAMED), (_listed, LISTS)):
        for name, fields in tables.items():
            parts += [
                f"## {title(name)}{'' if name not in REQUIRED else ', required'}\n",
                "| key | value | meaning |",
                "|---|---|---|",
            ]
            parts += [
                f"| `{key}`{', required' if field.is_required else ''} | {_value(field)} | {field.doc} |"
                for key, field in fields.items()
            ]
            parts.append("")
    return "\n".join(parts)


def _plain(name: str) -> str:
    return f"[{name}]"


def _named(name: str) -> str:
    return f"[{name}] with a table for each name, as in `name = {{ … }}`"


def _listed(name: str) -> str:
    return f"[[{name}]], as many as you like"


def _value(field: Any) -> str:
    """What a key takes, in words."""
    if field.choices:
        return ", ".join(f"`{choice}`" for choice in field.choices)
    words = {"flag": "`true` or `false`", "date": "a date, as in `2027-03-31`", "names": "a list of texts"}
    if field.kind == "number":
        return f"{field.least} to {field.most}"
    return words.get(field.kind, field.expected or "a text")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """mkdocs asks here for pages that are not in the folder."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=commands_page()))
    files.append(File.generated(config, PYTHON_PAGE, content=python_page()))
    files.append(File.generated(config, LAB_PAGE, content=lab_page()))
    return files
