"""`lab` on a terminal of its own, its standard output apart; and what the machine shows of every process meanwhile."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SECONDS = 120.0


@dataclass
class Shown:
    """How a command ended, what the terminal showed, and what went to standard output (a pipe)."""

    code: int
    screen: str
    out: str


def on_terminal(
    words: Sequence[str], cwd: Path, env: Mapping[str, str], typed: Sequence[tuple[str, str]] = ()
) -> Shown:
    """Run `lab`; for each pair of `typed` wait until the terminal shows the first and type the second."""
    reading, writing = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:  # the child has the terminal as its own, as in a shell
        os.dup2(writing, 1)
        os.chdir(cwd)
        os.execve(sys.executable, [sys.executable, "-m", "labops", *words], {**env, "TERM": "xterm"})
    os.close(writing)
    left, screen, out = list(typed), b"", b""
    deadline = time.monotonic() + _SECONDS
    sources = [terminal, reading]
    while sources and time.monotonic() < deadline:
        for source in select.select(sources, [], [], 1)[0]:
            try:
                data = os.read(source, 65536)
            except OSError:  # Linux says so when the last holder of a terminal has gone
                data = b""
            if not data:
                sources.remove(source)
            elif source == terminal:
                screen += data
            else:
                out += data
        if left and left[0][0].encode() in screen:
            os.write(terminal, left.pop(0)[1].encode() + b"\n")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    os.close(reading)
    return Shown(os.waitstatus_to_exitcode(status), screen.decode(), out.decode())


@dataclass
class Watch:
    """The command lines of all processes there were, and the environments of those below `folder`."""

    folder: str
    lines: set[bytes] = field(default_factory=set)
    environments: set[bytes] = field(default_factory=set)


@contextlib.contextmanager
def watching(folder: Path) -> Iterator[Watch]:
    """Look at `/proc` again and again until the block ends."""
    watch, is_over = Watch(str(folder)), threading.Event()

    def look() -> None:
        while not is_over.wait(0.02):
            for name in os.listdir("/proc"):
                if name.isdigit():
                    with contextlib.suppress(OSError):
                        watch.lines.add(Path(f"/proc/{name}/cmdline").read_bytes())
                        found = Path(f"/proc/{name}/environ").read_bytes()
                        if f"HOME={folder}".encode() in found:
                            watch.environments.add(found)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        is_over.set()
        thread.join()
