"""Who brought a file into a repository, and who changed it last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from labops.drivers.git import running as git
from labops.drivers.git.repository import Git


class Change(NamedTuple):
    """One commit that touched a file; `time` is in seconds since 1970."""

    sha: str
    author: str
    time: int
    subject: str


def first_and_last(repository: Git, path: str) -> tuple[Change, Change] | None:
    """The oldest and the newest commit of HEAD's history that touched `path`; None while it was never committed.

    A name that the file had before is not followed: pointer files look too much alike for git to tell.
    """
    if repository.head() is None:
        return None
    form = "--format=%H%x00%an%x00%at%x00%s"
    lines = git.text(repository.root, "--literal-pathspecs", "log", form, "--", path).splitlines()
    if not lines:
        return None
    return _change(lines[-1]), _change(lines[0])


def files_by(repository: Git, authors: Sequence[str], suffix: str) -> tuple[str, ...]:
    """The files of today with this ending that a commit by one of `authors` (parts of name or e-mail) touched."""
    words = [f"--author={author}" for author in authors]
    found = git.names(
        repository.root, "log", "-z", "--fixed-strings", "--regexp-ignore-case", *words, "--name-only", "--format=",
        "--", f":(top,glob)**/*{suffix}",
    )  # fmt: skip
    return tuple(sorted(repository.tracked({name.strip("\n") for name in found if name.strip("\n")})))


def _change(line: str) -> Change:
    sha, author, time, subject = line.split("\0", 3)
    return Change(sha, author, int(time), subject)
