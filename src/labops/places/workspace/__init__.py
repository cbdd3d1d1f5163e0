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
from collections.abc import Callable, Iterable

from labops.drivers import fs
from labops.errors import Conflict
from labops.model import HERE
from labops.places.workspace.recall import Recall, changed_paths
from labops.places.workspace.scanning import FolderScan, IsIgnored, Scan, odd

__all__ = ["Recall", "Scan", "Workspace", "changed_paths"]

_U64 = (1 << 64) - 1


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
                    raise odd(path, "broken link") from None
                return Scan(path, "missing", {})
        if stat_bits.S_ISDIR(st.st_mode):
            return FolderScan(path, self.relative(path), self._is_ignored).scan()
        if not stat_bits.S_ISREG(st.st_mode):
            raise odd(path, "special")
        stats = array("Q", [number & _U64 for number in fs.fingerprint(st)])
        name = os.path.basename(path)
        links = [name] if os.path.islink(path) else []
        executables = [name] if st.st_mode & 0o111 else []
        return Scan(path, "file", {HERE: fs.Listing([name], stats, [], links, executables, [])})

    def temporary(self) -> str:
        """A path on the workbench that nobody else uses."""
        self.open_bench()
        return f"{self._bench}/{os.getpid()}-{next(self._numbers)}"

    def open_bench(self) -> None:
        """Make the workbench now: children that are forked afterwards share it."""
        with self._lock:
            if not self._bench:
                parent = self._workbench()
                fs.sweep_workbenches(parent)
                self._bench = fs.make_workbench(parent)

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
