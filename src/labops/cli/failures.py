"""From an exception to words, JSON and an exit code: the one place that ends a failed run."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

import click

from labops.cli.session import Session, paint, printable
from labops.errors import LabError

INTERRUPTED = 130
BROKEN_PIPE = 141
BUG = 1
USAGE = 2


class Stopped(KeyboardInterrupt):
    """A signal that ends the process, other than Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def explain(error: BaseException, session: Session, words: Sequence[str]) -> int:
    """Tell the person (or the script, with `--json`) what happened; returns the exit code."""
    if isinstance(error, BrokenPipeError):
        return _leave_pipe()
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else BUG
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        message = "interrupted; what was finished is kept, run the same command again to go on"
        print(f"\n{message}", file=sys.stderr)
        return 128 + error.number if isinstance(error, Stopped) else INTERRUPTED
    code, facts = _facts(error, words)
    try:
        # A parse error may strike before the option was seen, so the words themselves count.
        if session.is_json or "--json" in words:
            import json

            print(json.dumps({"error": facts}), flush=True)
        else:
            _print(facts)
            if session.verbosity > 1 or os.environ.get("DVC_SHOW_TRACEBACK"):
                _print_traceback(error)
    except BrokenPipeError:
        return _leave_pipe()
    return code


def _leave_pipe() -> int:
    # Python flushes standard output once more at exit, and would complain there.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _facts(error: BaseException, words: Sequence[str]) -> tuple[int, dict[str, str | int]]:
    """Exit code, and `code`, `message`, `hint` and the named fields of one failure."""
    if isinstance(error, LabError):
        facts = {"code": error.code, "message": error.message, "hint": error.hint, **error.fields}
        return error.exit_code, facts
    if isinstance(error, click.UsageError):
        message, hint = _usage(error)
        return USAGE, {"code": "bad-usage", "message": message, "hint": hint}
    if isinstance(error, click.ClickException):
        return USAGE, {"code": "bad-usage", "message": error.format_message(), "hint": ""}
    path = _keep_traceback(error, words)
    message = f"labops met an error it did not expect ({type(error).__name__})"
    hint = f"please report it with the file '{path}'" if path else "please report it; `-vv` prints the traceback"
    return BUG, {"code": "unexpected", "message": message, "hint": hint, "traceback": path}


def _usage(error: click.UsageError) -> tuple[str, str]:
    """Message and hint for words that click cannot place."""
    where = error.ctx.command_path if error.ctx else "lab"
    if isinstance(error, click.NoSuchOption):
        message = f"'{where}' has no option '{error.option_name}'"
        if error.option_name == "--json" and (error.ctx is None or error.ctx.parent is None):
            return message, "it goes behind the name of a command, as in: lab status --json"
        near = _nearest(error.option_name, error.possibilities or ())
        return message, f"did you mean '{near}'?" if near else f"{where} --help"
    message = error.format_message().rstrip(".")
    return message[:1].lower() + message[1:], f"{where} --help"


def _nearest(option: str, names: Sequence[str]) -> str:
    """The name that was probably meant. click counts the dashes as likeness, which makes all names alike."""
    import difflib

    bare = {name.lstrip("-"): name for name in names}
    return next((bare[name] for name in difflib.get_close_matches(option.lstrip("-"), bare, 1)), "")


def _print(facts: dict[str, str | int]) -> None:
    message, hint = str(facts["message"]), str(facts["hint"])
    lines = [message]
    for name, value in facts.items():
        if name not in {"code", "message", "hint"} and str(value) not in message and str(value) not in hint:
            lines.append(f"  {name}: {value}")
    if hint:
        lines.append(f"hint: {hint}")
    text = printable("\n".join(lines), sys.stderr)
    print(f"{paint('ERROR', 'red', sys.stderr)}: {text}", file=sys.stderr)


def _print_traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error, file=sys.stderr)


def _keep_traceback(error: BaseException, words: Sequence[str]) -> str:
    """Write the traceback into a file for the bug report; its path, or nothing where none can be written."""
    import time
    import traceback

    from labops import __version__

    # Values on the command line may be secrets: only the words up to the first option or value are kept.
    command = " ".join(word for word in words[:1] if not word.startswith("-"))
    text = f"labops {__version__}, Python {sys.version}, {sys.platform}\ncommand: lab {command}\n\n"
    text += "".join(traceback.format_exception(error))
    for folder in _places_for_traceback():
        try:
            os.makedirs(folder, exist_ok=True)
            stamp = time.strftime("%Y%m%d-%H%M%S")
            path = os.path.join(folder, f"crash-{stamp}-{os.getpid()}.txt")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(text)
        except OSError:
            continue
        return path
    return ""


def _places_for_traceback() -> list[str]:
    """`.dvc/tmp/lab` of the project around us, where there is one, else the temporary folder."""
    import tempfile

    places = [tempfile.gettempdir()]
    try:
        folder = os.getcwd()
    except OSError:
        return places
    while True:
        if os.path.isdir(os.path.join(folder, ".dvc")):
            return [os.path.join(folder, ".dvc", "tmp", "lab"), *places]
        parent = os.path.dirname(folder)
        if parent == folder:
            return places
        folder = parent
