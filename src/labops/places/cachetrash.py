"""The trash of a cache: what gc sets aside lies among our notes, on the same disk, until it is emptied out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from labops.drivers import fs
from labops.places.cache import Cache
from labops.places.trash import FolderTrash, Stored


def cache_trash(cache: Cache) -> FolderTrash:
    """The trash of `cache`, whose objects it moves."""
    root = os.path.join(cache.notes, "trash")
    return FolderTrash(root, cache.hash_name, cache.path, is_shared=cache.is_shared)


def cache_inventory(cache: Cache) -> Iterator[Stored]:
    """Every object of `cache` with its size and the time at which it got its name.

    That is its last change or, later as a rule, the last change of its names: a dataset that was hard-linked
    in today counts as new however old its files are.
    """
    for oid in cache.list():
        with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
            seen = os.stat(cache.path(oid))
            yield Stored(oid, seen.st_size, max(seen.st_mtime, seen.st_ctime))


def cache_notes(cache: Cache, kind: str) -> dict[str, bytes]:
    """The small files about `cache` of one kind, by name, as a remote has them too."""
    folder = os.path.join(cache.notes, kind)
    return {name: fs.read_cache_file(os.path.join(folder, name)) for name in fs.names_in(folder)}


def put_cache_note(cache: Cache, kind: str, name: str, data: bytes) -> None:
    """Write one of them; silent for members who may only read the cache."""
    fs.write_cache_file(os.path.join(cache.notes, kind, name), data, is_shared=cache.is_shared)
