"""Readers that are open: one for each repository and revision of a process, shared by its threads.

A local folder is looked at again when its pointer files have changed, a local branch or tag when it is asked for, a
repository elsewhere once a minute. After a fork everything is opened anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from labops.drivers import fs
from labops.drivers.git import Git
from labops.drivers.git.cloning import is_url
from labops.drivers.interpreter import Helper
from labops.errors import InvalidInput, LabError
from labops.model import Tracked
from labops.reading.reader import Reader
from labops.settings import find_root
from labops.source import Want, forget_clones, open_source

FRESH_SECONDS = 60.0
"""How long the answer of a repository elsewhere holds."""

_COMMIT = re.compile(r"[0-9a-f]{40}")

_GIT_TRACES = ("HEAD", "logs/HEAD", "packed-refs", "refs/tags")
"""What git writes when HEAD moves or a tag is made: versions are counted anew then."""

Options = Mapping[str, object]


class Recipe(NamedTuple):
    """What opens a repository in another process."""

    place: str
    rev: str | None
    remote: str | None
    config: str | Options | None
    remote_config: Mapping[str, str] | None


class _Open(NamedTuple):
    reader: Reader
    since: float
    stamp: tuple[object, ...]


_open: dict[object, _Open] = {}
_lock = threading.RLock()


def open_reader(
    repo: str | None = None,
    rev: str | None = None,
    *,
    remote: str | None = None,
    config: str | Options | None = None,
    remote_config: Mapping[str, str] | None = None,
    is_new: bool = False,
) -> Reader:
    """The reader of `repo` (a path or a url; None: the repository around the current directory) at `rev`.

    One that is open already, unless it is out of date or `is_new`. Raises what `open_source` raises.
    """
    place = repo_place(repo)
    key = (place, rev, remote, repr(config), repr(remote_config))
    with _lock:
        found = None if is_new else _open.get(key)
        if found is None or not _is_current(found, rev):
            if is_url(place) and found is not None:
                forget_clones()
            source = open_source(place, rev, config=config, remote=remote, remote_config=remote_config)
            recipe = Recipe(place, rev if source.is_local else source.commit, remote, config, remote_config)
            reader = Reader(source, _Elsewhere(recipe) if _is_forked else None)
            found = _open[key] = _Open(reader, time.monotonic(), _stamp(reader))
            if rev is None and not source.is_local:  # whoever keeps the commit finds it open
                _open[place, source.commit, *key[2:]] = found
        return found.reader


def repo_place(repo: str | None) -> str:
    """`repo` as it can be given to another process: a url as it is, for a path the project's root."""
    text = os.fspath(repo) if repo else "."
    if is_url(text) or text.startswith("-"):
        return text
    place = os.path.abspath(os.path.expanduser(text))
    return (find_root(place) if os.path.isdir(place) else None) or place


def ref_names(reader: Reader) -> list[str]:
    """The full names of the repository's branches and tags, sorted (`refs/heads/main`)."""
    clone = reader.source.clone
    if clone is not None:
        return sorted(name for name in clone.refs() if name.startswith("refs/"))
    return sorted(_git(reader).ref_names())


def commits(reader: Reader) -> list[str]:
    """The ids of all commits that branches and tags reach."""
    if reader.source.clone is not None:
        reader.source.clone.history()
    return [revision.sha for revision in _git(reader).revisions(all_commits=True)]


def _git(reader: Reader) -> Git:
    if reader.source.git is None:
        raise InvalidInput(f"'{reader.source.name}' is not in git", code="no-git", hint="git init")
    return reader.source.git


def forget() -> None:
    """Open everything anew when it is next asked for."""
    with _lock:
        _open.clear()
        forget_clones()


def _is_current(found: _Open, rev: str | None) -> bool:
    reader = found.reader
    if rev is not None and _COMMIT.fullmatch(rev):
        return True
    if not reader.source.is_local:
        return time.monotonic() - found.since < FRESH_SECONDS
    if reader.source.commit is None:
        return _stamp(reader) == found.stamp
    assert reader.source.git is not None
    try:
        return reader.source.git.resolve(rev or "HEAD") == reader.source.commit
    except LabError:
        return False  # opening it again says what is wrong


def _stamp(reader: Reader) -> tuple[object, ...]:
    """What changes when another version is tracked in a working folder: the looks of its pointer files."""
    source = reader.source
    here = source.places.here("") if source.is_local and source.commit is None else None
    if here is None:
        return ()
    files = [*here.pointer_files, ".dvc/config", ".dvc/config.local"]
    files += [os.path.join(os.path.dirname(file), "dvc.lock") for file in here.pointer_files if file.endswith(".yaml")]
    places = [here.absolute(file) for file in files]
    if source.git is not None:
        places += [os.path.join(source.git.root, ".git", name) for name in _GIT_TRACES]
    return tuple(_look(place) for place in places)


def _look(path: str) -> fs.Fingerprint | None:
    with contextlib.suppress(LabError):
        return fs.stat(path)
    return None


# -- children of fork ---------------------------------------------------------------------------------


class _Elsewhere:
    """The remotes of one repository, talked to by a helper process."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def fetch(self, wants: Sequence[Want]) -> None:
        _helper.ask((self._recipe, tuple(wants)))

    def listing(self, item: Tracked) -> None:
        _helper.ask((self._recipe, item))


def serve(request: tuple[Recipe, tuple[Want, ...] | Tracked]) -> None:
    """The helper's side: do what `_Elsewhere` asks for."""
    recipe, wanted = request
    place, rev, remote, config, remote_config = recipe
    reader = open_reader(place, rev, remote=remote, config=config, remote_config=remote_config)
    if isinstance(wanted, Tracked):
        reader.entries(wanted)
    else:
        reader.stock.bring(wanted)


_helper = Helper("labops.reading.readers:serve")
_is_forked = False
"""True in a child of a process that had loaded a cloud library, whose threads are not in the child."""


def _after_fork() -> None:
    """Locks that another thread held, connections and the threads of libraries do not work in the child."""
    global _lock, _helper, _is_forked
    _lock = threading.RLock()
    _helper = Helper("labops.reading.readers:serve")
    _is_forked = _is_forked or "obstore" in sys.modules
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
