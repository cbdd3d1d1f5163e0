"""Scanning: what lies in an output, by names and fingerprints; nothing is read."""

from __future__ import annotations

import itertools
import marshal
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from labops.drivers import forking, fs
from labops.errors import InvalidInput

IsIgnored = Callable[[str, bool], bool]
"""(path relative to the project root, is it a folder) → is it left out by `.dvcignore`."""

_ALWAYS_LEFT_OUT = {".git", ".hg", ".dvc"}
_SHARED_FROM = 256
"""Files that one process looks at in 1 ms; sharing the rest costs 3 ms, and wins as much with 2,000."""
_SHARED_FOLDERS = 4
"""Folders left to look at from which on there is something to divide."""
_MOST_PORTIONS = 256
"""Many, since folders differ: whoever is done with one takes the next."""


class Scan(NamedTuple):
    """One output as it lies in the workspace: what there is, not what is in it.

    `folders` maps each folder, relative to the output (`""` for itself), to its listing. A single file is a
    listing of one name at `""`. `kind` is `dir`, `file` or `missing`.
    """

    path: str
    kind: str
    folders: dict[str, fs.Listing]
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


_Packed = tuple[list[tuple[Any, ...]], list[str], list[str], list[str]]
"""A `_Part` as plain values, to be sent from process to process."""


class _Part:
    """What was found in some of an output's folders; the fields of `Scan`."""

    def __init__(self) -> None:
        self.folders: dict[str, fs.Listing] = {}
        self.empty: list[str] = []
        self.links: list[str] = []
        self.nested: list[str] = []

    def packed(self) -> _Packed:
        rows = [
            (folder, listing.names, listing.stats.tobytes(), *listing[2:]) for folder, listing in self.folders.items()
        ]
        return rows, self.empty, self.links, self.nested

    def take(self, packed: _Packed) -> None:
        """Add what another part has found."""
        rows, empty, links, nested = packed
        for folder, names, stats, *rest in rows:
            self.folders[folder] = fs.Listing(names, array("Q", stats), *rest)
        self.empty += empty
        self.links += links
        self.nested += nested


class FolderScan:
    """Looks at the folder `path`, which the project knows as `name`."""

    def __init__(self, path: str, name: str, is_ignored: IsIgnored | None) -> None:
        self._path = path
        self._name = name
        self._is_ignored = is_ignored

    def scan(self) -> Scan:
        """The folders are looked at here until that is seen to take long; the rest is shared out."""
        part, waiting = self._walk([""], _SHARED_FROM)
        processes = forking.processors() if len(waiting) >= _SHARED_FOLDERS else 1
        if processes > 1:
            for packed in self._share_out(waiting, processes):
                part.take(packed)
        elif waiting:
            part.take(self._walk(waiting)[0].packed())
        part.empty.sort()
        part.links.sort()
        part.nested.sort()
        return Scan(self._path, "dir", part.folders, tuple(part.empty), tuple(part.links), tuple(part.nested))

    def _share_out(self, folders: Sequence[str], processes: int) -> Iterator[_Packed]:
        """What is in `folders` and below, looked at by forked children and by this process too."""
        count = min(len(folders), _MOST_PORTIONS)
        portions = [folders[start::count] for start in range(count)]
        undone = set(range(count))
        # marshal: half the time that pickling takes, and this process has no time to lose.
        crew = forking.Crew(lambda run: marshal.dumps(self._walk(portions[run])[0].packed()), count, processes - 1)
        try:
            while (own := crew.take()) is not None:
                undone.remove(own)
                yield self._walk(portions[own])[0].packed()
                for run, packed in crew.answers(is_waiting=False):
                    undone.remove(run)
                    yield marshal.loads(packed)  # noqa: S302 - from our own child
            for run, packed in crew.answers():
                undone.remove(run)
                yield marshal.loads(packed)  # noqa: S302
        finally:
            crew.end()
        for run in undone:  # what a child stumbled over is raised here
            yield self._walk(portions[run])[0].packed()

    def _walk(self, folders: Sequence[str], most: int | None = None) -> tuple[_Part, list[str]]:
        """Look at `folders` and everything below, level by level, until `most` files were seen.

        What was found, and the folders that are left.
        """
        part = _Part()
        waiting = deque(folders)
        nfiles = 0
        while waiting and (most is None or nfiles < most):
            folder = waiting.popleft()
            listing = fs.list_folder(f"{self._path}/{folder}" if folder else self._path)
            prefix = folder + "/" if folder else ""
            if ".dvc" in listing.folders:
                if not folder:
                    raise InvalidInput(
                        f"'{self._name}' contains a dvc project of its own",
                        code="nested-project",
                        hint="track its folders one by one, or move its .dvc folder away",
                    )
                part.nested.append(folder)
                continue
            if ".dvcignore" in listing.names:
                raise InvalidInput(
                    f"'{self._name}/{prefix}.dvcignore' is inside a dataset",
                    code="dvcignore-inside",
                    hint="move its rules to a .dvcignore above the dataset",
                )
            part.links += self._check_odd(prefix, listing)
            listing = self._drop_ignored(prefix, listing)
            if not listing.names and not listing.folders and folder:
                part.empty.append(folder)
            if listing.names:
                part.folders[folder] = listing
                nfiles += len(listing.names)
            waiting.extend(prefix + name for name in listing.folders if name not in _ALWAYS_LEFT_OUT)
        return part, list(waiting)

    def _check_odd(self, prefix: str, listing: fs.Listing) -> list[str]:
        """The links to folders; anything else that is odd and not ignored is refused."""
        links = []
        for name, kind in listing.odd:
            where = f"{self._path}/{prefix}{name}"
            if self._is_ignored is not None and self._is_ignored(f"{self._name}/{prefix}{name}", False):
                continue
            if kind != "folder link":
                raise odd(where, kind)
            links.append(prefix + name)
        return links

    def _drop_ignored(self, prefix: str, listing: fs.Listing) -> fs.Listing:
        for name in listing.names:
            if not name.isascii():
                _check_name(name, prefix)
        if ".git" in listing.names:  # a submodule's pointer file
            listing = _without(listing, {".git"})
        if self._is_ignored is None:
            return listing
        base = self._name + "/" + prefix
        dropped = {name for name in listing.names if self._is_ignored(base + name, False)}
        dropped |= {name for name in listing.folders if self._is_ignored(base + name, True)}
        return _without(listing, dropped) if dropped else listing


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


def odd(path: str, kind: str) -> InvalidInput:
    """The refusal of what is neither a file nor a folder nor a link to one."""
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
