"""The workspace: the folder where people see their data as ordinary files.

Scanning looks at names and fingerprints only; nothing is read. Writing goes to a workbench first and is
renamed into place, never through a symbolic link, so a kill leaves no half file and no hostile listing can
reach outside the project.
"""

from __future__ import annotations

import itertools
import os
import stat as stat_bits
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from labops.drivers import fs
from labops.errors import Conflict, InvalidInput
from labops.formats.statefile import Columns, StateTable, join_names
from labops.model import HERE, Entry, Oid, RelPath, Tree, file_tree

IsIgnored = Callable[[str, bool], bool]
"""(path relative to the project root, is it a folder) → is it left out by `.dvcignore`."""

_U64 = (1 << 64) - 1
_ALWAYS_LEFT_OUT = {".git", ".hg", ".dvc"}


@dataclass(frozen=True, slots=True)
class Scan:
    """One output as it lies in the workspace: what there is, not what is in it.

    `folders` maps each folder, relative to the output (`""` for itself), to its listing. A single file is a
    listing of one name at `""`. `kind` is `dir`, `file` or `missing`.
    """

    path: str
    kind: str
    folders: dict[str, fs.Listing] = field(default_factory=dict)
    empty: tuple[str, ...] = ()
    """Folders without any file, which DVC's format cannot hold."""
    links: tuple[str, ...] = ()
    """Symbolic links to folders, which are not followed."""
    nested: tuple[str, ...] = ()
    """Folders that are DVC projects of their own, which are left out."""

    @property
    def nfiles(self) -> int:
        return sum(len(listing.names) for listing in self.folders.values())

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(sum(listing.stats[::4]) for listing in self.folders.values())

    def absolute(self, folder: str, name: str) -> str:
        """Where a listed file lies."""
        if self.kind == "file":
            return self.path
        return f"{self.path}/{folder}/{name}" if folder else f"{self.path}/{name}"


class Recall:
    """A scan beside the state: for each file the oid it had, or None where it must be read."""

    def __init__(self, scan: Scan, table: StateTable) -> None:
        self.scan = scan
        self._oids: dict[str, Columns | list[Oid | None]] = {}
        self._entries: list[Entry] | None = None
        self.unknown: list[tuple[str, int]] = []
        """(folder, index in its listing) of each file to read."""
        self.known_names: set[tuple[str, str]] = set()
        """Those to read that had a row: probably rewritten, not new."""
        self.is_same = scan.kind != "missing" and table.directories.keys() == scan.folders.keys()
        for folder, listing in scan.folders.items():
            self._compare(folder, listing, table.directories.get(folder))
        self.remembered = Oid(table.tree_oid) if table.tree_oid else None
        """The tree that all remembered files made together, whatever changed since."""
        self.tree_oid = self.remembered if self.is_same else None
        """The tree all files make, when not one of them changed since that was computed."""

    def _compare(self, folder: str, listing: fs.Listing, columns: Columns | None) -> None:
        if columns and columns.stats == listing.stats.tobytes() and columns.names == join_names(listing.names):
            self._oids[folder] = columns
            return
        self.is_same = False
        rows = columns.rows() if columns else {}
        packed = listing.stats.tobytes()
        found: list[Oid | None] = []
        for index, name in enumerate(listing.names):
            row = rows.get(name)
            if row is not None and row[0] == packed[index * 32 : index * 32 + 32]:
                found.append(row[1])
                continue
            found.append(None)
            self.unknown.append((folder, index))
            if row is not None:
                self.known_names.add((folder, name))
        self._oids[folder] = found

    @classmethod
    def of_rows(cls, scan: Scan, rows: Mapping[RelPath, tuple[bytes, Oid]]) -> Self:
        """A recall from path → (packed fingerprint, oid) instead of a state file."""
        by_folder: dict[str, dict[str, tuple[bytes, Oid]]] = {}
        for path, row in rows.items():
            folder, _, name = path.rpartition("/")
            by_folder.setdefault(folder, {})[name] = row
        if HERE in rows:
            by_folder = {HERE: {os.path.basename(scan.path): rows[HERE]}}
        table = StateTable()
        for folder, files in by_folder.items():
            digests = bytes.fromhex("".join(oid for _, oid in files.values()))
            stats = b"".join(packed for packed, _ in files.values())
            table.directories[folder] = Columns(join_names(list(files)), stats, digests)
        recall = cls(scan, table)
        # Unlike rows that were read from a state file, these may be too young to be trusted next time.
        recall._oids = {folder: list(recall.oids(folder)) for folder in recall._oids}
        return recall

    def rows(self) -> dict[RelPath, tuple[bytes, Oid]]:
        """Path → (packed fingerprint, oid) of every known file."""
        rows: dict[RelPath, tuple[bytes, Oid]] = {}
        for folder, listing in self.scan.folders.items():
            prefix = folder + "/" if folder else ""
            packed = listing.stats.tobytes()
            for index, (name, oid) in enumerate(zip(listing.names, self.oids(folder), strict=True)):
                if oid is not None:
                    path = RelPath(prefix + name) if self.scan.kind == "dir" else HERE
                    rows[path] = (packed[index * 32 : index * 32 + 32], oid)
        return rows

    def oids(self, folder: str) -> Sequence[Oid | None]:
        """The oids of one folder's files, in the order of its listing."""
        found = self._oids[folder]
        return found.oids() if isinstance(found, Columns) else found

    def known_oids(self) -> Iterator[Oid]:
        """The oids of all files that need not be read."""
        for folder in self._oids:
            yield from (oid for oid in self.oids(folder) if oid is not None)

    def learn(self, folder: str, index: int, hashed: fs.Hashed) -> None:
        """A file was read: this is its oid, and the fingerprint that goes with it."""
        found = self._oids[folder]
        if isinstance(found, Columns):
            found = self._oids[folder] = list(found.oids())
        found[index] = hashed.oid
        row = [number & _U64 for number in hashed.fingerprint]
        self.scan.folders[folder].stats[4 * index : 4 * index + 4] = array("Q", row)

    def entries(self) -> list[Entry]:
        """Every file with its oid and size, sorted by path; all must be known by now."""
        if self._entries is not None:
            return self._entries
        rows: list[Entry] = []
        for folder, listing in self.scan.folders.items():
            prefix = folder + "/" if folder else ""
            sizes = listing.stats[::4]
            for name, oid, size in zip(listing.names, self.oids(folder), sizes, strict=True):
                if oid is None:
                    raise AssertionError(f"'{prefix}{name}' was not read")
                rows.append(Entry(RelPath(prefix + name), oid, size))
        rows.sort()
        self._entries = rows
        return rows

    def file_tree(self) -> Tree:
        """The tree of a single file."""
        (entry,) = self.entries()
        return file_tree(entry.oid, entry.size)

    def table(self, tree_oid: str, clock_ns: int) -> StateTable:
        """What to remember; `clock_ns` is when the scan began."""
        table = StateTable(tree_oid=tree_oid)
        is_settled = True
        for folder, listing in self.scan.folders.items():
            found = self._oids[folder]
            if isinstance(found, Columns):  # a row that could not be trusted would not have matched
                table.directories[folder] = found
                continue
            known = [oid for oid in found if oid is not None]
            if len(known) == len(listing.names):
                is_settled &= table.record(folder, listing.names, listing.stats, known, clock_ns)
            else:
                is_settled = False
        if not is_settled:
            table.tree_oid = ""
        return table


class Workspace:
    """The files of one project below `root`. `workbench` is a folder on the same file system for half-done files."""

    def __init__(self, root: str, workbench: Callable[[], str], is_ignored: IsIgnored | None = None) -> None:
        self.root = root
        self._workbench = workbench
        self._is_ignored = is_ignored
        self._bench = ""
        self._numbers = itertools.count()
        self._made: set[str] = set()
        self._lock = threading.Lock()

    def relative(self, path: str) -> str:
        """An absolute path as the project speaks of it: posix, from the root."""
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    def scan(self, path: str) -> Scan:
        """Look at the output at the absolute `path`.

        Raises `InvalidInput` for what cannot be a dataset: a broken link, a device, a `.dvcignore` inside,
        a project inside, a name that is not Unicode.
        """
        with fs.translating(path):
            try:
                st = os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                if os.path.islink(path):
                    raise _odd(path, "broken link") from None
                return Scan(path, "missing")
        if stat_bits.S_ISDIR(st.st_mode):
            return self._scan_dir(path)
        if not stat_bits.S_ISREG(st.st_mode):
            raise _odd(path, "special")
        stats = array("Q", [number & _U64 for number in fs.fingerprint(st)])
        name = os.path.basename(path)
        links = [name] if os.path.islink(path) else []
        executables = [name] if st.st_mode & 0o111 else []
        return Scan(path, "file", {HERE: fs.Listing([name], stats, [], links, executables, [])})

    def _scan_dir(self, path: str) -> Scan:
        folders: dict[str, fs.Listing] = {}
        empty: list[str] = []
        links: list[str] = []
        nested: list[str] = []
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            listing = fs.list_folder(f"{path}/{folder}" if folder else path)
            prefix = folder + "/" if folder else ""
            if ".dvc" in listing.folders:
                if not folder:
                    raise InvalidInput(
                        f"'{self.relative(path)}' contains a dvc project of its own",
                        code="nested-project",
                        hint="track its folders one by one, or move its .dvc folder away",
                    )
                nested.append(folder)
                continue
            if ".dvcignore" in listing.names:
                raise InvalidInput(
                    f"'{self.relative(path)}/{prefix}.dvcignore' is inside a dataset",
                    code="dvcignore-inside",
                    hint="move its rules to a .dvcignore above the dataset",
                )
            links += self._check_odd(path, prefix, listing)
            listing = self._drop_ignored(path, prefix, listing)
            if not listing.names and not listing.folders and folder:
                empty.append(folder)
            if listing.names:
                folders[folder] = listing
            waiting.extend(prefix + name for name in listing.folders if name not in _ALWAYS_LEFT_OUT)
        return Scan(path, "dir", folders, tuple(sorted(empty)), tuple(sorted(links)), tuple(sorted(nested)))

    def _check_odd(self, path: str, prefix: str, listing: fs.Listing) -> list[str]:
        """The links to folders; anything else that is odd and not ignored is refused."""
        links = []
        for name, kind in listing.odd:
            where = f"{path}/{prefix}{name}"
            if self._is_ignored is not None and self._is_ignored(self.relative(where), False):
                continue
            if kind != "folder link":
                raise _odd(where, kind)
            links.append(prefix + name)
        return links

    def _drop_ignored(self, path: str, prefix: str, listing: fs.Listing) -> fs.Listing:
        for name in listing.names:
            if not name.isascii():
                _check_name(name, prefix)
        if ".git" in listing.names:  # a submodule's pointer file
            listing = _without(listing, {".git"})
        if self._is_ignored is None:
            return listing
        base = self.relative(path) + "/" + prefix
        dropped = {name for name in listing.names if self._is_ignored(base + name, False)}
        dropped |= {name for name in listing.folders if self._is_ignored(base + name, True)}
        return _without(listing, dropped) if dropped else listing

    def temporary(self) -> str:
        """A path on the workbench that nobody else uses."""
        with self._lock:
            if not self._bench:
                parent = self._workbench()
                fs.sweep_workbenches(parent)
                self._bench = fs.make_workbench(parent)
        return f"{self._bench}/{next(self._numbers)}"

    def close(self) -> None:
        """Remove the workbench."""
        if self._bench:
            fs.remove_workbench(self._bench)
            self._bench = ""

    def place(self, made: str, path: str) -> fs.Fingerprint:
        """Give the finished file `made` (see `temporary`) its place, replacing a file there; its fingerprint."""
        self._make_parents(path)
        try:
            fs.rename(made, path)
        except BaseException:
            fs.remove(made)
            raise
        return fs.stat(path)

    def _make_parents(self, path: str) -> None:
        """The folder of `path`, made where absent; a link among its parents is refused."""
        parent = os.path.dirname(path)
        if parent in self._made:
            return
        link = fs.link_parents(path, self.root)
        if link is not None:
            raise Conflict(
                f"'{self.relative(link)}' is a symbolic link; nothing is written through it",
                code="link-in-the-way",
                hint=f"replace the link by a real folder: rm '{self.relative(link)}'",
            )
        fs.make_folder(parent)
        self._made.add(parent)

    def remove(self, path: str) -> None:
        """Remove one file, unless a link among its parents leads elsewhere."""
        if fs.link_parents(path, self.root) is None:
            fs.remove(path)

    def prune(self, emptied: Iterable[str], *, top: str, is_top_kept: bool) -> None:
        """Remove the folders that deletions left empty, upwards to the output `top`."""
        for folder in sorted(emptied, key=len, reverse=True):
            while folder != top and folder.startswith(top + "/") and fs.remove_folder(folder):
                folder = os.path.dirname(folder)
        if not is_top_kept:
            fs.remove_folder(top)

    def make_folder(self, path: str) -> None:
        """Make the folder of an output that has no files."""
        self._make_parents(os.path.join(path, "file"))


def _check_name(name: str, prefix: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = (prefix + name).encode("utf-8", "surrogateescape")
        raise InvalidInput(
            f"the name {shown!r} is not valid UTF-8",
            code="name-not-unicode",
            hint="rename the file; dvc's format holds Unicode names only",
        ) from None


def _without(listing: fs.Listing, dropped: set[str]) -> fs.Listing:
    keep = [index for index, name in enumerate(listing.names) if name not in dropped]
    stats = array("Q", itertools.chain.from_iterable(listing.stats[4 * i : 4 * i + 4] for i in keep))
    return fs.Listing(
        [listing.names[index] for index in keep],
        stats,
        [name for name in listing.folders if name not in dropped],
        [name for name in listing.links if name not in dropped],
        [name for name in listing.executables if name not in dropped],
        listing.odd,
    )


def _odd(path: str, kind: str) -> InvalidInput:
    if kind == "broken link":
        return InvalidInput(
            f"'{path}' is a symbolic link to nothing",
            code="broken-link",
            hint="remove the link or bring back the file it points at",
            path=path,
        )
    return InvalidInput(
        f"'{path}' is not a regular file",
        code="not-a-file",
        hint="datasets hold files and folders only; move it out of the dataset",
        path=path,
    )


def changed_paths(recall: Recall) -> Iterator[str]:
    """The files of a recall that must be read, relative to the output."""
    for folder, index in recall.unknown:
        name = recall.scan.folders[folder].names[index]
        yield f"{folder}/{name}" if folder else name
