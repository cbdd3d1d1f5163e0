"""What is known about the files of a scan without reading them: the scan beside the state."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from labops.drivers import fs
from labops.formats.statefile import Columns, StateTable, join_names
from labops.model import HERE, Entry, Oid, RelPath, Tree, file_tree
from labops.places.workspace.scanning import Scan

_U64 = (1 << 64) - 1


class Recall:
    """A scan beside the state: for each file the oid it had, or None where it must be read."""

    def __init__(self, scan: Scan, table: StateTable) -> None:
        self.scan = scan
        self._oids: dict[str, Columns | list[Oid | None]] = {}
        self._entries: list[Entry] | None = None
        self._is_young = False
        """Unlike rows that were read from a state file, these may be too young to be trusted next time."""
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
        table = StateTable()
        for folder, listing in scan.folders.items():
            prefix = folder + "/" if folder else ""
            paths = [RelPath(prefix + name) if scan.kind == "dir" else HERE for name in listing.names]
            found = [rows.get(path) for path in paths]
            known = [row for row in found if row is not None]
            if known:
                names = [name for name, row in zip(listing.names, found, strict=True) if row is not None]
                digests = bytes.fromhex("".join(oid for _, oid in known))
                stats = b"".join(packed for packed, _ in known)
                table.directories[folder] = Columns(join_names(names), stats, digests)
        recall = cls(scan, table)
        recall._is_young = True
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
            if isinstance(found, Columns) and not self._is_young:  # what cannot be trusted would not have matched
                table.directories[folder] = found
                continue
            known = [oid for oid in self.oids(folder) if oid is not None]
            if len(known) == len(listing.names):
                is_settled &= table.record(folder, listing.names, listing.stats, known, clock_ns)
            else:
                is_settled = False
        if not is_settled:
            table.tree_oid = ""
        return table


def changed_paths(recall: Recall) -> Iterator[str]:
    """The files of a recall that must be read, relative to the output."""
    for folder, index in recall.unknown:
        name = recall.scan.folders[folder].names[index]
        yield f"{folder}/{name}" if folder else name
