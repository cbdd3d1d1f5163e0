"""Versions of a source's datasets: `NAME@VERSION` in another repository."""

from __future__ import annotations

from labops.errors import InvalidInput, LabError, NotFound
from labops.formats.reference import parse_reference
from labops.history import History
from labops.source.repository import Source, prefix_of


def at_version(source: Source, text: str) -> tuple[Source, str]:
    """The source and path that `text` means: `NAME@VERSION` is looked up in the source's own history.

    `VERSION` is what it is in a project (`v3`, a tag, a commit, a day). For a file that only git tracks it is any
    revision. What exists under the very name `text` is meant as it is. Of a registry that was cloned shallowly
    the history is fetched first. Raises `NotFound` (`no-such-version`, `never-tracked`).
    """
    reference = parse_reference(text, lambda name: _exists(source, name))
    if reference.version is None:
        return source, text
    item = source.paths.at(reference.path) or source.paths.above(reference.path)
    if item is None and _exists(source, reference.path):
        return source.reopened(reference.version), reference.path
    if source.git is None:
        raise InvalidInput(
            f"'{source.name}' is not in a git repository, so it has no versions", code="no-git", hint="git init"
        )
    if source.clone is not None:
        source.clone.history()
    prefix = prefix_of(source.root, source.git) if source.is_local else ""
    history = History(source.git, prefix, head=source.commit)
    version = history.find(item.path if item else reference.path, reference.version)
    return source.reopened(version.rev), reference.path


def _exists(source: Source, path: str) -> bool:
    try:
        source.find(path)
    except NotFound:
        return False
    except LabError as error:  # a listing that cannot be had says nothing about the name
        return error.code not in ("unsafe-path",)
    return True
