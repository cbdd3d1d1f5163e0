"""Neighbours: the repositories that share a remote, from a list kept in that remote, and opened where possible.

One small file for each repository below `.lab/repositories/`. A repository enters itself with the first
`gc -c` or `publish`; a push costs no request for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from labops.drivers import fs, git
from labops.errors import LabError, NotFound
from labops.model import Selected
from labops.places.cachetrash import cache_notes
from labops.project import CLONES, Project

KIND = "repositories"

_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!/)(.*)")
_URL = re.compile(r"[a-z+]+://(?:[^@/]*@)?([^/:]+)(?::\d+)?/(.*)", re.IGNORECASE)


class Neighbour(NamedTuple):
    """One repository on the list. `name` is how people call it: where its git repository lives."""

    name: str
    host: str = ""
    """The machine on which it was entered, and"""
    path: str = ""
    """the folder it was in there."""
    member: str = ""
    time: str = ""

    @property
    def key(self) -> str:
        """Its file's name in the list."""
        return hashlib.md5(self.name.encode("utf-8", "surrogateescape")).hexdigest() + ".json"


def identity(project: Project) -> Neighbour:
    """`project` as the list knows it: the same for every clone of one git repository."""
    import getpass
    import socket

    host = socket.gethostname()
    address = git.origin(project.git) if project.git is not None else ""
    top = project.git.root if project.git is not None else project.root
    name = _place(address, top, host) if address else f"{host}:{os.path.realpath(top)}"
    if project.git_prefix:
        name += f"#{project.git_prefix.rstrip('/')}"
    try:
        member = getpass.getuser()
    except (KeyError, OSError):
        member = ""
    return Neighbour(name, host, project.root, member, datetime.now(UTC).isoformat(timespec="seconds"))


def _place(address: str, top: str, host: str) -> str:
    """Where a git address leads, however it is spelled: `host/lab/data` or `machine:/path`; no user, no password."""
    if address.startswith("file://"):
        address = address[len("file://") :]
    found = _URL.fullmatch(address) or (None if address.startswith((".", "/")) else _SCP.fullmatch(address))
    if found:
        return f"{found[1].lower()}/{found[2].strip('/').removesuffix('.git')}"
    path = os.path.realpath(os.path.join(top, address))
    return f"{host}:{path.removesuffix('/.git')}"


def register(project: Project, remote: str | None = None, *, known: Sequence[Neighbour] = ()) -> bool:
    """Enter `project` into the list of its remote, unless it is there; True when it was written.

    Costs one request; none when `known`, the list, has it.
    """
    own = identity(project)
    if own.name in {entry.name for entry in known}:
        return False
    facts = {"repository": own.name, "host": own.host, "path": own.path, "member": own.member, "time": own.time}
    project.remote(remote).put_note(KIND, own.key, json.dumps(facts, indent=1).encode() + b"\n")
    return True


def register_once(project: Project, remote: str | None = None) -> bool:
    """`register`, but only if this clone has not done it yet: for `publish`, where it costs one request once.

    False where there is nothing to do, and for a remote that can only be read.
    """
    place = project.remote(remote)
    own = identity(project)
    key = hashlib.md5(f"{place.url}\n{own.name}".encode("utf-8", "surrogateescape")).hexdigest()
    note = os.path.join(project.state.folder, "registered", key)
    if place.is_read_only or os.path.exists(note):
        return False
    register(project, remote)
    fs.write_cache_file(note, own.name.encode("utf-8", "surrogateescape"))
    return True


def enter(project: Project, selected: Iterable[Selected], remote: str | None = None) -> list[str]:
    """`register_once` on every remote that `selected` travels to; what kept it from that, as warnings.

    Whoever may add objects but nothing else publishes all the same: others then must name this repository (`-p`).
    """
    said = []
    names = {item.tracked.output.remote or remote for item in selected if item.tracked.output.is_pushed}
    for name in sorted(names, key=str):
        try:
            register_once(project, name)
        except LabError as error:
            said.append(f"others who collect garbage in this remote do not know of this repository: {error.message}")
    return said


def read_list(project: Project, remote: str | None = None) -> list[Neighbour]:
    """Every repository on the list, by name. Raises `NotFound` (`neighbour-unreadable`) for an entry that is none."""
    found = []
    for key, data in sorted(project.remote(remote).notes(KIND).items()):
        try:
            facts = json.loads(data)
            found.append(
                Neighbour(
                    str(facts["repository"]),
                    *(str(facts.get(name, "")) for name in ("host", "path", "member", "time")),
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotFound(
                f"the entry '{key}' in the list of repositories cannot be read",
                code="neighbour-unreadable",
                hint="see what it is, and remove it from '.lab/repositories/' of the remote",
                path=key,
            ) from error
    return sorted(found)


def forget(project: Project, name: str, remote: str | None = None) -> Neighbour:
    """Take a repository off the list; raises `NotFound` (`no-such-neighbour`)."""
    known = read_list(project, remote)
    for entry in known:
        if name in (entry.name, entry.path):
            project.remote(remote).remove_note(KIND, entry.key)
            return entry
    names = ", ".join(entry.name for entry in known) or "nobody"
    raise NotFound(
        f"no repository '{name}' is on the list of this remote",
        code="no-such-neighbour",
        hint=f"on the list: {names}",
    )


def clones(project: Project) -> list[str]:
    """The other clones that have used the same shared cache, by path; those that are gone are not named.

    Raises `NotFound` (`neighbour-unreadable`) for one on another machine, which cannot be looked at from here.
    """
    import socket

    found = []
    for key, data in sorted(cache_notes(project.cache(), CLONES).items()):
        host, _, path = data.decode("utf-8", "surrogateescape").rstrip("\n").partition("\n")
        if host != socket.gethostname():
            raise NotFound(
                f"the clone '{path}' on '{host}' uses this cache too, and cannot be read from here",
                code="neighbour-unreadable",
                hint=f"run gc there; if that clone is gone, remove '{project.cache().notes}/{CLONES}/{key}'",
                host=host,
                path=path,
            )
        if os.path.isdir(os.path.join(path, ".dvc")) and os.path.realpath(path) != os.path.realpath(project.root):
            found.append(path)
    return found


def open_others(project: Project, paths: Sequence[str], known: Sequence[Neighbour] = ()) -> list[Project]:
    """The projects at `paths`, and every other one that is `known` to share the remote; each once, ours not.

    One on the list is found among `paths`, or where it was entered if that was on this machine. Raises
    `NotFound` (`neighbour-unreadable`) for one that is neither.
    """
    opened: dict[str, Project] = {}
    for path in paths:
        other = Project.find(path)
        if os.path.realpath(other.root) != os.path.realpath(project.root):
            opened[os.path.realpath(other.root)] = other
    have = {identity(other).name for other in opened.values()} | {identity(project).name}
    for entry in known:
        if entry.name not in have:
            there = _at_home(entry)
            opened[os.path.realpath(there.root)] = there
    return list(opened.values())


def _at_home(entry: Neighbour) -> Project:
    import socket

    if entry.host == socket.gethostname() and os.path.isdir(os.path.join(entry.path, ".dvc")):
        try:
            found = Project.find(entry.path)
        except LabError:
            found = None
        if found is not None and identity(found).name == entry.name:
            return found
    raise NotFound(
        f"repository '{entry.name}' shares this remote, and what it uses cannot be read from here",
        code="neighbour-unreadable",
        hint=f"name a clone of it: -p PATH; if it is gone for good: lab gc -c --forget '{entry.name}'",
        repository=entry.name,
        member=entry.member or None,
        host=entry.host or None,
    )
