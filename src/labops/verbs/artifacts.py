"""`artifacts get`: which commit and path a named artifact means, by the annotated tags that GTO makes."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from labops.errors import InvalidInput, NotFound
from labops.formats.yamltext import load_yaml
from labops.source import Source, open_source

_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")


class Artifact(NamedTuple):
    """An artifact at one commit: `folder` holds the `dvc.yaml` that names it."""

    name: str
    folder: str
    rev: str

    def path(self, source: Source) -> str:
        """Where its data is, as the `dvc.yaml` at that commit says; raises `NotFound` (`no-such-artifact`)."""
        file = posixpath.join(self.folder, "dvc.yaml")
        if source.files.kind(file) != "file":
            raise _unknown(self.name, source.name)
        raw = load_yaml(source.files.read(file).decode("utf-8", "replace"), name=file, code="bad-dvc-file")
        artifacts = raw.get("artifacts")
        found = artifacts.get(self.name) if isinstance(artifacts, dict) else None
        path = found.get("path") if isinstance(found, dict) else None
        if not isinstance(path, str):
            raise _unknown(self.name, source.name)
        return posixpath.normpath(posixpath.join(self.folder, path))


def find_artifact(url: str, name: str, *, version: str | None = None, stage: str | None = None) -> Artifact:
    """The commit of an artifact of the repository `url`: of a version, of what is in a stage, else of the newest.

    Raises `NotFound` (`no-such-artifact`) and `InvalidInput` (`bad-usage`).
    """
    if version and stage:
        raise InvalidInput("'--rev' and '--stage' exclude each other", code="bad-usage", hint="name one of them")
    folder, _, short = name.rpartition(":")
    folder = posixpath.dirname(folder) if folder.endswith("dvc.yaml") else folder
    source = open_source(url, is_committed=True)
    prefix = f"{folder}={short}" if folder else short
    tags = _annotated_tags(source)
    if stage:
        return Artifact(short, folder, _in_stage(tags, prefix, stage, source, name))
    found = {}
    for tag, commit in tags.items():
        match = _VERSION.fullmatch(tag[len(prefix) + 1 :]) if tag.startswith(prefix + "@") else None
        if match:
            found[tag[len(prefix) + 1 :]] = (_rank(match), commit)
    if version:
        found = {text: row for text, row in found.items() if text == version}
    if not found:
        raise _unknown(name, source.name)
    return Artifact(short, folder, max(found.values())[1])


def _annotated_tags(source: Source) -> dict[str, str]:
    """Tag → commit, annotated ones only: GTO makes no others."""
    if source.clone is not None:
        refs = source.clone.refs().values()
        return {ref.name.removeprefix("refs/tags/"): ref.sha for ref in refs if ref.is_annotated}
    assert source.git is not None
    return source.git.annotated_tags()


def _in_stage(tags: dict[str, str], prefix: str, stage: str, source: Source, name: str) -> str:
    pattern = re.compile(re.escape(f"{prefix}#{stage}") + r"(?:#(\d+))?")
    found = [(int(match[1] or 0), commit) for tag, commit in tags.items() if (match := pattern.fullmatch(tag))]
    if not found:
        raise _unknown(name, source.name)
    return max(found)[1]


def _rank(match: re.Match[str]) -> tuple[int, int, int, bool, str]:
    """A release is newer than its candidates."""
    return int(match[1]), int(match[2]), int(match[3]), match[4] is None, match[4] or ""


def _unknown(name: str, where: str) -> NotFound:
    return NotFound(
        f"'{where}' has no such version of an artifact '{name}'",
        code="no-such-artifact",
        hint=f"see its tags: git ls-remote --tags '{where}'",
    )
