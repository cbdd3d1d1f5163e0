"""A home in this process's memory, one request at a time, and a wrapper in which any request may go wrong.

`MemoryStore` behaves as S3 does, with or without conditions; `FaultyStore` asks a callback before and after each
request, which may raise, or let another machine act in between.
"""

# ruff: noqa: ARG002 - a stand-in takes what the protocol gives, and needs less of it

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from labops.errors import NotFound
from labops.model import Forks
from labops.places.home.words import ABSENT, ALL_CONDITIONS, Address, Facts, Got, Source, Stored, Version, changed_there


@dataclass
class MemoryStore:
    """Key → (bytes, facts). The mark is the md5, as S3's etag is."""

    held: dict[str, tuple[bytes, Facts]] = field(default_factory=dict)
    conditions: frozenset[str] = ALL_CONDITIONS
    forks: Forks | None = None
    keeps_versions: bool = False
    can_rename: bool = False
    log: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def pages(self, prefix: str, known: Sequence[str] = (), skip: str = "") -> Iterator[Sequence[Stored]]:
        """One page."""
        self.log.append("list")
        with self.lock:
            rows = [
                Stored(key, len(data), _md5(data), _md5(data))
                for key, (data, _) in sorted(self.held.items())
                if key.startswith(prefix) and not (skip and key.startswith(skip))
            ]
        yield rows

    def look(self, key: str, version: str = "") -> Got | None:
        """HEAD."""
        self.log.append("head")
        with self.lock:
            found = self.held.get(key)
        return Got(len(found[0]), _md5(found[0]), _md5(found[0]), found[1]) if found else None

    can_expect = False

    def expect(self, key: str) -> None:
        """Nothing."""

    def get(self, key: str, target: str, *, version: str = "", partial: str | None = None) -> Got:
        """GET."""
        self.log.append("get")
        with self.lock:
            found = self.held.get(key)
        if found is None:
            raise NotFound(f"'{key}' is missing", code="no-such-object")
        with open(target, "xb") as file:
            file.write(found[0])
        return Got(len(found[0]), _md5(found[0]), _md5(found[0]), found[1])

    def read(self, key: str, write: Callable[[bytes | memoryview], None]) -> int:
        """GET."""
        self.log.append("get")
        with self.lock:
            found = self.held.get(key)
        if found is None:
            raise NotFound(f"'{key}' is missing", code="no-such-object")
        write(found[0])
        return len(found[0])

    def sign(self, key: str, seconds: int) -> Address:
        """Readable to whoever has this process."""
        return Address(f"memory://{key}?for={seconds}")

    def put(self, key: str, source: Source, condition: str | None, journal: str | None = None) -> Got:
        """PUT."""
        self.log.append("put")
        if isinstance(source.content, bytes):
            data = source.content
        else:
            data = b""
            with contextlib.suppress(FileNotFoundError), open(source.content, "rb") as file:  # the check says it
                data = file.read()
        source.check()
        with self.lock:
            self._require(key, condition)
            self.held[key] = (data, source.facts)
        return Got(len(data), _md5(data), _md5(data), source.facts)

    def copy(self, key: str, new_key: str, size: int, condition: str | None, new_condition: str | None) -> None:
        """COPY."""
        self.log.append("copy")
        with self.lock:
            if key not in self.held:
                raise changed_there(key)
            self._require(key, condition)
            self._require(new_key, new_condition)
            self.held[new_key] = self.held[key]

    def rename(self, key: str, new_key: str, condition: str | None, new_condition: str | None) -> None:
        """S3 has none."""
        raise AssertionError("not here")

    def delete(self, key: str, condition: str | None) -> None:
        """DELETE."""
        self.log.append("delete")
        with self.lock:
            if key in self.held:
                self._require(key, condition)
                del self.held[key]

    def versions(self, prefix: str) -> Iterator[Version]:
        """None."""
        return iter(())

    def sweep(self, prefix: str, before: float) -> None:
        """Nothing is ever half-done."""

    def finish(self) -> None:
        """Nothing to wait for."""

    def check(self) -> None:
        """It is there."""

    def close(self) -> None:
        """Nothing is open."""

    def _require(self, key: str, condition: str | None) -> None:
        if condition is None:
            return
        found = self.held.get(key)
        if (_md5(found[0]) if found else ABSENT) != condition:
            raise changed_there(key)


def _md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


class FaultyStore:
    """`store`, with `meanwhile(request, moment)` called before (`"before"`) and after (`"after"`) each request.

    What it raises before means that the request never arrived; after, that the answer was lost.
    """

    def __init__(self, store: MemoryStore, meanwhile: Callable[[str, str], None]) -> None:
        self._store = store
        self._meanwhile = meanwhile
        self.forks = store.forks
        self.conditions = store.conditions
        self.keeps_versions = store.keeps_versions
        self.can_rename = store.can_rename

    def pages(self, prefix: str, known: Sequence[str] = (), skip: str = "") -> Iterator[Sequence[Stored]]:
        """Listing."""
        self._meanwhile("list", "before")
        found = list(self._store.pages(prefix, known, skip))
        self._meanwhile("list", "after")
        yield from found

    def look(self, key: str, version: str = "") -> Got | None:
        """HEAD."""
        self._meanwhile("head", "before")
        found = self._store.look(key)
        self._meanwhile("head", "after")
        return found

    can_expect = False

    def expect(self, key: str) -> None:
        """Nothing."""

    def get(self, key: str, target: str, *, version: str = "", partial: str | None = None) -> Got:
        """GET; a lost answer leaves no file."""
        self._meanwhile("get", "before")
        got = self._store.get(key, target)
        try:
            self._meanwhile("get", "after")
        except BaseException:
            os.unlink(target)
            raise
        return got

    def read(self, key: str, write: Callable[[bytes | memoryview], None]) -> int:
        """GET."""
        self._meanwhile("get", "before")
        return self._store.read(key, write)

    def sign(self, key: str, seconds: int) -> Address:
        """No request."""
        return self._store.sign(key, seconds)

    def put(self, key: str, source: Source, condition: str | None, journal: str | None = None) -> Got:
        """PUT."""
        self._meanwhile("put", "before")
        got = self._store.put(key, source, condition)
        self._meanwhile("put", "after")
        return got

    def copy(self, key: str, new_key: str, size: int, condition: str | None, new_condition: str | None) -> None:
        """COPY."""
        self._meanwhile("copy", "before")
        self._store.copy(key, new_key, size, condition, new_condition)
        self._meanwhile("copy", "after")

    def rename(self, key: str, new_key: str, condition: str | None, new_condition: str | None) -> None:
        """None."""
        self._store.rename(key, new_key, condition, new_condition)

    def delete(self, key: str, condition: str | None) -> None:
        """DELETE."""
        self._meanwhile("delete", "before")
        self._store.delete(key, condition)
        self._meanwhile("delete", "after")

    def versions(self, prefix: str) -> Iterator[Version]:
        """None."""
        return self._store.versions(prefix)

    def sweep(self, prefix: str, before: float) -> None:
        """Nothing is ever half-done."""

    def finish(self) -> None:
        """Nothing to wait for."""

    def check(self) -> None:
        """It is there."""

    def close(self) -> None:
        """Nothing is open."""
