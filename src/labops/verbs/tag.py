"""`tag`: names for versions, as annotated git tags called `NAME@TAG`."""

from __future__ import annotations

import re
from typing import NamedTuple

from labops.drivers.git import history as git_history
from labops.errors import Conflict, InvalidInput, LabError, NotFound
from labops.history import Version
from labops.project import Project

_NUMBER = re.compile(r"v?([0-9]+)", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class TagRow(NamedTuple):
    """One name of one version."""

    path: str
    tag: str
    version: Version | None
    """None when the commit does not track the path (any more)."""
    git_name: str
    """What git calls it, and `git push origin` takes."""
    commit: str
    time: int
    message: str


def list_tags(project: Project, name: str | None = None) -> tuple[TagRow, ...]:
    """The tags of the dataset `name`, or of all that were ever tracked, oldest first."""
    history = project.history
    path = _path(project, name) if name is not None else None
    rows = []
    for tag in history.tags:
        known = tag.name.removeprefix(history.prefix)
        its_path, at, label = known.rpartition("@")
        if not at or not tag.name.startswith(history.prefix) or path not in (None, its_path):
            continue
        if path is None and not history.versions(its_path):
            continue
        rows.append(_row(project, its_path, label, tag))
    return tuple(sorted(rows, key=lambda row: (row.path, row.time, row.tag)))


def _row(project: Project, path: str, label: str, tag: git_history.Tag) -> TagRow:
    try:
        version = project.history.at(path, tag.commit)
    except LabError:
        version = None
    return TagRow(path, label, version, tag.name, tag.commit, tag.time, tag.message)


def make_tag(
    project: Project, name: str, tag: str, *, version: str | None = None, message: str = "", dry_run: bool = False
) -> TagRow:
    """Name a version of the dataset `name`: the one that HEAD holds, or `version` (`v2`, a commit, …).

    The tag is put on the commit that brought the version in. Raises `Conflict` (`tag-exists`) and
    `InvalidInput` (`bad-tag-name`, `no-git-identity`).
    """
    history = project.history
    path = _path(project, name)
    found = history.find(path, version) if version else _at_head(project, path)
    _check(path, tag, found)
    git_name = history.tag_name(path, tag)
    if any(known.name == git_name for known in history.tags):
        raise Conflict(
            f"the tag '{git_name}' exists already",
            code="tag-exists",
            hint=f"choose another name, or take that away first: lab tag -d '{path}' '{tag}'",
            tag=git_name,
        )
    text = message or f"{path} {found.label}"
    if not dry_run:
        with project.lock():
            git_history.make_tag(history.git, git_name, found.rev, text)
        history.forget_tags()
    return TagRow(path, tag, found, git_name, found.rev, found.time, text)


def delete_tag(project: Project, name: str, tag: str, *, dry_run: bool = False) -> TagRow:
    """Take a name away from a version; the version stays. Raises `NotFound` (`no-such-tag`)."""
    history = project.history
    path = _path(project, name)
    git_name = history.tag_name(path, tag)
    known = next((known for known in history.tags if known.name == git_name), None)
    if known is None:
        raise NotFound(f"'{path}' has no tag '{tag}'", code="no-such-tag", hint=f"see them: lab tag '{path}'", tag=tag)
    row = _row(project, path, tag, known)
    if not dry_run:
        with project.lock():
            git_history.delete_tag(history.git, git_name)
        history.forget_tags()
    return row


def _path(project: Project, name: str) -> str:
    """The tracked path that a name as typed means; one that was tracked once, too."""
    path = project.relative(name)
    for item in project.tracked():
        if path in (item.file, item.address):
            return item.path
    return path


def _at_head(project: Project, path: str) -> Version:
    history = project.history
    if not history.versions(path):
        return history.find(path, "1")  # says why there is none
    assert history.head is not None
    return history.at(path, history.head)


def _check(path: str, tag: str, version: Version) -> None:
    """A tag must not read like another version, and must come back whole from `NAME@TAG`."""
    problem = ""
    number = _NUMBER.fullmatch(tag)
    if number and int(number[1]) != version.number:
        problem = f"reads like a version number, and this is {version.label}"
    elif _DATE.fullmatch(tag):
        problem = "reads like a day"
    elif not tag or "@" in tag:
        problem = "is empty or has an '@' in it"
    if problem:
        raise InvalidInput(
            f"the tag '{tag}' {problem}",
            code="bad-tag-name",
            hint=f"choose a word: lab tag '{path}' baseline",
            tag=tag,
        )
