"""How people meet labops in a terminal: parse, call one verb, show.

`main` answers `--version` and `--help` itself: importing click would triple their time.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # type checkers take it for true; `typing` itself would double the time of `lab --help`
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; nothing but this ends in `sys.exit`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in (["-V"], ["--version"]):
        from labops import __version__

        print(__version__)
        return 0
    is_completing = "_LAB_COMPLETE" in os.environ
    if not is_completing and (not words or words in (["-h"], ["--help"])):
        from labops.cli.commands import overview

        print(overview(), end="")
        return 0 if words else 2
    from labops.cli.app import run

    return run(words)


def command() -> NoReturn:
    """What the installed `lab` runs: `main`, and then the end of the process without taking it to pieces.

    Freeing a million rows one by one, and looking for cycles among them, would be felt after every command.
    """
    gc.set_threshold(200_000, 20, 100)
    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # a reader such as `head` has seen enough
        code = 141
    os._exit(code)
