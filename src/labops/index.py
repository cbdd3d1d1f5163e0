"""The index: every output that a project tracks, in its workspace or at some git revision."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from labops.drivers import fs
from labops.drivers.git import Git
from labops.errors import InvalidInput, NotFound
from labops.formats.dvcfile import parse_dvcfile
from labops.formats.ignore import IgnoreRules
from labops.model import DvcFile, Output, Tracked

if TYPE_CHECKING:
    from labops.formats.dvclock import StageOutputs

_POINTER_LIMIT = 64 << 20  # bytes; a pointer file has some hundred
_NAMES = ("*.dvc", "dvc.yaml", ".dvcignore")
_PRIVATE = {".git", ".dvc", ".hg"}

Read = Callable[[str], str | None]
"""Path relative to the project root → text, or None when there is no such file."""


def read_workspace(root: str, path: str) -> str | None:
    """The text of a small file of the workspace; `InvalidInput` when it is no text, None when absent."""
    try:
        data = fs.read_bytes(os.path.join(root, path), limit=_POINTER_LIMIT)
    except NotFound:
        return None
    return _decode(data, path)


def _decode(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"'{path}' is not UTF-8 text",
            code="bad-dvc-file",
            hint=f"bring back a good copy: git checkout -- '{path}'",
            path=path,
        ) from error


def find_files(root: str, git: Git | None) -> list[str]:
    """The `.dvc`, `dvc.yaml` and `.dvcignore` files of the workspace, sorted, relative to `root`.

    Git-ignored ones are not found, as in dvc, and neither are those of a project inside this one. One
    question to git; without git the folders are walked, tracked data left out.
    """
    return _by_walk(root) if git is None else _by_git(root, git)


def pointer_files(found: Iterable[str], rules: IgnoreRules) -> list[str]:
    """Those of `found` that are pointer files and that `.dvcignore` does not leave out."""
    return [path for path in found if not path.endswith(".dvcignore") and not is_left_out(path, rules)]


def _by_git(root: str, git: Git) -> list[str]:
    prefix = os.path.relpath(os.path.realpath(root), os.path.realpath(git.root)).replace(os.sep, "/")
    prefix = "" if prefix == "." else prefix + "/"
    names = [name.removeprefix(prefix) for name in git.list_files(_NAMES, under=root)]
    folders = {posixpath.dirname(name) for name in names} - {""}
    inside = tuple(folder + "/" for folder in folders if os.path.isdir(os.path.join(root, folder, ".dvc")))
    return [name for name in names if os.path.isfile(os.path.join(root, name)) and not name.startswith(inside)]


def _by_walk(root: str) -> list[str]:
    found: list[str] = []
    for folder, folders, names in os.walk(root):
        here = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if here == "." else here + "/"
        ours = [name for name in names if name.endswith(".dvc") or name in ("dvc.yaml", ".dvcignore")]
        found += [prefix + name for name in ours]
        data = {name.removesuffix(".dvc") for name in ours} | _PRIVATE
        folders[:] = [
            name for name in folders if name not in data and not os.path.isdir(os.path.join(folder, name, ".dvc"))
        ]
    return sorted(found)


def is_left_out(path: str, rules: IgnoreRules) -> bool:
    """True for a pointer file in a private folder or in a place that `.dvcignore` leaves out."""
    parts = path.split("/")
    if not _PRIVATE.isdisjoint(parts[:-1]):
        return True
    parents = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
    return rules.match(path, False) or any(rules.match(parent, True) for parent in parents)


def load(paths: Iterable[str], read: Read) -> list[Tracked]:
    """The outputs of the given pointer files, in their order.

    Raises `InvalidInput` for a file that dvc would refuse and for an output outside the project.
    """
    tracked: list[Tracked] = []
    for path in paths:
        if posixpath.basename(path) == "dvc.yaml":
            tracked += _pipeline_outputs(path, read)
        else:
            text = read(path)
            if text is not None:
                tracked += _outputs(path, parse_dvcfile(text, name=path))
    return _without_nested(tracked)


def _without_nested(tracked: list[Tracked]) -> list[Tracked]:
    """Pointer files that lie inside a tracked folder are plain data of it."""
    folders = {item.path for item in tracked}
    return [item for item in tracked if not _has_parent_in(item.file, folders)]


def _has_parent_in(path: str, folders: set[str]) -> bool:
    parent = posixpath.dirname(path)
    while parent:
        if parent in folders:
            return True
        parent = posixpath.dirname(parent)
    return False


def _outputs(path: str, dvcfile: DvcFile) -> list[Tracked]:
    base = posixpath.join(posixpath.dirname(path), dvcfile.wdir)
    deps = tuple(_place(base, str(dep["path"])) for dep in dvcfile.deps if "path" in dep and "repo" not in dep)
    return [
        Tracked(
            path=_inside(path, base, output),
            output=output,
            file=path,
            is_repo_import=dvcfile.is_repo_import,
            is_import=dvcfile.is_import,
            is_frozen=dvcfile.is_frozen,
            deps=deps,
            origin=dvcfile.deps[0] if dvcfile.is_import and len(dvcfile.deps) == 1 else None,
        )
        for output in dvcfile.outs
    ]


def load_stages(path: str, read: Read) -> list[StageOutputs]:
    """The stages that the `dvc.yaml` at `path` defines."""
    from labops.formats.dvclock import parse_dvclock

    folder = posixpath.dirname(path)
    yaml_text = read(path)
    params = _params(folder, path, yaml_text or "", read)
    stages = parse_dvclock(read(posixpath.join(folder, "dvc.lock")), yaml_text, name=path, params=params)
    return [stage for stage in stages if stage.is_defined]


def _pipeline_outputs(path: str, read: Read) -> list[Tracked]:
    folder = posixpath.dirname(path)
    tracked = []
    for stage in load_stages(path, read):
        base = posixpath.join(folder, stage.wdir)
        deps = tuple(_place(base, dep) for dep in stage.deps)
        for output in stage.outs:
            place = _inside(path, base, output)
            tracked.append(Tracked(place, output, path, stage.stage, is_frozen=stage.is_frozen, deps=deps))
    return tracked


def _params(folder: str, path: str, yaml_text: str, read: Read) -> dict[str, object]:
    """The YAML and JSON files whose values the templates of a `dvc.yaml` may name."""
    from labops.formats.dvclock import vars_files
    from labops.formats.yamltext import load_yaml

    found: dict[str, object] = {}
    for file in vars_files(yaml_text, name=path):
        text = read(posixpath.normpath(posixpath.join(folder, file)))
        if text is not None and file.endswith((".yaml", ".yml", ".json")):  # YAML reads JSON too
            found[file] = load_yaml(text, name=file, code="bad-params")
    return found


def _place(base: str, path: str) -> str:
    return path if "://" in path else posixpath.normpath(posixpath.join(base, path))


def _inside(file: str, base: str, output: Output) -> str:
    """Where an output lies, which must be inside the project and outside its private folders."""
    place = _place(base, output.path)
    parts = place.split("/")
    if "://" in place or place.startswith("/") or parts[0] == ".." or place == ".":
        raise InvalidInput(
            f"'{file}' tracks '{output.path}', which is outside the project",
            code="output-outside",
            hint=f"do not trust this file; where it is meant so, use dvc for it: dvc status {file}",
            path=file,
        )
    if not _PRIVATE.isdisjoint(part.lower() for part in parts) or "\0" in place:
        raise InvalidInput(
            f"'{file}' tracks '{output.path}', which is inside a private folder of git or dvc",
            code="output-private",
            hint="do not trust where this file came from",
            path=file,
        )
    return place


def load_revision(git: Git, rev: str, prefix: str) -> list[Tracked]:
    """Every output at a commit; `prefix` is the project's folder in the repository (`""` or `sub/`)."""
    blobs = {path.removeprefix(prefix): sha for path, sha in git.files_at(rev).items() if path.startswith(prefix)}
    pointers = [path for path in blobs if path.endswith((".dvc", "/dvc.yaml")) or path == "dvc.yaml"]
    texts = dict(zip(pointers, (data for _, data in git.read_blobs(blobs[path] for path in pointers)), strict=True))

    def read(path: str) -> str | None:
        if path not in blobs:
            return None
        if path not in texts:  # a lock or a file of parameters: few, and only where there is a pipeline
            texts[path] = next(git.read_blobs([blobs[path]]))[1]
        return _decode(texts[path], f"{rev[:7]}:{path}")

    return load(sorted(pointers), read)


class PathIndex:
    """Outputs by path: finds the one at, above or below a path without looking at all of them."""

    def __init__(self, tracked: Iterable[Tracked] = ()) -> None:
        self._at: dict[str, Tracked] = {}
        self._below: dict[str, Tracked] = {}
        for item in tracked:
            self.add(item)

    def add(self, item: Tracked) -> None:
        """Know one more output."""
        self._at.setdefault(item.path, item)
        for parent in _parents(item.path):
            self._below.setdefault(parent, item)

    def at(self, path: str) -> Tracked | None:
        """The output whose path this is."""
        return self._at.get(path)

    def above(self, path: str) -> Tracked | None:
        """The output that `path` lies inside."""
        return next((self._at[parent] for parent in _parents(path) if parent in self._at), None)

    def overlapping(self, path: str) -> Tracked | None:
        """The output at, above or below `path`, if any."""
        return self.at(path) or self.above(path) or self._below.get(path)


def _parents(path: str) -> Iterator[str]:
    end = path.rfind("/")
    while end > 0:
        yield path[:end]
        end = path.rfind("/", 0, end)
