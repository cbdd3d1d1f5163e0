"""What one command line has asked for: how much to say and where, shared by all commands."""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from labops.errors import InvalidInput
from labops.model import OnEvent

if TYPE_CHECKING:
    from labops.project import Project

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COLOURS = {"red": 31, "green": 32, "yellow": 33, "cyan": 36}


@dataclass
class Session:
    """Options that any command may carry, before or after its name."""

    is_quiet: bool = False
    verbosity: int = 0
    is_json: bool = False
    waits_for_lock: bool = False

    def project(self) -> Project:
        """The project around the current directory; raises `NotFound` (`not-in-a-project`)."""
        from labops.project import Project

        return Project.find(".", wait_for_lock=self.waits_for_lock, on_wait=self.warn)

    def say(self, text: str, *, colour: str = "") -> None:
        """One line of result on standard output, unless `-q`."""
        if not self.is_quiet:
            text = printable(text, sys.stdout)
            print(paint(text, colour, sys.stdout) if colour else text)

    def show_json(self, document: object) -> None:
        """The one document of `--json`, whatever `-q` says."""
        import json

        print(json.dumps(document))

    def warn(self, text: str) -> None:
        """One line on standard error, unless `-q`."""
        if not self.is_quiet:
            print(f"{paint('WARNING', 'yellow', sys.stderr)}: {printable(text, sys.stderr)}", file=sys.stderr)

    @contextmanager
    def progress(self) -> Iterator[OnEvent]:
        """An `OnEvent` that draws on a terminal, and only there."""
        from labops.cli.progress import Progress
        from labops.model import ignore

        if self.is_quiet or self.is_json or not is_terminal(sys.stderr):
            yield ignore
            return
        with Progress() as progress:
            yield progress

    def confirm(self, question: str) -> bool:
        """Ask on standard error; anything but an explicit yes, and any answerless input, is no."""
        if not is_terminal(sys.stdin):
            return False
        print(f"{printable(question, sys.stderr)} [y/n]: ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in {"y", "yes"}


def is_terminal(stream: object) -> bool:
    """True when a person looks at `stream`."""
    isatty: Callable[[], bool] | None = getattr(stream, "isatty", None)
    return isatty is not None and isatty() and os.environ.get("TERM") != "dumb"


def printable(text: str, stream: object) -> str:
    """`text` without control characters where a terminal would obey them: names come from anywhere."""
    if not is_terminal(stream):
        return text
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def accept_any_name() -> None:
    """Let the standard streams print every file name there is: bytes that are no text go out as they are."""
    codecs.register_error("labops-names", _encode_name)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="labops-names")


def _encode_name(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    try:
        return letters.encode("ascii", "surrogateescape"), error.end
    except UnicodeEncodeError:
        return "?" * len(letters), error.end


def paint(text: str, colour: str, stream: object) -> str:
    """`text` in a colour where the stream is a terminal and `NO_COLOR` is not set."""
    if not is_terminal(stream) or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{_COLOURS[colour]}m{text}\033[0m"


def _session(context: click.Context) -> Session:
    return context.ensure_object(Session)


def _set_quiet(context: click.Context, _option: click.Parameter, value: bool) -> None:
    _session(context).is_quiet |= value


def _set_verbose(context: click.Context, _option: click.Parameter, value: int) -> None:
    _session(context).verbosity += value


def _set_json(context: click.Context, _option: click.Parameter, value: bool) -> None:
    _session(context).is_json |= value


def volume_options() -> list[click.Parameter]:
    """`-q` and `-v`, which dvc takes before and after the name of a command."""
    return [
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_set_quiet,
            help="Say nothing but errors.",
        ),
        click.Option(["-v", "--verbose"], count=True, expose_value=False, callback=_set_verbose, help="Say more."),
    ]


json_option = click.option(
    "--json", is_flag=True, expose_value=False, callback=_set_json, help="Print one JSON document."
)


class Command(click.Command):
    """A command that takes `-q` and `-v`, and `-h` for help."""

    def __init__(self, name: str | None, **rest: object) -> None:
        super().__init__(name, **rest)  # type: ignore[arg-type]
        self.params += volume_options()
        self.context_settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Family(click.Group):
    """A command with subcommands (`remote add`)."""

    command_class = Command

    def __init__(self, name: str | None = None, **rest: object) -> None:
        super().__init__(name, **rest)  # type: ignore[arg-type]
        self.params += volume_options()
        self.context_settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

    def parse_args(self, context: click.Context, words: list[str]) -> list[str]:
        if not words and not context.resilient_parsing:
            names = [name for name, command in sorted(self.commands.items()) if not command.hidden]
            raise InvalidInput(
                f"'{context.command_path}' needs one of: {', '.join(names)}",
                code="bad-usage",
                hint=f"{context.command_path} --help",
            )
        return super().parse_args(context, words)


pass_session = click.make_pass_decorator(Session, ensure=True)
