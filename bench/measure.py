"""Run one command and say what it cost: wall time, client CPU, peak memory, files opened, requests."""

from __future__ import annotations

import ctypes
import os
import select
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from labops.testing.proxy import Proxy

_IN_OPEN, _IN_ISDIR = 0x20, 0x4000_0000
_EVENT = struct.Struct("iIII")


@dataclass(frozen=True)
class Command:
    """What is timed: a command line and the folder it runs in.

    `watch` is a folder whose opened files are counted, `through` a proxy that counts requests, `git_trace` a
    file in which git notes its processes, which are counted.
    """

    argv: Sequence[str]
    cwd: Path
    watch: Path | None = None
    through: Proxy | None = None
    git_trace: Path | None = None


@dataclass(frozen=True)
class Sample:
    """One run. `cpu_s` is user + system of the command and its children, `rss_mb` their largest process."""

    wall_s: float
    cpu_s: float
    rss_mb: float
    counts: Mapping[str, int] = field(default_factory=dict)


class Failed(RuntimeError):
    """A timed command ended with a status other than 0: the figures would mean nothing."""


def run(command: Command, env: Mapping[str, str]) -> Sample:
    """Time one command. Written data of earlier runs is flushed first, so that nobody pays for it here."""
    os.sync()
    if command.through:
        command.through.asked.clear()
    if command.git_trace:
        command.git_trace.unlink(missing_ok=True)
        env = {**env, "GIT_TRACE2": str(command.git_trace)}
    watching = files_opened(command.watch) if command.watch else nullcontext(set[str]())
    with watching as opened:
        sample = _time(command, env)
    counts = {"opened": len(opened)} if command.watch else {}
    if command.git_trace:
        counts = {**counts, "git": command.git_trace.read_text().count(" start ")}
    if command.through:
        requests = command.through.counts()
        counts = {**counts, "requests": requests.total(), **requests}
    return replace(sample, counts=counts)


def _time(command: Command, env: Mapping[str, str]) -> Sample:
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            list(command.argv),
            cwd=command.cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            said = output.read()[-2000:].decode(errors="replace")
            raise Failed(f"{' '.join(command.argv)} ended with {process.returncode}:\n{said}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@contextmanager
def files_opened(folder: Path) -> Iterator[set[str]]:
    """The files below `folder` that anybody opens meanwhile (inotify); complete when the block ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    folders: dict[int, str] = {}
    for path, _, _ in os.walk(folder):
        folders[libc.inotify_add_watch(handle, os.fsencode(path), _IN_OPEN)] = path
    opened: set[str] = set()
    yield opened  # filled below, when the watched command has ended
    while select.select([handle], [], [], 0)[0]:
        events = os.read(handle, 1 << 20)
        at = 0
        while at < len(events):
            watch, mask, _, length = _EVENT.unpack_from(events, at)
            name = events[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
            at += _EVENT.size + length
            if watch < 0:
                raise Failed("too many files were opened for the kernel's queue of events")
            if not mask & _IN_ISDIR:
                opened.add(os.path.join(folders[watch], os.fsdecode(name)))
    os.close(handle)


def value(sample: Sample, metric: str) -> float:
    """One figure of a sample: `wall_s`, `cpu_s`, `rss_mb`, or a count by its name."""
    if metric in sample.counts:
        return sample.counts[metric]
    return float(getattr(sample, metric))


def median(samples: Sequence[Sample], metric: str) -> float:
    return statistics.median(value(sample, metric) for sample in samples)
