"""What a member's key may do, tried with real requests: open the own home, and nobody else's."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from labops.drivers import fs
from labops.errors import AccessDenied, LabError, NotFound
from labops.lab import Membership
from labops.model import RemoteSettings
from labops.places.home import Facts, Home, Source, open_home
from labops.places.local import MACHINES

_NOTE_LIMIT = 4096


class MachineNote(NamedTuple):
    """What one machine left in the member's home when it joined."""

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
    """Write this machine's note into the own home: the proof that it can be written."""
    note = MachineNote(membership.machine, membership.key_id, membership.joined)
    data = json.dumps(note._asdict()).encode()
    with _opened(membership.home, options) as home:
        key = f"{_prefix(membership.home)}{MACHINES}{membership.machine}.json"
        home.store.put(key, Source(data, len(data), Facts()), None)
        home.store.finish()


def forget_machine(membership: Membership, options: Mapping[str, str]) -> None:
    """Take the note away again; absent is fine."""
    with _opened(membership.home, options) as home:
        home.store.delete(f"{_prefix(membership.home)}{MACHINES}{membership.machine}.json", None)


def machine_notes(place: str, options: Mapping[str, str], workbench: str) -> list[MachineNote]:
    """The machines on which the member whose home is `place` has joined, by name. `workbench` is a private folder."""
    notes = []
    with _opened(place, options) as home:
        try:
            keys = [row.key for page in home.store.pages(f"{_prefix(place)}{MACHINES}") for row in page]
        except NotFound:
            return []
        for key in sorted(keys):
            target = os.path.join(workbench, os.urandom(8).hex())
            with contextlib.suppress(ValueError, TypeError, KeyError, LabError):
                home.store.get(key, target)
                found = json.loads(fs.read_bytes(target, limit=_NOTE_LIMIT))
                notes.append(MachineNote(*(str(found[name]) for name in MachineNote._fields)))
            fs.remove(target)
    return notes


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
        others = [name for name in fs.names_in(top) if name != os.path.basename(own)]
    except LabError:
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
