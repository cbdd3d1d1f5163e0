"""The plain files of a source repository: those of one commit, or those of a folder as it is right now.

Both sides answer the same questions with paths relative to the source's root. A symbolic link of a commit is a
small file that names its goal, as git keeps it and as dvc takes it: it is never followed. In a folder, links
are followed as far as they stay inside; what leads out is refused, for a registry may be anybody's.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from labops.drivers import fs
from labops.drivers.git import Git, GitFile
from labops.errors import Conflict, InvalidInput, LabError, NotFound
from labops.formats.ignore import IgnoreRules
from labops.model import HERE, Oid, RelPath, Tracked, parse_relpath

PRIVATE = frozenset({".git", ".dvc", ".hg"})
_LIMIT = 1 << 34


class Found(NamedTuple):
    """What a path of a source is. `tracked` is the output at or above it, `inside` the way from there."""

    path: str
    is_folder: bool
    tracked: Tracked | None = None
    inside: RelPath = HERE


class SourceFile(NamedTuple):
    """One file of a source. It is read from the working folder or git when `is_plain`, else by its oid."""

    path: str
    size: int | None
    is_executable: bool = False
    tracked: Tracked | None = None
    oid: Oid | None = None
    is_plain: bool = True
    blob: str = ""


def data_below(found: Found, files: Iterable[SourceFile], name: str) -> list[tuple[SourceFile, RelPath]]:
    """What taking `found` from the source called `name` means: its files, each with its path from there.

    Of a folder everything but pointer files, which say nothing without their repository. Raises `InvalidInput`
    (`unsafe-path`) for a listing that names what could harm the taker.
    """
    start = len(found.path) + 1 if found.path else 0
    rows = []
    for file in files:
        inside = parse_relpath(file.path[start:]) if found.is_folder else HERE
        last = posixpath.basename(inside)
        if file.tracked is None and (last.endswith(".dvc") or last in ("dvc.yaml", ".dvcignore")):
            continue
        if not PRIVATE.isdisjoint(inside.lower().split("/")):
            raise InvalidInput(
                f"'{name}' lists '{file.path}', inside a private folder of git or dvc",
                code="unsafe-path",
                hint="do not trust where this dataset came from",
            )
        rows.append((file, inside))
    return rows


class PlainFile(NamedTuple):
    """A file as git or the file system knows it; `size` (bytes) is None where finding out costs a request."""

    path: str
    size: int | None
    is_executable: bool
    is_link: bool = False
    blob: str = ""


class Files(Protocol):
    """The files of a source, without those of git's and dvc's private folders."""

    def kind(self, path: str) -> str:
        """`file`, `folder` or `""`; the root (`""`) is a folder."""
        ...

    def below(self, path: str, *, is_deep: bool = True) -> Iterator[PlainFile]:
        """The file at `path`, or those below it; without `is_deep` only those directly in it."""
        ...

    def folders(self, path: str) -> set[str]:
        """Names of the folders directly in `path`."""
        ...

    def sizes(self, files: list[PlainFile]) -> dict[str, int]:
        """Path → bytes of these files."""
        ...

    def read(self, path: str, limit: int = _LIMIT) -> bytes:
        """The bytes of one file; raises `NotFound`, or `InvalidInput` (`link-outside`, `file-too-large`)."""
        ...

    def copy(self, path: str, target: str, mode: int) -> int:
        """Copy one file to the new file `target`; its bytes."""
        ...


def escapes(path: str) -> LabError:
    """The error for a link that leads out of its repository."""
    return InvalidInput(
        f"'{path}' is a symbolic link that leads out of its repository",
        code="link-outside",
        hint="nothing is read through it; ask the owner of the repository for the file itself",
        path=path,
    )


def _absent(path: str) -> NotFound:
    return NotFound(f"'{path}' does not exist", code="no-such-path", path=path)


class CommitFiles:
    """The files of one commit below `prefix` (`""` or `sub/`); read through git, nothing is checked out."""

    def __init__(self, git: Git, rev: str, prefix: str = "") -> None:
        self._git = git
        self.rows: dict[str, GitFile] = {}
        self._folders: dict[str, set[str]] = {"": set()}
        self._configs: dict[str, str] = {}
        self.projects: list[str] = []
        """Folders with a `.dvc/config` in them, sorted; `""` is the root."""
        for path, row in git.rows_at(rev).items():
            if not path.startswith(prefix):
                continue
            inside = path[len(prefix) :]
            folder = posixpath.dirname(inside)
            if f"/{inside}".endswith("/.dvc/config"):
                self.projects.append(posixpath.dirname(folder))
                self._configs[self.projects[-1]] = row.sha
            if PRIVATE.isdisjoint(folder.split("/")):
                self.rows[inside] = row
        self._drop_ignored()
        for path in self.rows:
            self._know(posixpath.dirname(path))

    def _drop_ignored(self) -> None:
        found = sorted(path for path in self.rows if posixpath.basename(path) == ".dvcignore")
        texts = tuple((posixpath.dirname(path), self.read(path).decode("utf-8", "replace")) for path in found)
        rules = IgnoreRules(texts)
        if not rules.is_plain:
            self.rows = {path: row for path, row in self.rows.items() if not rules.match(path, False)}

    def _know(self, folder: str) -> None:
        while folder not in self._folders:
            self._folders[folder] = set()
            parent, name = posixpath.split(folder)
            self._know(parent)
            self._folders[parent].add(name)

    def config(self, folder: str) -> bytes:
        """The `.dvc/config` of the project at `folder`; empty where there is none."""
        sha = self._configs.get(folder)
        return self._blob(sha) if sha else b""

    def kind(self, path: str) -> str:
        """`file`, `folder` or nothing."""
        if path in self._folders:
            return "folder"
        return "file" if path in self.rows else ""

    def folders(self, path: str) -> set[str]:
        """Names of the folders directly in `path`."""
        return self._folders.get(path, set())

    def below(self, path: str, *, is_deep: bool = True) -> Iterator[PlainFile]:
        """The file at `path`, or those below it."""
        if path in self.rows:
            yield self._file(path)
            return
        start = path + "/" if path else ""
        for name in self.rows:
            if name.startswith(start) and (is_deep or "/" not in name[len(start) :]):
                yield self._file(name)

    def _file(self, path: str) -> PlainFile:
        row = self.rows[path]
        return PlainFile(path, None, row.mode == "100755", row.mode == "120000", row.sha)

    def sizes(self, files: list[PlainFile]) -> dict[str, int]:
        """Path → bytes of these files."""
        known = self._git.sizes([file.blob for file in files if file.blob])
        return {file.path: known[file.blob] for file in files if file.blob in known}

    def read(self, path: str, limit: int = _LIMIT) -> bytes:
        """The bytes of one file."""
        del limit  # git has the whole blob in memory anyway, and its own limits
        return self._blob(self._row(path).sha)

    def copy(self, path: str, target: str, mode: int) -> int:
        """Copy one file to the new file `target`; its bytes."""
        data = self._blob(self._row(path).sha)
        fs.write_new(target, data, mode=mode)
        return len(data)

    def _row(self, path: str) -> GitFile:
        if path not in self.rows:
            raise _absent(path)
        return self.rows[path]

    def _blob(self, sha: str) -> bytes:
        return next(self._git.read_blobs([sha]))[1]


class FolderFiles:
    """The files of the folder `root` as they are, without what `.dvcignore` leaves out."""

    def __init__(self, root: str, rules: IgnoreRules | None = None) -> None:
        self._root = root
        self._real = os.path.realpath(root)
        self._rules = rules if rules is not None and not rules.is_plain else None

    def kind(self, path: str) -> str:
        """`file`, `folder` or nothing."""
        if not PRIVATE.isdisjoint(path.split("/")):
            return ""
        place = os.path.join(self._root, path)
        if os.path.isdir(place) and (not os.path.islink(place)):
            return "folder"
        return "file" if os.path.isfile(place) else ""

    def folders(self, path: str) -> set[str]:
        """Names of the folders directly in `path`."""
        if self.kind(path) != "folder":
            return set()
        found = fs.list_folder(os.path.join(self._root, path)).folders
        return {name for name in found if not self._is_left_out(posixpath.join(path, name), True)}

    def below(self, path: str, *, is_deep: bool = True) -> Iterator[PlainFile]:
        """The file at `path`, or those below it."""
        kind = self.kind(path)
        if kind == "file":
            place = os.path.join(self._root, path)
            stat = fs.stat(place)
            is_executable = bool((fs.mode_of(place) or 0) & 0o111)
            yield PlainFile(path, stat.size, is_executable, os.path.islink(place))
        waiting = [path] if kind == "folder" else []
        while waiting:
            folder = waiting.pop()
            listing = fs.list_folder(os.path.join(self._root, folder))
            for index, name in enumerate(listing.names):
                inside = posixpath.join(folder, name)
                if not self._is_left_out(inside, False):
                    size = listing.stats[4 * index]
                    yield PlainFile(inside, size, name in listing.executables, name in listing.links)
            if is_deep:
                found = [posixpath.join(folder, name) for name in listing.folders]
                waiting += [name for name in found if not self._is_left_out(name, True)]

    def _is_left_out(self, path: str, is_dir: bool) -> bool:
        name = posixpath.basename(path)
        return (is_dir and name in PRIVATE) or (self._rules is not None and self._rules.match(path, is_dir))

    def sizes(self, files: list[PlainFile]) -> dict[str, int]:
        """Path → bytes of these files."""
        return {file.path: file.size for file in files if file.size is not None}

    def read(self, path: str, limit: int = _LIMIT) -> bytes:
        """The bytes of one file."""
        return fs.read_bytes(self._inside(path), limit=limit)

    def copy(self, path: str, target: str, mode: int) -> int:
        """Copy one file to the new file `target`; its bytes."""
        try:
            return fs.copy_hashing(self._inside(path), target, mode=mode).fingerprint.size
        except Conflict:  # it is being written to: once more, then it is told
            return fs.copy_hashing(self._inside(path), target, mode=mode).fingerprint.size

    def _inside(self, path: str) -> str:
        """Where the file is, unless a link leads out of the folder."""
        place = os.path.join(self._root, path)
        real = os.path.realpath(place)
        if not real.startswith(self._real.rstrip("/") + "/"):
            raise escapes(path)
        if not os.path.lexists(real):
            raise _absent(path)
        return real
