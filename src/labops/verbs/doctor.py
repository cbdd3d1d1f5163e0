"""`doctor`: look at everything that lab needs and say, line by line, what is well and what to do about the rest.

Nothing is left behind: what is written to try a right is removed again.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import labops
from labops.drivers import fs, git
from labops.errors import AccessDenied, Conflict, LabError, NotFound, Unsupported
from labops.model import HashName
from labops.places.remote import Remote
from labops.project import Project

OK, WARN, FAIL = "ok", "warn", "FAIL"
_OLDEST_GIT = (2, 25)
_LITTLE_BYTES = 1 << 30
_SKEW_SECONDS = 60
_REFUSED_SKEW_SECONDS = 15 * 60
"""S3 refuses requests whose time is further off than this."""
_HOOKS = ("pre-commit", "pre-push", "post-checkout")


class Check(NamedTuple):
    """One line: `state` is `ok`, `warn` or `FAIL`, `todo` says what to do unless it is well."""

    name: str
    state: str
    text: str
    todo: str = ""


def examine(find: Callable[[], Project]) -> Iterator[Check]:
    """Every check, in order, as it is made; `find` opens the project and may fail."""
    yield _lab()
    yield _git()
    try:
        project = find()
    except NotFound as error:
        yield Check("project", WARN, error.message, error.hint)
        return
    except LabError as error:
        yield Check("settings", FAIL, error.message, error.hint or "mend the file that it names")
        return
    yield Check("project", OK, project.root)
    yield from _guarded("who", lambda: _who(project))
    yield from _guarded("DVC files", lambda: _pointers(project))
    yield from _guarded("cache", lambda: _cache(project))
    yield from _guarded("lock", lambda: _lock(project))
    yield from _guarded("git setup", lambda: _git_setup(project))
    if not project.settings.remotes:
        yield Check("remote", WARN, "there is none", "lab remote add -d storage URL")
    for name in project.settings.remotes:
        yield from _guarded(f"remote {name}", lambda name=name: _remote(project, name))  # type: ignore[misc]


def _guarded(name: str, checks: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """One check that cannot be made does not keep the others from being made."""
    try:
        yield from checks()
    except LabError as error:
        yield Check(name, FAIL, error.message, error.hint)


# -- this installation --------------------------------------------------------------------------------


def _lab() -> Check:
    return Check("lab", OK, f"labops {labops.__version__}, Python {platform.python_version()}, {platform.platform()}")


def _git() -> Check:
    try:
        text = git.version()
    except LabError as error:
        return Check("git", FAIL, error.message, error.hint)
    found = re.search(r"(\d+)\.(\d+)", text)
    if found and (int(found[1]), int(found[2])) < _OLDEST_GIT:
        return Check("git", FAIL, text, "install git 2.25 or later")
    return Check("git", OK, text)


# -- the project --------------------------------------------------------------------------------------


def _who(project: Project) -> Iterator[Check]:
    try:
        member = getpass.getuser()
    except (KeyError, OSError):
        member = "somebody"
    yield Check("you", OK, f"{member} on {socket.gethostname()}")
    if project.git is None:
        yield Check("git identity", WARN, "the project is in no git repository", "git init, for history and sharing")
        return
    name = git.identity(project.git)
    if name:
        yield Check("git identity", OK, name)
    else:
        todo = "git config --global user.name 'Your Name' && git config --global user.email you@lab.example"
        yield Check("git identity", WARN, "git does not know who you are", todo)


def _pointers(project: Project) -> Iterator[Check]:
    items = project.tracked()
    yield Check("DVC files", OK, f"{len(project.pointer_files)} files, {len(items)} datasets and outputs")


def _cache(project: Project) -> Iterator[Check]:
    root = project.cache().root
    place = root
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    kind = _link_type(project, place)
    yield Check("cache", OK if kind else FAIL, f"{root}; files are made by {kind or 'nothing that works'}",
                "" if kind else "lab config cache.type reflink,copy")  # fmt: skip
    room = shutil.disk_usage(place)
    text = f"{room.free / (1 << 30):.1f} GiB of {room.total / (1 << 30):.1f} GiB free for the cache"
    is_little = room.free < _LITTLE_BYTES or room.free < room.total // 50
    todo = "lab gc -w (then --empty-trash), or another disk: lab cache dir PATH"
    yield Check("disk", WARN if is_little else OK, text, todo if is_little else "")
    if project.settings.cache_shared_group and os.path.isdir(root):
        yield _shared(root)


def _link_type(project: Project, place: str) -> str:
    """The first configured type that works between the cache's disk and the workspace; empty without one."""
    source = fs.make_workbench(place)
    target = ""
    try:
        target = fs.make_workbench(project.state.workbench())
        probe = os.path.join(source, "probe")
        fs.write_new(probe, b"probe")
        makers: dict[str, Callable[[str, str], bool]] = {
            "reflink": fs.reflink, "hardlink": fs.hardlink, "symlink": fs.symlink
        }  # fmt: skip
        for kind in project.settings.cache_types:
            if kind == "copy" or makers[kind](probe, os.path.join(target, kind)):
                return kind
        return ""
    finally:
        fs.remove_workbench(source)
        if target:
            fs.remove_workbench(target)


def _shared(root: str) -> Check:
    """`cache.shared = group` asks for folders in which the group may write."""
    mode = os.stat(root).st_mode
    if mode & 0o2020 == 0o2020:
        return Check("shared cache", OK, f"the group may write in {root}")
    todo = f"its owner runs: chmod g+ws '{root}'"
    return Check("shared cache", WARN, f"'{root}' has mode {mode & 0o7777:04o}: the group cannot add to it", todo)


def _lock(project: Project) -> Iterator[Check]:
    try:
        with project.lock():
            pass
    except Conflict as error:
        yield Check("lock", WARN, error.message, error.hint)
    else:
        yield Check("lock", OK, "nobody holds the repository")


def _git_setup(project: Project) -> Iterator[Check]:
    if project.git is None:
        return
    found = git.installed_hooks(project.git, _HOOKS)
    missing = [name for name in _HOOKS if name not in found]
    todo = "let git check data with every commit and push: lab install"
    yield Check("hooks", WARN if missing else OK, _listed(found, missing), todo if missing else "")
    driver = git.setting(project.git, "merge.lab.driver")
    text = "set up" if driver else "none: two people's additions to one dataset will conflict"
    yield Check("merge driver", OK if driver else WARN, text, "" if driver else "lab install")
    if project.git.is_shallow:
        yield Check("history", WARN, "this clone is shallow: older versions are not known", "git fetch --unshallow")


def _listed(found: list[str], missing: list[str]) -> str:
    parts = [f"installed: {', '.join(found)}"] if found else []
    parts += [f"not installed: {', '.join(missing)}"] if missing else []
    return "; ".join(parts)


# -- remotes ------------------------------------------------------------------------------------------


def _remote(project: Project, name: str) -> Iterator[Check]:
    title = f"remote {name}"
    remote = project.remote(name, HashName.MD5)
    access = remote.access()
    facts = [f"{label} {value}" for label, value in zip(access._fields, access, strict=True) if value]
    yield Check(title, OK, ", ".join(facts).replace("key_id", "key"))
    remote.check()
    yield Check(f"{title}: answers", OK, "yes")
    yield from _clock(title, remote)
    if remote.is_read_only:
        yield Check(f"{title}: rights", OK, "read only, as it is a web server")
    else:
        yield from _rights(title, remote)


def _clock(title: str, remote: Remote) -> Iterator[Check]:
    try:
        theirs = remote.clock()
    except NotFound:
        return  # a folder that the first push will make
    if theirs is None:
        return
    off = time.time() - theirs
    text = f"this machine's clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'}"
    if abs(off) < _SKEW_SECONDS:
        yield Check(f"{title}: clock", OK, "agrees with this machine's")
    else:
        state = FAIL if abs(off) > _REFUSED_SKEW_SECONDS else WARN
        yield Check(f"{title}: clock", state, text, "set the clock: sudo timedatectl set-ntp true")


def _rights(title: str, remote: Remote) -> Iterator[Check]:
    """Write, read, list and remove one small file beside the objects."""
    name = f"{os.urandom(8).hex()}"
    place = f"{title}: rights"
    try:
        remote.put_note("probe", name, b"a probe of lab doctor; it may be removed\n")
    except (AccessDenied, Unsupported) as error:
        yield Check(place, WARN, f"you may not write: {error.message}", "ask the administrator, if you should push")
        return
    except NotFound as error:
        yield Check(place, WARN, f"nothing was pushed yet: {error.message}", "the first push makes it: lab push")
        return
    problems = []
    try:
        if name not in remote.notes("probe"):
            problems.append("read what was written")
    except AccessDenied:
        problems.append("list or read")
    try:
        remote.remove_note("probe", name)
    except AccessDenied:
        problems.append("delete (so `lab gc -c` cannot work, and a probe file is left in '.lab/probe')")
    if problems:
        yield Check(place, WARN, f"you may write, but not {' or '.join(problems)}", "ask the administrator")
    else:
        yield Check(place, OK, "read, list, write, delete")
