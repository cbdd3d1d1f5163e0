"""`lab home trash` and `lab home restore`: older contents, found and brought back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from labops.drivers import fs
from labops.errors import InvalidInput, LabError, NotFound
from labops.home import HomeFolder
from labops.home.carrying import dress
from labops.home.naming import is_folder
from labops.home.stamps import read_stamp
from labops.places.local import PRIVATE


class Old(NamedTuple):
    """One older content. `ended` is when it was replaced or deleted, in seconds since 1970."""

    path: str
    ended: float
    size: int
    where: str
    """`here` (this machine's trash), `trash` (the home's) or `version` (kept by the bucket)."""
    machine: str
    key: str
    """Where it lies, or the version's id."""
    began: float = 0.0


class Restored(NamedTuple):
    """What `restore` brought back, or would."""

    rows: tuple[Old, ...]
    failed: tuple[tuple[str, LabError], ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when all are back, 3 when some are not."""
        return 3 if self.failed else 0


def list_trash(folder: HomeFolder, path: str = "") -> list[Old]:
    """Every older content of `path` (a file or a folder; empty: of everything), the youngest first."""
    path = path.rstrip("/")
    found = [
        old
        for old in (*_here(folder), *_there(folder), *_versions(folder, path))
        if not path or old.path == path or old.path.startswith(path + "/")
    ]
    return sorted(found, key=lambda old: (-old.ended, old.path))


def _here(folder: HomeFolder) -> Iterator[Old]:
    trash = f"{folder.root}/{PRIVATE}/trash"
    for day in fs.names_in(trash):
        for run in fs.names_in(f"{trash}/{day}"):
            ended, machine = read_stamp(f"{day}/{run}")
            top = f"{trash}/{day}/{run}"
            for where, _, names in os.walk(top):
                for name in names:
                    full = os.path.join(where, name)
                    size = os.lstat(full).st_size
                    yield Old(os.path.relpath(full, top), ended, size, "here", machine, full)


def _there(folder: HomeFolder) -> Iterator[Old]:
    for buried in folder.home.list_trash():
        ended, machine = read_stamp(buried.stamp)
        yield Old(buried.path, ended, buried.size, "trash", machine, buried.key)


def _versions(folder: HomeFolder, path: str) -> Iterator[Old]:
    for version in folder.home.versions(path):
        if version.ended:
            yield Old(version.key, version.ended, version.size, "version", "", version.version, version.began)


def parse_time(text: str) -> float:
    """`2026-04-01`, `2026-04-01 09:30` or any ISO 8601 time, local unless it says otherwise; a day means its start."""
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError as error:
        raise InvalidInput(
            f"'{text}' is not a time", code="bad-time", hint="2026-04-01, or '2026-04-01 09:30'"
        ) from error


def choose(found: Iterable[Old], at: float | None) -> list[Old]:
    """For each path the content it had at the time `at`, or the one that went last."""
    chosen: dict[str, Old] = {}
    for old in found:  # the youngest first
        if at is None:
            chosen.setdefault(old.path, old)
        elif old.ended > at and old.began <= at:
            chosen[old.path] = old
    return sorted(chosen.values())


def restore_home(
    folder: HomeFolder, path: str, *, at: float | None = None, to: str = "", dry_run: bool = False
) -> Restored:
    """Bring back the older content of `path` into the folder here; the next sync carries it to the home.

    What is there now goes into the trash first. With `to` a single file is put there instead.
    """
    chosen = choose(list_trash(folder, path), at)
    if not chosen:
        raise NotFound(
            f"there is no older content of '{path}'" + (" of that time" if at is not None else ""),
            code="nothing-to-restore",
            hint=_elsewhere(folder, path.rstrip("/")),
            path=path,
        )
    if to and len(chosen) > 1:
        raise InvalidInput(f"'{path}' is a folder; --to takes one file", code="bad-usage", hint="leave --to out")
    if dry_run:
        return Restored(tuple(chosen))
    failed = []
    with folder.lock():
        stamp = folder.new_stamp()
        for old in chosen:
            try:
                _bring_back(folder, old, to or old.path, stamp)
            except LabError as error:
                failed.append((old.path, error))
    return Restored(tuple(old for old in chosen if old.path not in dict(failed)), tuple(failed))


def _elsewhere(folder: HomeFolder, path: str) -> str:
    """Where to look for what is not in the trash: deleted or spoilt here and not synced since, it is in the home."""
    if folder.home.look(path) is not None:
        return f"the home still has what was synced last: lab home get --force '{path}'"
    if is_folder(folder.home, path):
        return f"the home still has what was synced last: lab home get '{path}/'"
    return "lab home trash shows what there is"


def _bring_back(folder: HomeFolder, old: Old, target: str, stamp: str) -> None:
    temporary = folder.local.temporary()
    if old.where == "here":
        if os.path.islink(old.key):
            fs.symlink(os.readlink(old.key), temporary)
        else:
            fs.copy(old.key, temporary, mode=fs.mode_of(old.key) or 0o644)
    elif old.where == "trash":
        dress(temporary, folder.home.get(old.key, temporary))
    else:
        dress(temporary, folder.home.get(old.path, temporary, version=old.key))
    if not os.path.islink(temporary):
        fs.sync(folder.root, [temporary])
    now = folder.local.look(target)
    folder.local.place(temporary, target, now[0] if now else None, stamp)
