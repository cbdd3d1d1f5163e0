"""A fresh Python beside this one, asked through a pipe.

For children of `fork`: the threads of cloud libraries do not live on there, and a request would wait for ever.
"""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
import threading
from typing import Any

from labops.errors import LabError, Unavailable

_PROGRAM = "from labops.drivers.interpreter import serve; serve({!r})"


class Helper:
    """Runs the function `target` (`module:name`) for each request, one after the other, in a process of its own.

    The process starts with the first request and ends with this one. Thread-safe.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: object) -> object:
        """What the function returns; a `LabError` that it raises is raised here."""
        with self._lock:
            try:
                if self._process is None:
                    self._process = self._start()
                assert self._process.stdin is not None
                assert self._process.stdout is not None
                pickle.dump(request, self._process.stdin)
                self._process.stdin.flush()
                is_done, answer = pickle.load(self._process.stdout)  # noqa: S301 - from our own process
            except (OSError, EOFError) as error:
                self._process = None
                raise Unavailable(
                    "the process that fetches for this one has ended",
                    code="helper-ended",
                    hint="try again; or fetch everything before the workers start: Dataset(...).pull()",
                ) from error
        if is_done:
            return answer
        kind, message, code, hint, fields = answer
        raise kind(message, code=code, hint=hint, **fields)

    def _start(self) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(self._target)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )


def serve(target: str) -> None:
    """Answer requests on standard input until it ends: the helper's side."""
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not get between the answers
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own process
        except EOFError:
            return
        pickle.dump(_answer(function, request), answers)
        answers.flush()


def _answer(function: Any, request: object) -> tuple[bool, object]:
    try:
        return True, function(request)
    except LabError as error:
        kind = next(one for one in type(error).__mro__ if one.__module__ == "labops.errors")
        return False, (kind, error.message, error.code, error.hint, error.fields)
