"""Targets of `add`: which output each one means, and what must never become one."""

from __future__ import annotations

import glob as shell_glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from labops import index, pointers
from labops.errors import Conflict, InvalidInput, NotFound
from labops.model import Output, RelPath, Tracked
from labops.project import Project


@dataclass(frozen=True, slots=True)
class Target:
    """One output to write: where its content is, and where it is or will be tracked."""

    path: str
    file: str
    source: str
    old: Tracked | None
    parts: tuple[RelPath, ...] = ()
    """Paths inside a tracked folder, for an update that need not see the rest."""


class Into(NamedTuple):
    """Where the (one) source goes when it is not tracked in its place: to `out`, or straight to a remote."""

    out: str | None = None
    is_sent: bool = False
    is_forced: bool = False
    """Whether something at `out` may be replaced."""


def expand_globs(patterns: Sequence[str]) -> list[str]:
    """The paths that match, each once; raises `NotFound` (`no-match`) for a pattern without any."""
    found: list[str] = []
    for pattern in patterns:
        names = sorted(shell_glob.glob(pattern, recursive=True))
        names = [name for name in names if not name.endswith(".dvc") and name not in (".gitignore", ".dvcignore")]
        if not names:
            raise NotFound(f"nothing matches '{pattern}'", code="no-match", hint="check the pattern with: ls")
        found += names
    return list(dict.fromkeys(found))


def resolve(project: Project, texts: Sequence[str], tracked: Sequence[Tracked], into: Into) -> list[Target]:
    """The outputs that paths relative to the current directory mean, each once; `tracked` are those that exist."""
    wanted: dict[str, Target] = {}
    paths = index.PathIndex(tracked)
    for text in texts:
        target = _resolve_one(project, text, paths, into)
        known = wanted.get(target.path)
        if known is not None:
            is_whole = not known.parts or not target.parts
            target = replace(known, parts=() if is_whole else known.parts + target.parts)
        wanted[target.path] = target
    return list(wanted.values())


def _resolve_one(project: Project, text: str, tracked: index.PathIndex, into: Into) -> Target:
    if "://" in text:
        raise InvalidInput(
            f"'{text}' is a URL; labops adds local paths",
            code="url-target",
            hint=f"dvc add '{text}' -o NAME, or download it first",
        )
    source = os.path.abspath(text)
    if into.out or (into.is_sent and _is_outside(project, text)):
        path = project.relative(_destination(text, into))
    else:
        _refuse_links(project, text)
        path = project.relative(text)
        source = project.absolute(path)
    exact = tracked.at(path)
    if exact is not None:
        return Target(path, exact.file, source, exact)
    above = tracked.above(path)
    if above is not None and not into.out:
        part = RelPath(path[len(above.path) + 1 :])
        return Target(above.path, above.file, project.absolute(above.path), above, (part,))
    return Target(path, path + ".dvc", source, None)


def _is_outside(project: Project, text: str) -> bool:
    try:
        project.relative(text)
    except InvalidInput:
        return True
    return False


def _refuse_links(project: Project, text: str) -> None:
    """A path through a link names somebody else's file: its pointer would lie beside that, not here."""
    parent = os.path.dirname(os.path.abspath(text))
    while parent.startswith(project.root + "/"):
        if os.path.islink(parent):
            shown = project.shown(project.relative(parent))
            raise InvalidInput(
                f"'{text}' lies behind the symbolic link '{shown}'",
                code="behind-link",
                hint=f"name the file itself: {project.shown(project.relative(text))}",
                path=text,
            )
        parent = os.path.dirname(parent)


def _destination(text: str, into: Into) -> str:
    name = os.path.basename(os.path.abspath(text))
    if into.out is None:
        return name
    is_folder = os.path.isdir(into.out) or into.out.endswith("/")
    destination = os.path.join(into.out, name) if is_folder else into.out
    if os.path.lexists(destination) and not into.is_forced and os.path.abspath(destination) != os.path.abspath(text):
        raise Conflict(
            f"'{destination}' exists already", code="output-exists", hint="replace it with: --force", path=destination
        )
    return destination


# -- what must not be added ---------------------------------------------------------------------------


def refuse(project: Project, wanted: Sequence[Target], tracked: Sequence[Tracked]) -> None:
    """Raise for the first target that cannot be tracked; nothing was touched yet."""
    known = {target.old for target in wanted}
    others = index.PathIndex(item for item in tracked if item not in known)
    for target in wanted:
        _refuse_kind(project, target)
        _refuse_overlap(target, others)
        others.add(target.old or Tracked(target.path, Output(target.path), target.file))
    fresh = [target.path for target in wanted if target.old is None]
    pointers.refuse_git_tracked(project, fresh)
    _refuse_hidden_pointers(project, wanted)


def _refuse_kind(project: Project, target: Target) -> None:
    if target.old is not None and target.old.stage:
        raise InvalidInput(
            f"'{target.path}' is made by the pipeline stage '{target.old.address}'",
            code="pipeline-output",
            hint=f"record it with: lab commit {target.old.address}",
        )
    if target.path.endswith(".dvc") or target.path == "." or target.path.split("/")[0] in (".git", ".dvc"):
        raise InvalidInput(
            f"'{target.path}' cannot be tracked as data",
            code="not-data",
            hint="name the data itself, not its .dvc file or the repository",
        )
    if not target.parts and not os.path.lexists(target.source):
        raise NotFound(
            f"'{target.path}' does not exist", code="no-such-file", hint="check the spelling with: ls", path=target.path
        )
    if os.path.islink(target.source) and os.path.isdir(target.source):
        raise InvalidInput(
            f"'{target.path}' is a symbolic link to a folder",
            code="folder-link",
            hint="add the folder itself, or copy it here: cp -rL",
            path=target.path,
        )
    parents = target.path.split("/")
    for depth in range(1, len(parents)):
        parent = "/".join(parents[:depth])
        if os.path.islink(project.absolute(parent)):
            raise InvalidInput(
                f"'{target.path}' lies behind the symbolic link '{parent}'", code="behind-link", path=target.path
            )
        if project.rules.match(parent, True):
            raise _ignored(target.path)
    for path in (target.path, *(f"{target.path}/{part}" for part in target.parts)):
        if project.rules.match(path, os.path.isdir(project.absolute(path))):
            raise _ignored(path)


def _ignored(path: str) -> InvalidInput:
    return InvalidInput(
        f"'{path}' is left out by .dvcignore",
        code="dvcignored",
        hint=f"see which rule: lab check-ignore -d '{path}'",
        path=path,
    )


def _refuse_overlap(target: Target, tracked: index.PathIndex) -> None:
    other = tracked.overlapping(target.path)
    if other is not None:
        raise InvalidInput(
            f"'{target.path}' overlaps with '{other.path}', which '{other.address}' tracks",
            code="overlapping-outputs",
            hint=f"add a path inside '{other.path}', or stop tracking that first: lab remove {other.address}",
            path=target.path,
        )


def _refuse_hidden_pointers(project: Project, wanted: Sequence[Target]) -> None:
    """A `.dvc` file that git ignores would never be found again."""
    if project.git is None:
        return
    files = {project.absolute(target.file): target for target in wanted if target.old is None}
    for file in sorted(project.git.ignored(files)):
        target = files[file]
        raise InvalidInput(
            f"git ignores '{target.file}', so nobody would find it",
            code="pointer-ignored",
            hint=f"see which rule: git check-ignore -v '{target.file}'",
            path=target.file,
        )
