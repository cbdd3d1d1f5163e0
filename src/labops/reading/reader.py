"""Reading: files of any repository at any version, for programs that read many of them for a long time.

    reader = open_reader("https://git.lab.example/registry")
    reader.open("dog_and_cat@v3/0001.jpg"), reader.list("dog_and_cat@v3")

A repository is opened once for each (repository, revision) of a process, and threads share it. Bytes come from
the working folder, else a cache, else the remote; whatever enters a cache is hashed on the way in.
"""

from __future__ import annotations

import io
import os
import posixpath
import threading
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from labops.drivers import fs
from labops.errors import InvalidInput, NotFound
from labops.formats.reference import parse_reference
from labops.history import History, Version
from labops.model import HERE, Entry, Oid, RelPath, Tracked, is_tree_oid, parse_relpath
from labops.reading.stock import Elsewhere, Stock, TreeIndex
from labops.source import Source
from labops.source.files import PRIVATE, PlainFile, escapes


class MissingPath(NotFound, FileNotFoundError):
    """There is no such file or folder in the repository; `FileNotFoundError` to whoever knows only `open`."""


class FolderPath(InvalidInput, IsADirectoryError):
    """A folder where a file was needed."""


class Spot(NamedTuple):
    """Where a path leads: to the output at or above it, and to `inside` of that. `is_pinned`: a version was named."""

    path: str
    tracked: Tracked | None = None
    inside: RelPath = HERE
    version: Version | None = None

    @property
    def is_pinned(self) -> bool:
        return self.version is not None


class Row(NamedTuple):
    """One file or folder. `size` is in bytes, None where finding out costs a request; `oid` is None for plain files."""

    path: str
    is_folder: bool
    size: int | None = None
    oid: Oid | None = None
    is_executable: bool = False
    spot: Spot = Spot("")

    @property
    def tracked(self) -> Tracked | None:
        return self.spot.tracked

    @property
    def name(self) -> str:
        return posixpath.basename(self.path)


class Reader:
    """One repository at one revision, for reading. Thread-safe; raises labops errors only.

    Paths are posix, relative to the repository's root (for a local dvc project: the project's), and may name a
    version: `dog_and_cat@v3/0001.jpg` or `dog_and_cat/0001.jpg@v3`. Where no version and no revision is named, a
    local repository is read as it is right now.
    """

    def __init__(self, source: Source, elsewhere: Elsewhere | None = None) -> None:
        self.source = source
        self._lock = threading.RLock()
        self._indexes: dict[Oid, TreeIndex] = {}
        self._versions: dict[tuple[str, str], Version] = {}
        self._history: History | None = None
        self.stock = Stock(source, elsewhere)

    def __repr__(self) -> str:
        return f"Reader({self.source!r})"

    # -- versions -------------------------------------------------------------------------------------

    @property
    def history(self) -> History:
        """The past of the repository: of HEAD for one on this machine, else of the origin's default branch."""
        with self._lock:
            project = self.source.places.here("") if self.source.is_local else None
            if project is not None:
                return project.history
            if self._history is None:
                if self.source.git is None:
                    raise InvalidInput(f"'{self.source.name}' has no versions: it is not in git", code="no-git")
                if self.source.clone is not None:
                    self.source.clone.history()
                self._history = History(self.source.git)
            return self._history

    def version(self, path: str, text: str) -> Version:
        """The version of the output at `path` that `text` means; see `find_version`."""
        with self._lock:
            found = self._versions.get((path, text))
            if found is None:
                # A number stays what it is while HEAD only grows; a tag or branch may move.
                found = self._versions[path, text] = self.history.find(path, text)
            return found

    # -- paths ----------------------------------------------------------------------------------------

    def find(self, path: str, version: str | None = None) -> Row:
        """What is at `path`; raises `MissingPath` (`no-such-path`) and what is wrong with the version."""
        path = _normal(path)
        spot = self._spot(path, version)
        row = self._row(spot)
        if row is None:
            raise self.absent(path)
        return row

    def _spot(self, path: str, version: str | None) -> Spot:
        if path == "":
            return Spot("")
        if version is None and "@" in path:
            path, version, rest = self._split(path)
            shown = f"{path}@{version}" if version else path
            spot = self._plain_spot(posixpath.join(path, rest) if rest else path, version, path)
            return spot._replace(path=posixpath.join(shown, rest) if rest else shown)
        return self._plain_spot(path, version, path)

    def _split(self, path: str) -> tuple[str, str | None, str]:
        """`a/b@v3/c` as (`a/b`, `v3`, `c`): the first part whose `@` belongs to no name."""
        parts = path.split("/")
        for at, part in enumerate(parts):
            head = "/".join(parts[: at + 1])
            reference = parse_reference(head, self._is_known) if "@" in part else None
            if reference is not None and reference.version is not None:
                return reference.path, reference.version, "/".join(parts[at + 1 :])
        return path, None, ""

    def _is_known(self, text: str) -> bool:
        with self._lock:
            if self.source.paths.overlapping(text) is not None:
                item = self.source.paths.above(text)
                inside = text[len(item.path) + 1 :] if item else ""
                return item is None or self._index(item).get(inside) is not None or self._workspace_kind(text) != ""
            return self.source.files.kind(text) != ""

    def _plain_spot(self, path: str, version: str | None, name: str) -> Spot:
        """`name` is the part of `path` that the version belongs to."""
        item = self._tracked(path)
        if version is not None:
            item = self._tracked(name)
            top = item.path if item is not None else name  # not tracked now: it may have been then
            found = self.version(top, version)
            return Spot(path, found.tracked(), RelPath(path[len(top) + 1 :]), found)
        return Spot(path, item, RelPath(path[len(item.path) + 1 :]) if item else HERE)

    def _tracked(self, path: str) -> Tracked | None:
        with self._lock:
            return self.source.paths.at(path) or self.source.paths.above(path)

    def _row(self, spot: Spot) -> Row | None:
        item = spot.tracked
        if not spot.is_pinned:
            plain = self._plain_row(spot)
            if plain is not None:
                return plain
        if item is None:
            below = self.source.paths.overlapping(spot.path) is not None if spot.path else True
            return Row(spot.path, is_folder=True, spot=spot) if below else None
        return self._tracked_row(spot)

    def _tracked_row(self, spot: Spot) -> Row | None:
        item = spot.tracked
        assert item is not None
        if item.output.oid is None or not item.output.is_cached:
            return None
        if not is_tree_oid(item.output.oid):
            return None if spot.inside else self._file_row(spot, Entry(HERE, item.output.oid, item.output.size))
        if spot.inside == HERE:
            return Row(spot.path, is_folder=True, oid=item.output.oid, size=item.output.size, spot=spot)
        found = self._index(item).get(spot.inside)
        if isinstance(found, Entry):
            return self._file_row(spot, found)
        return Row(spot.path, is_folder=True, spot=spot) if found is not None else None

    def _plain_row(self, spot: Spot) -> Row | None:
        """The file or folder of the working folder or of git."""
        if not PRIVATE.isdisjoint(part.lower() for part in spot.path.split("/")):
            return None
        kind = self._workspace_kind(spot.path) if self.source.commit is None else self.source.files.kind(spot.path)
        if kind != "file":
            is_folder = kind == "folder" and (spot.tracked is None or self.source.commit is None)
            return Row(spot.path, is_folder=True, spot=spot) if is_folder else None
        if self.source.commit is not None:
            file = next(iter(self.source.files.below(spot.path)))
            return Row(spot.path, False, self._blob_size(file), is_executable=file.is_executable, spot=spot)
        stat = os.stat(self._place(spot))
        return Row(spot.path, False, stat.st_size, is_executable=bool(stat.st_mode & 0o111), spot=spot)

    def _blob_size(self, file: PlainFile) -> int | None:
        return self.source.files.sizes([file]).get(file.path)

    def _workspace_kind(self, path: str) -> str:
        """What the working folder has at `path`, what `.dvcignore` leaves out included as in dvc's api."""
        if self.source.commit is not None:
            return ""
        place = os.path.join(self.source.root, path)
        return "folder" if os.path.isdir(place) else "file" if os.path.isfile(place) else ""

    def _file_row(self, spot: Spot, entry: Entry) -> Row:
        assert spot.tracked is not None
        size = entry.size
        if size is None:
            sizes = (cache.size(entry.oid) for cache in self.stock.caches(spot.tracked))
            size = next((found for found in sizes if found is not None), None)
        is_executable = spot.tracked.output.is_executable and entry.path == HERE
        return Row(spot.path, False, size, entry.oid, is_executable, spot)

    def absent(self, path: str) -> MissingPath:
        """The error for a path that leads nowhere."""
        at = f" at '{self.source.rev}'" if self.source.rev else ""
        rev = f" --rev {self.source.rev}" if self.source.rev else ""
        return MissingPath(
            f"'{self.source.name}' has no '{path}'{at}",
            code="no-such-path",
            hint=f"see what there is: lab list '{self.source.name}'{rev}",
            path=path,
        )

    def stored(self, row: Row) -> Row | None:
        """What is tracked at `row`, whatever the working folder has there; None where nothing is."""
        if row.tracked is None:
            return None
        return self._tracked_row(row.spot)

    def inside(self, path: str) -> str:
        """A path as scripts write it, relative to the root: dvc counts from the current directory where that is inside.

        An absolute path is one of this machine.
        """
        root = os.path.realpath(self.source.root)
        if not self.source.is_local:
            return path
        if os.path.isabs(path):
            parent, name = os.path.split(os.path.abspath(path))
            place = os.path.join(os.path.realpath(parent), name)
        else:
            here = os.path.realpath(".")
            if self.source.commit is not None or not here.startswith(root + os.sep):
                return path
            place = os.path.join(here, path)
        return os.path.relpath(place, root).replace(os.sep, "/")

    # -- folders --------------------------------------------------------------------------------------

    def list(self, row: Row) -> list[Row]:
        """What is directly in the folder `row`, by name; of a file the file."""
        if not row.is_folder:
            return [row]
        rows: dict[str, Row] = {}
        item = row.tracked
        if item is not None and item.output.oid is not None and is_tree_oid(item.output.oid) and item.output.is_cached:
            for name, found in self._index(item).folder(row.spot.inside).items():
                rows[name] = self._child(row, name, found)
        if not row.spot.is_pinned:
            for name in self._names(row):
                child = self._row(self._spot_below(row, name))
                if child is not None:
                    rows[name] = child
        return [rows[name] for name in sorted(rows)]

    def _child(self, row: Row, name: str, found: Entry | None) -> Row:
        spot = self._spot_below(row, name)
        if found is None:
            return Row(spot.path, is_folder=True, spot=spot)
        return Row(spot.path, False, found.size, found.oid, spot=spot)

    def _spot_below(self, row: Row, name: str) -> Spot:
        path = posixpath.join(row.path, name)
        if row.tracked is None:
            return self._plain_spot(path, None, path)
        return row.spot._replace(path=path, inside=RelPath(posixpath.join(row.spot.inside, name)))

    def _names(self, row: Row) -> set[str]:
        """Names in a folder of the working folder or of git, with those of the outputs below it."""
        path = row.path
        names = {posixpath.basename(file.path) for file in self.source.files.below(path, is_deep=False)}
        if self.source.files.kind(path) != "folder":
            names = set()
        names |= self.source.files.folders(path)
        start = path + "/" if path else ""
        names |= {item.path[len(start) :].partition("/")[0] for item in self.source.below(path) if item.path != path}
        return names - PRIVATE

    def walk(self, row: Row) -> Iterator[Row]:
        """Every file at or below `row`, in the order of their paths within each folder."""
        for child in self.list(row) if row.is_folder else [row]:
            if child.is_folder:
                yield from self.walk(child)
            else:
                yield child

    def entries(self, item: Tracked) -> Sequence[Entry]:
        """The files of an output."""
        self.stock.bring_listing(item)
        found = self.source.listing(item).entries
        if self.source.is_local:  # as `lab fetch` does; of other repositories the source keeps them
            self.stock.keep_listing(item)
        return found

    def entries_below(self, item: Tracked, inside: RelPath) -> Sequence[Entry]:
        """Those at or below `inside`; of one file found at once, however large the output is."""
        if inside == HERE:
            return self.entries(item)
        found = self._index(item).get(inside)
        if isinstance(found, Entry):
            return (found,)
        return () if found is None else self.source.listing(item).below(inside)

    def _index(self, item: Tracked) -> TreeIndex:
        oid = item.output.oid
        if oid is None or not is_tree_oid(oid):
            return TreeIndex(())
        with self._lock:
            if oid not in self._indexes:
                self._indexes[oid] = TreeIndex(self.entries(item))
            return self._indexes[oid]

    # -- bytes ----------------------------------------------------------------------------------------

    def open(self, row: Row) -> BinaryIO:
        """The file at `row`, opened for reading; every byte of it belongs to what its oid names."""
        if row.is_folder:
            raise folder_path(row.path)
        if row.oid is None and self.source.commit is not None:
            return io.BytesIO(self.source.files.read(row.path))
        path = self.local(row)
        with fs.translating(path):
            return open(path, "rb")

    def local(self, row: Row) -> str:
        """The path of a file on this machine that holds the bytes of `row`; fetched if it was not here.

        Its name is that of the file only where it lies in the working folder. Raises `InvalidInput`
        (`not-on-disk`) for a file that git keeps.
        """
        if row.is_folder:
            raise folder_path(row.path)
        if row.oid is not None:
            assert row.tracked is not None
            return self.stock.object_path(row.tracked, Entry(row.spot.inside, row.oid, row.size))
        if self.source.commit is not None:
            raise InvalidInput(
                f"'{row.path}' is kept by git, so it is in no file of its own at this revision",
                code="not-on-disk",
                hint="read it: labops.read(...)",
                path=row.path,
            )
        return self._place(row.spot)

    def _place(self, spot: Spot) -> str:
        """Where a file of the working folder is, unless a link that nobody tracks leads out of the repository."""
        place = os.path.join(self.source.root, spot.path)
        if spot.tracked is None:
            root = os.path.realpath(self.source.root)
            if not os.path.realpath(place).startswith(root.rstrip(os.sep) + os.sep):
                raise escapes(spot.path)
        return place


def folder_path(path: str) -> FolderPath:
    """The error for a folder where a file was needed."""
    return FolderPath(f"'{path}' is a folder", code="is-a-folder", hint="name a file in it", path=path)


def _normal(path: str) -> str:
    path = posixpath.normpath(path.strip("/") or ".")
    if path == ".":
        return ""
    return parse_relpath(path)
