"""Accounts, groups and folders' rights of this server; the programs of root that change them."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
import time
from collections.abc import Sequence
from typing import NamedTuple

from labops.drivers import fs
from labops.errors import AccessDenied, LabError, NotFound, Unavailable

_FIRST_PERSON = 1000
"""Linux gives numbers below it to the system's own accounts."""
_SHADOW = "/etc/shadow"
_SECONDS = 60


class Folder(NamedTuple):
    """Who owns a folder, its group, its mode in four octal digits."""

    owner: str
    group: str
    mode: str


def is_root() -> bool:
    """True when this process may do everything."""
    return os.geteuid() == 0


def me() -> tuple[str, str]:
    """The account of this process, and its group."""
    return _name(os.geteuid()), _group(os.getegid())


def group_members(name: str) -> frozenset[str] | None:
    """The accounts that a group names; None when there is no such group."""
    try:
        return frozenset(grp.getgrnam(name).gr_mem)
    except KeyError:
        return None


def has_account(name: str) -> bool:
    """True for an account of this server, whoever keeps it (files, LDAP …)."""
    with contextlib.suppress(KeyError):
        pwd.getpwnam(name)
        return True
    return False


def is_system_account(name: str) -> bool:
    """True for accounts that belong to the system rather than to a person."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name).pw_uid < _FIRST_PERSON
    return False


def groups_of(name: str) -> frozenset[str]:
    """All groups of an account; none for one that does not exist."""
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        return frozenset()
    found = set()
    for number in os.getgrouplist(name, account.pw_gid):
        with contextlib.suppress(KeyError):
            found.add(grp.getgrgid(number).gr_name)
    return frozenset(found)


def is_expired(name: str) -> bool | None:
    """True when the account has an end that is over; None when that may not be read, which only root may."""
    try:
        rows = fs.read_bytes(_SHADOW).decode("utf-8", "replace").splitlines()
    except LabError:
        return None
    row = next((row.split(":") for row in rows if row.startswith(f"{name}:")), None)
    if row is None or len(row) < 8:
        return False
    return row[7].isdigit() and int(row[7]) * 86400 <= time.time()


def folder(path: str) -> Folder | None:
    """What a folder is; None when there is none, or a link in its place."""
    try:
        st = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise AccessDenied(f"'{path}' may not be looked at", code="file-access-denied", path=path) from error
    if not stat.S_ISDIR(st.st_mode):
        return None
    return Folder(_name(st.st_uid), _group(st.st_gid), f"{stat.S_IMODE(st.st_mode):04o}")


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def owner_above(path: str) -> str:
    """Who owns the nearest folder above `path` that exists, or `path` itself."""
    while True:
        found = folder(path)
        if found is not None:
            return found.owner
        parent = os.path.dirname(path)
        if parent == path:
            return "root"
        path = parent


def make_closed(path: str) -> None:
    """A folder that only its maker may enter, and its parents."""
    with fs.translating(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)


def set_mode(path: str, mode: str) -> None:
    """The mode of a folder, never of what a link in its place leads to."""
    with fs.translating(path):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(handle, int(mode, 8))
        finally:
            os.close(handle)


def run(command: Sequence[str]) -> None:
    """Run one program of root's. `AccessDenied` (`needs-root`), or `Unavailable` (`command-failed`) with its words."""
    import subprocess

    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise NotFound(
            f"the program '{command[0]}' is not here", code="no-such-program", hint="run it as root: sudo -i"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"'{command[0]}' does not end", code="command-failed", hint="run it by hand") from error
    if done.returncode:
        words = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
        raise Unavailable(
            f"'{' '.join(command)}' failed: {words}", code="command-failed", hint="lab admin apply --script shows all"
        )


def can(name: str, path: str, right: str) -> bool:
    """Ask the kernel, as root, whether this account may (`r`, `w`, `x`) use a folder."""
    import subprocess

    words = ["runuser", "-u", name, "--", "test", f"-{right}", path]
    return (
        subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False).returncode
        == 0
    )
