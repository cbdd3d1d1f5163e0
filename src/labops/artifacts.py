"""Artifacts: names that a `dvc.yaml` gives to paths, and the git tags (`NAME@v1.2.3`, `NAME#prod`) that mark revisions.

The tags are those of GTO, which dvc's model registry uses: only annotated ones count.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import NamedTuple

from labops.drivers.git import history as git_history
from labops.errors import InvalidInput, LabError, NotFound
from labops.formats.yamltext import load_yaml
from labops.source import Source

_NAME = re.compile(r"(?:([a-zA-Z0-9-_./]+):)?([a-zA-Z0-9](?:[a-zA-Z0-9-/_]*[a-zA-Z0-9])?)")
_TAG = re.compile(r"(?P<name>[^#@]+)(?:@(?P<version>v\d+\.\d+\.\d+\S*?)|#(?P<stage>[^#@!]+?))!?(?:#\d+)?")
_SEMVER = re.compile(r"v(\d+)\.(\d+)\.(\d+)(?:-([^+]+))?(?:\+.*)?")


class Artifact(NamedTuple):
    """The commit (`rev`) and the path of an artifact there, relative to the root of the repository."""

    rev: str
    path: str


def find_artifact(
    source: Source, name: str, *, version: str | None, stage: str | None, open_at: Callable[[str], Source]
) -> Artifact:
    """The artifact `name` (`model`, `folder:model` or `folder/dvc.yaml:model`) of a version, a stage, or the newest.

    `open_at` opens the repository at another revision. Raises `NotFound` (`no-such-artifact`).
    """
    match = _NAME.fullmatch(name)
    if match is None or source.git is None:
        raise _absent(name)
    folder = (match[1] or "").removesuffix("dvc.yaml").rstrip("/")
    rev = _revision(source, f"{folder}={match[2]}" if folder else match[2], version, stage)
    if rev is None:
        raise _absent(name, version, stage)
    try:
        text = open_at(rev).read(posixpath.join(folder, "dvc.yaml")).decode("utf-8", "replace")
    except NotFound as error:
        raise _absent(name, version, stage) from error
    declared = load_yaml(text, name="dvc.yaml", code="bad-dvc-file").get("artifacts")
    row = declared.get(match[2]) if isinstance(declared, dict) else None
    path = row.get("path") if isinstance(row, dict) else None
    if not isinstance(path, str):
        raise _absent(name, version, stage)
    place = posixpath.normpath(posixpath.join(folder, path))
    if place.startswith(("/", "../")):
        raise InvalidInput(f"the artifact '{name}' lies outside its repository", code="unsafe-path", path=path)
    return Artifact(rev, place)


def _revision(source: Source, name: str, version: str | None, stage: str | None) -> str | None:
    assert source.git is not None
    if source.clone is not None:
        source.clone.history()
    marked = []
    for tag in git_history.read_tags(source.git):
        match = _TAG.fullmatch(tag.name)
        if tag.is_annotated and match and match["name"] == name:
            marked.append((tag.time, match["version"] or "", match["stage"] or "", tag.commit))
    marked.sort(key=lambda row: row[0])
    if version or stage:
        marked = [row for row in marked if row[1] == (version or row[1]) and row[2] == (stage or row[2])]
    else:
        marked.sort(key=lambda row: _order(row[1]))
    return marked[-1][3] if marked else None


def _order(version: str) -> tuple[object, ...]:
    """By the rules of semantic versions: a pre-release comes before its release, numbers count as numbers."""
    match = _SEMVER.fullmatch(version)
    if match is None:
        return (-1,)
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in (match[4] or "").split(".") if part]
    return (int(match[1]), int(match[2]), int(match[3]), not parts, tuple(parts))


def _absent(name: str, version: str | None = None, stage: str | None = None) -> LabError:
    which = f" of version '{version}'" if version else f" in stage '{stage}'" if stage else ""
    return NotFound(
        f"there is no artifact '{name}'{which}",
        code="no-such-artifact",
        hint="it needs an entry under 'artifacts' in dvc.yaml and an annotated tag: git tag -a NAME@v1.0.0",
        name=name,
    )
