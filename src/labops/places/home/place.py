"""A member's home: plain objects below one prefix, where everything replaced or deleted can be found again."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from labops.agreement import There
from labops.drivers.pace import Pace
from labops.errors import Conflict, NotFound
from labops.model import Forks
from labops.places.home.words import (
    ABSENT,
    COPY,
    COPY_CREATE,
    CREATE,
    DELETE,
    MATCH,
    Address,
    Got,
    Source,
    Store,
    Stored,
    Version,
    changed_there,
)

TRASH: Final = ".trash/"
"""What was replaced or deleted lies below `.trash/<date>/<time>-<machine>-<number>/`, at its old path."""
BELIEVED_SECONDS: Final = 5.0
"""How long a listing is believed about names that were free, in a store without conditions."""
EXPECTED_BYTES: Final = 256 << 10
"""What may wait in a connection until it is read."""
_BURIED = re.compile(r"\.trash/(\d{4}-\d{2}-\d{2})/(\d{9}-[^/]+)/(.+)", re.DOTALL)


class Buried(NamedTuple):
    """One older content in the trash. `stamp` says when it ended: `2026-04-01/093000123-laptop-1f2e3d`."""

    path: str
    stamp: str
    size: int
    key: str


class Home:
    """One home. Safe to use from many threads. Paths are keys below the prefix, as they are.

    `there` is the object as it was listed: it must still be so, else `Conflict` (`changed-there`), with nothing
    written. Where the store cannot refuse by itself the mark is looked at just before.
    """

    def __init__(self, url: str, store: Store, prefix: str = "", pace: Pace | None = None) -> None:
        """`prefix` is empty or ends with `/`. `pace` is that of the store: its rate limits the bytes that travel."""
        self.pace = pace or Pace()
        self.url = url
        self.store = store
        self._prefix = prefix
        self._listed_at = -math.inf
        self.marks_parts = True
        """False once an object in parts was seen whose mark is not the digest of parts of our length."""

    def __repr__(self) -> str:
        return f"Home({self.url!r})"

    @property
    def forks(self) -> Forks | None:
        """As of the store; but a limit is kept by one process alone."""
        return self.store.forks if self.pace.rate is None else None

    # -- looking ----------------------------------------------------------------------------------------

    def list(self, known: Sequence[str] = ()) -> Iterator[Sequence[Stored]]:
        """Every object with its path as `key`, lossless, in no order; the trash is left out.

        `known` are paths that are probably there, sorted: they make it faster; an object may then come twice.
        """
        prefix, cut = self._prefix, len(self._prefix)
        keys = [prefix + path for path in known] if cut else known
        for page in self.store.pages(prefix, keys, prefix + TRASH):
            yield [row._replace(key=row.key[cut:]) for row in page] if cut else page
        self._listed_at = time.monotonic()

    def list_trash(self, date: str = "") -> Iterator[Buried]:
        """Everything in the trash (of one day), in no order."""
        cut = len(self._prefix)
        inside = self._prefix + TRASH + (f"{date}/" if date else "")
        try:
            for page in self.store.pages(inside):
                for row in page:
                    match = _BURIED.fullmatch(row.key[cut:])
                    if match:
                        yield Buried(match[3], f"{match[1]}/{match[2]}", row.size, row.key[cut:])
        except NotFound as error:
            if error.code != "no-such-file":
                raise

    def versions(self, path: str = "") -> Iterator[Version]:
        """Older contents kept by the bucket itself, with their paths as `key`; none where it keeps none."""
        if not self.store.keeps_versions:
            return
        cut = len(self._prefix)
        for version in self.store.versions(self._prefix + path):
            if not version.key.startswith(self._prefix + TRASH):
                yield version._replace(key=version.key[cut:])

    def below(self, folder: str) -> Iterator[Sequence[Stored]]:
        """Every object whose path starts with `folder` (which ends with `/`, or is empty), as `list` shows them."""
        cut = len(self._prefix)
        for page in self.store.pages(self._prefix + folder, (), self._prefix + TRASH):
            yield [row._replace(key=row.key[cut:]) for row in page] if cut else page

    def look(self, path: str, version: str = "") -> Got | None:
        """One object, or an older version of it, without its bytes."""
        return self.store.look(self._prefix + path, version)

    def read(self, path: str, write: Callable[[bytes | memoryview], None]) -> int:
        """`write` gets the bytes of the object in order; returns how many."""
        return self.store.read(self._prefix + path, write)

    def sign(self, path: str, seconds: int) -> Address:
        """An address under which everybody may read the object for that long."""
        return self.store.sign(self._prefix + path, seconds)

    @property
    def can_expect(self) -> bool:
        """True when `expect` does anything."""
        return self.store.can_expect

    def expect(self, path: str, size: int) -> None:
        """`get` of this object of `size` bytes comes soon: ask for a small one already. Never fails."""
        if size <= EXPECTED_BYTES:
            self.store.expect(self._prefix + path)

    def get(self, path: str, target: str, *, version: str = "", partial: str | None = None) -> Got:
        """Fetch into the new file `target`, hashed on arrival; what came is what the answer says."""
        return self.store.get(self._prefix + path, target, version=version, partial=partial)

    def check(self) -> None:
        """At most two requests: the place exists and may be read."""
        self.store.check()

    # -- writing ----------------------------------------------------------------------------------------

    def put(self, path: str, source: Source, there: There | None, stamp: str, journal: str | None = None) -> Got:
        """Store `source`; what it replaces (`there`, None for nothing) stays findable below `stamp`."""
        key = self._prefix + path
        if there is not None:
            self._bury(path, there, stamp)
        try:
            condition = self._condition(key, there, CREATE if there is None else MATCH)
            return self.store.put(key, source._replace(run=stamp), condition, journal)
        except Conflict as error:
            if error.code == "changed-there":
                ours = self._is_ours(key, source)
                if ours is not None:
                    return ours
            raise

    def _is_ours(self, key: str, source: Source) -> Got | None:
        """What is there, if it is just what we sent: the answer to an earlier attempt was lost."""
        import hashlib

        if not isinstance(source.content, bytes):
            return None  # the next sync compares the contents
        found = self.store.look(key)
        digest = hashlib.md5(source.content).hexdigest()
        return found._replace(digest=digest) if found and found.digest == digest else None

    def remove(self, path: str, there: There, stamp: str) -> None:
        """Delete the object `there`; it stays findable below `stamp`."""
        key = self._prefix + path
        if self.store.can_rename:
            self.store.rename(key, self._grave(path, stamp), there.mark, ABSENT)
            return
        self._bury(path, there, stamp)
        self.store.delete(key, self._condition(key, there, DELETE))

    def move(self, path: str, new_path: str, there: There) -> str:
        """Rename inside the store; the mark of the object under its new name. Nothing is replaced."""
        key, new_key = self._prefix + path, self._prefix + new_path
        if self.store.can_rename:
            self.store.rename(key, new_key, there.mark, ABSENT)
        else:
            new_condition = self._condition(new_key, None, COPY_CREATE)
            self.store.copy(key, new_key, there.size, self._condition(key, there, COPY), new_condition)
        found = self.store.look(new_key)
        if found is None or found.size != there.size:
            raise changed_there(new_path)
        if not self.store.can_rename:
            self.store.delete(key, self._condition(key, there, DELETE))
        return found.mark

    def empty_trash(self, buried: Sequence[Buried]) -> None:
        """Delete these for good."""
        for one in buried:
            self.store.delete(self._prefix + one.key, None)

    def sweep(self, before: float) -> None:
        """Forget half-done uploads that were begun before this time: their processes were killed."""
        self.store.sweep(self._prefix, before)

    def finish(self) -> None:
        """Wait until everything written so far is safe."""
        self.store.finish()

    def close(self) -> None:
        """Let go of idle connections."""
        self.store.close()

    def _bury(self, path: str, there: There, stamp: str) -> None:
        """Keep a copy of the object `there` in the trash, where the store keeps no versions by itself."""
        if not self.store.keeps_versions:
            key = self._prefix + path
            self.store.copy(key, self._grave(path, stamp), there.size, self._condition(key, there, COPY), None)

    def _grave(self, path: str, stamp: str) -> str:
        return f"{self._prefix}{TRASH}{stamp}/{path}"

    def _condition(self, key: str, there: There | None, kind: str) -> str | None:
        """The condition to send; None, after a look, for a store that would ignore it.

        That a name is free is believed for some seconds after a listing: a look at each of ten thousand new
        files would double their requests. Whoever takes the name in that time keeps the content on that
        machine, whose next sync puts it into its own trash.
        """
        mark = there.mark if there else ABSENT
        if kind in self.store.conditions:
            return mark
        if kind == CREATE and time.monotonic() - self._listed_at < BELIEVED_SECONDS:
            return None
        found = self.store.look(key)
        if (found.mark if found else ABSENT) != mark:
            raise changed_there(key)
        return None
