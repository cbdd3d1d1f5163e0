"""Paths that a running `dvc repro` reads or writes, as `.dvc/tmp/rwlock` names them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping

from labops.drivers.lock.repository import RepositoryLock, is_alive
from labops.errors import Conflict, Corrupt


def check_pipelines(tmp_dir: str, paths: Iterable[str], *, use_hardlink: bool = False) -> None:
    """Refuse to change `paths` (absolute) while a live `dvc repro` reads or writes one of them.

    Reads `.dvc/tmp/rwlock` under its guard. Raises `Conflict` (`path-busy`), or `Corrupt`
    (`rwlock-corrupt`) when the file says nothing sensible. Entries of dead processes do not count.
    """
    path = os.path.join(tmp_dir, "rwlock")
    if not os.path.exists(path):
        return
    with RepositoryLock(f"{path}.lock", use_hardlink=use_hardlink):
        entries = _read_rwlock(path)
    wanted = [_with_slash(item) for item in paths]
    for busy, pid, command in entries:
        other = _with_slash(busy)
        mine = next((w for w in wanted if w.startswith(other) or other.startswith(w)), None)
        if mine is not None and pid != os.getpid() and is_alive(pid):
            raise Conflict(
                f"'{mine.rstrip('/')}' is in use by a running pipeline: process {pid} ({command})",
                code="path-busy",
                hint="wait until it has finished",
                path=mine.rstrip("/"),
                pid=pid,
            )


def _with_slash(path: str) -> str:
    return path.rstrip("/") + "/"


def _read_rwlock(path: str) -> list[tuple[str, int, str]]:
    """(absolute path, pid, command) of every entry, readers and writers alike."""
    try:
        with open(path, encoding="utf-8") as stream:
            document = json.load(stream)
        writers: Mapping[str, Mapping[str, object]] = document.get("write", {})
        readers: Mapping[str, Iterable[Mapping[str, object]]] = document.get("read", {})
        rows = [(name, info) for name, info in writers.items()]
        rows += [(name, info) for name, infos in readers.items() for info in infos]
        return [(name, int(str(info["pid"])), str(info["cmd"])) for name, info in rows]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"'{path}', where dvc notes which paths are in use, cannot be read"
        hint = f"when no dvc is running: rm '{path}'"
        raise Corrupt(message, code="rwlock-corrupt", hint=hint, path=path) from error
