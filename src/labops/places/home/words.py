"""What a store must offer to hold homes: single requests, each with the condition it may carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from labops.errors import Conflict
from labops.model import Forks

ABSENT: Final = ""
"""The condition 'must not exist'. Any other text is the mark that the object must still have."""

MATCH: Final = "match"
CREATE: Final = "create"
COPY: Final = "copy"
COPY_CREATE: Final = "copy-create"
DELETE: Final = "delete"
ALL_CONDITIONS: Final = frozenset({MATCH, CREATE, COPY, COPY_CREATE, DELETE})
"""What a store may be able to refuse: see `Store.conditions`."""


class Facts(NamedTuple):
    """What a file is beside its bytes. `link` is the target of a symbolic link, whose bytes it also is."""

    mtime_ns: int = 0
    is_executable: bool = False
    link: str | None = None


class Stored(NamedTuple):
    """One line of a listing: a key just as the store has it."""

    key: str
    size: int
    mark: str
    """Changes whenever the content does: an etag, or size, time and inode."""
    digest: str = ""
    """md5 of the content where the listing tells it."""
    modified: str = ""
    """When, in ISO 8601; empty where the listing does not tell."""


class Got(NamedTuple):
    """One object as it was met: `digest` is the md5 of its bytes, empty where nobody read or stored it."""

    size: int
    mark: str
    digest: str
    facts: Facts
    modified: float = 0.0
    run: str = ""
    """The stamp of the run that stored it, which holds when and on which machine; empty for other tools' objects."""


class Source(NamedTuple):
    """What is to be stored: a file, or the bytes themselves.

    `check` raises `Conflict` (`changed-while-read`) when the file is no longer the one that was looked at; it is
    called after the last byte was read and before the object gets its name.
    """

    content: str | bytes
    size: int
    facts: Facts
    check: Callable[[], None] = lambda: None
    run: str = ""
    """The stamp of the run, to be kept with the object where the store keeps metadata."""


class Version(NamedTuple):
    """An older content of a key. `ended` is when it was replaced or deleted, in seconds; 0 while unknown."""

    key: str
    size: int
    began: float
    ended: float
    version: str
    """What `Store.get` wants to fetch it."""


class Address(NamedTuple):
    """`is_temporary`: signed with keys of a session, so that it dies with that, however long it was asked to live."""

    url: str
    is_temporary: bool = False


def changed_there(key: str) -> Conflict:
    """The error for an object that is not what it was when the plan was made."""
    return Conflict(
        f"'{key}' was changed by somebody else meanwhile",
        code="changed-there",
        hint="run the command again: it looks anew",
        path=key,
    )


class Store(Protocol):
    """Objects under keys, for many threads at once. Every failure is one of `labops.errors`.

    A condition that does not hold is `Conflict` (`changed-there`), and nothing was written.
    """

    @property
    def conditions(self) -> frozenset[str]:
        """Which conditions this store honours; asking may write and delete one small object, once."""
        ...

    @property
    def forks(self) -> Forks | None:
        """How forked children may put and get: by requests, or not at all."""
        ...

    @property
    def keeps_versions(self) -> bool:
        """True when what is overwritten or deleted stays in the store by itself."""
        ...

    def pages(self, prefix: str, known: Sequence[str] = (), skip: str = "") -> Iterator[Sequence[Stored]]:
        """Every key below `prefix` in no order, except those that start with `skip`; no key is left out or bent.

        `known` are keys that are probably there, sorted: with them pages can be asked for side by side, and a key
        may come twice.
        """
        ...

    def look(self, key: str, version: str = "") -> Got | None:
        """One object (or an older version of it) without its bytes; None when it is absent."""
        ...

    def read(self, key: str, write: Callable[[bytes | memoryview], None]) -> int:
        """`write` gets the bytes of the object in order; returns how many."""
        ...

    def sign(self, key: str, seconds: int) -> Address:
        """An address under which everybody may read the object for that long."""
        ...

    @property
    def can_expect(self) -> bool:
        """True when `expect` does anything."""
        ...

    def expect(self, key: str) -> None:
        """`get` of this small object comes soon: ask for it already. Never fails."""
        ...

    def get(self, key: str, target: str, *, version: str = "", partial: str | None = None) -> Got:
        """Fetch into the new file `target`, hashed on arrival. A symbolic link's target is the file's content.

        With `partial` (a path) a large download that was killed goes on.
        """
        ...

    def put(self, key: str, source: Source, condition: str | None, journal: str | None = None) -> Got:
        """Store `source`: others see all of it or none."""
        ...

    def copy(self, key: str, new_key: str, size: int, condition: str | None, new_condition: str | None) -> None:
        """Copy inside the store, if `key` and `new_key` are as the conditions say."""
        ...

    @property
    def can_rename(self) -> bool:
        """True when `rename` is one step here; otherwise whoever wants it copies, then deletes."""
        ...

    def rename(self, key: str, new_key: str, condition: str | None, new_condition: str | None) -> None:
        """Give the object another key in one step, if both are as the conditions say."""
        ...

    def delete(self, key: str, condition: str | None) -> None:
        """Delete; an absent key is no error."""
        ...

    def versions(self, prefix: str) -> Iterator[Version]:
        """Older contents, where the store `keeps_versions`; none otherwise."""
        ...

    def sweep(self, prefix: str, before: float) -> None:
        """Forget half-done uploads below `prefix` that were begun before this time (seconds since 1970)."""
        ...

    def finish(self) -> None:
        """Wait until everything stored so far would survive a power cut."""
        ...

    def check(self) -> None:
        """At most two requests: the place exists, is reachable, and may be read."""
        ...

    def close(self) -> None:
        """Let go of idle connections."""
        ...
