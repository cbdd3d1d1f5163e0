"""The words of a home: what a folder holds here, what its home holds there, what both last agreed on."""

from __future__ import annotations

from typing import NamedTuple


class Known(NamedTuple):
    """What both sides agreed on for one path; the first four are the file's fingerprint here."""

    size: int
    mtime_ns: int
    ctime_ns: int
    ino: int
    """0 for a file that may have changed again within one tick of the clock: it is read again."""
    digest: str
    """md5 of the content, 32 hex digits."""
    mark: str
    """The object's mark there: it changes whenever the content does."""


class Here(NamedTuple):
    """A file of the folder as one look at it saw it; the first four are its fingerprint."""

    size: int
    mtime_ns: int
    ctime_ns: int
    ino: int
    digest: str = ""
    """md5 of the content where it was read, else empty."""
    is_link: bool = False


class There(NamedTuple):
    """An object of the home as the listing shows it."""

    size: int
    mark: str
    digest: str = ""
    """md5 of the content where the listing or a look at the object tells it, else empty."""
