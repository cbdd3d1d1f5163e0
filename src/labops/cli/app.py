"""The root command: global options, commands loaded when they are called, and the end of every run."""

from __future__ import annotations

import contextlib
import importlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

import click

from labops.cli.commands import ALIASES, COMMANDS, LEFT_TO_DVC, overview
from labops.cli.failures import Stopped, explain
from labops.cli.session import Session, accept_any_name, volume_options
from labops.errors import InvalidInput, Unsupported

COMPLETE_VARIABLE = "_LAB_COMPLETE"


class _LeftToDvc(click.Command):
    """Takes any words and ends in the one piece of advice there is."""

    def __init__(self, name: str) -> None:
        words = click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)
        settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}
        super().__init__(name, params=[words], add_help_option=False, context_settings=settings, hidden=True)

    def invoke(self, context: click.Context) -> None:
        raise use_dvc(self.name or "", *context.params["words"])


def use_dvc(*words: str) -> Unsupported:
    """The error for what labops leaves to dvc, naming the command to type instead."""
    command = shlex.join(("dvc", *words))
    return Unsupported(
        f"labops leaves '{' '.join(words[:1])}' to dvc, which works on this very repository",
        code="use-dvc",
        hint=command,
    )


class _Root(click.Group):
    """Knows every name from the table and imports a command's module when it is needed."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        name = ALIASES.get(name, name)
        if name in LEFT_TO_DVC:
            return _LeftToDvc(name)
        entry = COMMANDS.get(name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        command = getattr(importlib.import_module(f"labops.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if words and self.get_command(context, words[0]) is None and not context.resilient_parsing:
            raise _unknown_command(words[0])
        return super().resolve_command(context, words)

    def get_help(self, _context: click.Context) -> str:
        return overview().rstrip("\n")


def _unknown_command(name: str) -> InvalidInput:
    import difflib

    near = difflib.get_close_matches(name, [*COMMANDS, *LEFT_TO_DVC], 1)
    hint = f"did you mean 'lab {near[0]}'?" if near else "lab --help"
    return InvalidInput(f"'{name}' is not a lab command", code="unknown-command", hint=hint)


def _change_folder(_context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        try:
            os.chdir(value)
        except OSError as error:
            message = f"cannot change to '{value}': {(error.strerror or '').lower()}"
            raise InvalidInput(message, code="bad-folder") from error


def _set_waits(context: click.Context, _option: click.Parameter, value: bool) -> None:
    context.ensure_object(Session).waits_for_lock |= value


def _print_version(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from labops import __version__

        print(__version__)
        context.exit()


root = _Root(
    "lab",
    params=[
        *volume_options(),
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Print the version and exit.",
        ),
        click.Option(
            ["--cd"], metavar="PATH", expose_value=False, callback=_change_folder, help="Change to this folder first."
        ),
        click.Option(
            ["--wait-for-lock"],
            is_flag=True,
            expose_value=False,
            callback=_set_waits,
            help="Wait while another process holds the repository, however long.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(words: Sequence[str]) -> int:
    """Run a command line to its end: every failure becomes words and an exit code here."""
    accept_any_name()
    session = Session()
    instruction = os.environ.get(COMPLETE_VARIABLE)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(root, {}, "lab", COMPLETE_VARIABLE, instruction)
    with _stopping_in_order():
        try:
            code = _invoke(session, list(words))
            sys.stdout.flush()
            return code
        except BaseException as error:  # noqa: BLE001 (the last net of the process)
            code = explain(error, session, words)
            _leave_if_blocked(code)
            return code


def _leave_if_blocked(code: int) -> None:
    """End the process here when an interrupt left a thread inside a foreign library, which nobody can stop."""
    hands = sys.modules.get("labops.drivers.hands")
    if hands is not None and hands.is_anyone_left():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@contextlib.contextmanager
def _stopping_in_order() -> Iterator[None]:
    """Let a batch system or a closed terminal end us as Ctrl-C does: locks are given back, bars taken down."""

    def stop(number: int, _frame: object) -> None:
        raise Stopped(number)

    names = (name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
    numbers = [getattr(signal, name) for name in names]
    # What `nohup` has set to be ignored stays ignored, and only the main thread may ask for signals.
    is_main = threading.current_thread() is threading.main_thread()
    taken = [number for number in numbers if is_main and signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _invoke(session: Session, words: list[str]) -> int:
    # click's own main() would turn a broken pipe into 1 and print its errors in its own words.
    try:
        with root.make_context("lab", words, obj=session) as context:
            result = root.invoke(context)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    return result if isinstance(result, int) else 0
