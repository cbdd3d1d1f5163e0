"""What a member's key may do, tried with real requests: open the own home, and nobody else's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from labops.drivers import fs
from labops.errors import AccessDenied, LabError
from labops.lab import Membership
from labops.model import RemoteSettings
from labops.places.home import Facts, Home, Source, open_home
from labops.places.local import KEYS, MACHINES

_NO_KEY = "-"


class MachineNote(NamedTuple):
    """What one machine left in the member's home when it joined; `joined` is when, in ISO 8601."""

    machine: str
    key_id: str
    joined: str


@contextlib.contextmanager
def _opened(url: str, options: Mapping[str, str]) -> Iterator[Home]:
    home = open_home(RemoteSettings("home", url, dict(options)))
    try:
        yield home
    finally:
        home.close()


def check_key(membership: Membership, options: Mapping[str, str]) -> None:
    """Raise `AccessDenied` (`invite-refused`) unless these credentials open the home (a guest's: the datasets)."""
    place = membership.home or membership.datasets
    try:
        with _opened(place, options) as home:
            if place.startswith("/"):
                home.check()
            else:
                next(home.store.pages(_prefix(place)), None)
    except AccessDenied as error:
        raise AccessDenied(
            f"the store refuses the key of this invite for '{place}'",
            code="invite-refused",
            hint="a key that was made just now may need a minute; else ask for a new invite: "
            f"lab admin invite {membership.member}",
            key_id=membership.key_id or None,
        ) from error


def note_machine(membership: Membership, options: Mapping[str, str]) -> None:
    """Leave this machine's note in the own home: the proof that it can be written.

    All of it is in the name, because an administrator can list what a member owns, but in some stores not read it.
    """
    with _opened(membership.home, options) as home:
        prefix = _notes(membership)
        key = f"{prefix}{membership.key_id or _NO_KEY}"
        home.store.put(key, Source(b"", 0, Facts()), None)
        home.store.finish()
        _forget(home, prefix, key)


def forget_machine(membership: Membership, options: Mapping[str, str]) -> None:
    """Take the note away again; absent is fine."""
    with _opened(membership.home, options) as home:
        _forget(home, _notes(membership), "")


def _forget(home: Home, prefix: str, kept: str) -> None:
    for key in [row.key for page in home.store.pages(prefix) for row in page]:
        if key != kept:
            home.store.delete(key, None)


def note_key(place: str, key_id: str, options: Mapping[str, str]) -> None:
    """Remember in the home `place` that this key was made now."""
    with _opened(place, options) as home:
        home.store.put(f"{_prefix(place)}{KEYS}{key_id}", Source(b"", 0, Facts()), None)


def key_notes(place: str, options: Mapping[str, str]) -> dict[str, str]:
    """When each noted key was made, in ISO 8601, by its id."""
    prefix = f"{_prefix(place)}{KEYS}"
    with _opened(place, options) as home:
        return {row.key[len(prefix) :]: row.modified for page in home.store.pages(prefix) for row in page}


def machine_notes(place: str, options: Mapping[str, str]) -> list[MachineNote]:
    """The machines on which the member whose home is `place` has joined, by name."""
    found: dict[str, MachineNote] = {}
    prefix = f"{_prefix(place)}{MACHINES}"
    with _opened(place, options) as home:
        rows = [row for page in home.store.pages(prefix) for row in page]
    for row in sorted(rows, key=lambda row: row.modified):
        machine, slash, key_id = row.key[len(prefix) :].partition("/")
        if slash:
            found[machine] = MachineNote(machine, "" if key_id == _NO_KEY else key_id, row.modified)
    return [found[machine] for machine in sorted(found)]


def _notes(membership: Membership) -> str:
    return f"{_prefix(membership.home)}{MACHINES}{membership.machine}/"


def open_doors(membership: Membership, options: Mapping[str, str]) -> list[str]:
    """What this member can do in homes that are not theirs, and should not: words, none when all is well.

    In a bucket the stranger is one who does not exist and whose name begins as the member's does; in a folder the
    neighbours themselves are looked at.
    """
    if membership.home.startswith("/"):
        return _open_folders(membership.home)
    stranger = f"{membership.member}-{os.urandom(4).hex()}/"
    key = f"{stranger}probe-of-lab-join"
    bucket = membership.home.rpartition("/")[0]
    found = []
    with _opened(bucket, options) as home:
        if _may(lambda: next(home.store.pages(stranger), None)):
            found.append("list foreign homes")
        if _may(lambda: home.store.look(key)):
            found.append("read foreign homes")
        if _may(lambda: home.store.put(key, Source(b"", 0, Facts()), None)):
            found.append("write into foreign homes")
            with contextlib.suppress(LabError):
                home.store.delete(key, None)
    return found


def _may(request: object) -> bool:
    assert callable(request)
    try:
        request()
    except AccessDenied:
        return False
    return True


def _open_folders(own: str) -> list[str]:
    top = os.path.dirname(own)
    try:
        # What belongs to this very account (a trial by one person) is nobody else's home.
        mine = os.geteuid()
        others = [name for name in fs.names_in(top) if os.lstat(f"{top}/{name}").st_uid != mine]
    except (LabError, OSError):
        return []
    rights = (("read", os.R_OK), ("write into", os.W_OK))
    return [
        f"{word} the home of '{name}'" for word, right in rights for name in others if os.access(f"{top}/{name}", right)
    ]


def _prefix(place: str) -> str:
    """Keys below a bucket's prefix carry it; a folder's are relative to it."""
    if place.startswith("/"):
        return ""
    prefix = place.partition("://")[2].partition("/")[2]
    return f"{prefix}/" if prefix else ""
