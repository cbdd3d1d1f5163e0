"""State: what labops remembers about a project's files on this machine, below `.dvc/tmp/lab/`.

Everything here can be deleted at any time; the next command only reads more files.
"""

from __future__ import annotations

import os

from labops.drivers import fs
from labops.formats.statefile import StateTable, parse_state, render_state
from labops.model import HashName, Oid


class State:
    """The state folder of one project. Reading never fails; saving is silent where it is not allowed.

    With `is_looking` nothing is written at all.
    """

    def __init__(self, folder: str, *, is_looking: bool = False) -> None:
        self.folder = folder
        self._is_looking = is_looking

    def load(self, output: str, hash_name: HashName) -> StateTable:
        """What is known about the files of `output` (a path relative to the project root)."""
        return parse_state(fs.read_cache_file(self._path(output, hash_name)))

    def save(self, output: str, hash_name: HashName, table: StateTable) -> None:
        """Remember `table` for `output`."""
        if self._is_looking:
            return
        fs.write_cache_file(self._path(output, hash_name), render_state(table))

    def forget(self, output: str) -> None:
        """Drop what is known about `output`, so that its files are read again."""
        if self._is_looking:
            return
        for hash_name in HashName:
            fs.remove(self._path(output, hash_name))

    def is_proven(self, output: str, oid: Oid, witness: bytes) -> bool:
        """True when `prove` was told that the cache, as `witness` describes it, has all objects of `oid`."""
        return bool(witness) and fs.read_cache_file(self._proof_path(output)) == oid.encode() + b"\n" + witness

    def prove(self, output: str, oid: Oid, witness: bytes) -> None:
        """Remember that every object of `oid` was seen in a cache with this witness."""
        if witness and not self._is_looking:
            fs.write_cache_file(self._proof_path(output), oid.encode() + b"\n" + witness)

    def clock_ns(self) -> int:
        """Now, by the clock of the file system that holds the project; 0 where nothing is remembered anyway."""
        return 0 if self._is_looking else fs.clock_ns(self.folder)

    def workbench(self) -> str:
        """An existing folder for half-done files of this process, on the project's file system."""
        path = os.path.join(self.folder, "bench")
        fs.make_folder(path)
        return path

    def _path(self, output: str, hash_name: HashName) -> str:
        return os.path.join(self.folder, "state", _key(f"{hash_name}:{output}"))

    def _proof_path(self, output: str) -> str:
        return os.path.join(self.folder, "proofs", _key(output))


def _key(name: str) -> str:
    import hashlib

    return hashlib.md5(name.encode("utf-8", "surrogateescape")).hexdigest()
